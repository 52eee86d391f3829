"""Sentences as tokens with tags, whatever their label set: what token models train on.

The labels of others' data are not those of the scheme, and their tokens are no places in a text
that we have, so such data cannot be Documents. A `TokenSentence` is all that training and scoring
on tokens need; `load_sentences` reads it from an imported dataset and from our own alike.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from annotate.dataset.folder import read_manifest
from annotate.dataset.split import SPLITS, Split
from annotate.errors import DataError, ServiceError
from annotate.scheme import LAYERS, Layer
from annotate.tags import OUTSIDE
from annotate.tokens import Offsets

TokenConfig = Literal["syllable", "word"]
_CONFIGS: tuple[TokenConfig, TokenConfig] = ("syllable", "word")

IMPORTED = "conll"
"""What the manifest of an imported dataset has as its `kind`."""

TAG_COLUMNS: dict[Layer, str] = {"outer": "ner_tags", "inner": "ner_tags_inner"}


@dataclass(frozen=True, slots=True)
class TokenSentence:
    """Tokens and their IOB2 tags; `inner` are those of a second layer, None where there is none.

    `document` names what the sentence comes from, None where that is not known.
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    inner: tuple[str, ...] | None = None
    document: str | None = None


def find_tag_problem(tag: str, before: str = OUTSIDE) -> str | None:
    """Why a tag behind the tag `before` is no IOB2, or None."""
    if tag == OUTSIDE:
        return None
    prefix, _, label = tag.partition("-")
    if prefix not in ("B", "I") or not label or any(map(str.isspace, label)):
        return f"{tag!r} is no IOB2 tag; wanted O, B-LABEL or I-LABEL"
    if prefix == "I" and before not in (f"B-{label}", f"I-{label}"):
        return f"{tag} behind {before}; in IOB2 an entity begins with B-{label}"
    return None


def layers_of(sentence: TokenSentence) -> Iterator[tuple[Layer, tuple[str, ...]]]:
    """The tags of a sentence, layer by layer."""
    yield LAYERS[0], sentence.tags
    if sentence.inner is not None:
        yield LAYERS[1], sentence.inner


def label_set(sentences: Iterable[TokenSentence]) -> tuple[str, ...]:
    """The labels of the sentences, both layers, sorted."""
    tags = {tag for sentence in sentences for _, layer in layers_of(sentence) for tag in layer}
    return tuple(sorted({tag.partition("-")[2] for tag in tags} - {""}))


def tag_names(labels: Sequence[str]) -> list[str]:
    """The IOB2 tags of labels, in the order of their numbers in `ClassLabel`."""
    return [OUTSIDE, *(f"{prefix}-{label}" for label in labels for prefix in "BI")]


def count_labels(sentences: Iterable[TokenSentence]) -> Counter[tuple[Layer, str]]:
    """Entities by layer and label."""
    counts: Counter[tuple[Layer, str]] = Counter()
    for sentence in sentences:
        for layer, tags in layers_of(sentence):
            counts.update((layer, tag[2:]) for tag in tags if tag.startswith("B-"))
    return counts


# --- Sentences of any dataset ----------------------------------------------------------------


def load_sentences(
    path: str | Path, split: Split | None = None, config: TokenConfig | None = None
) -> list[TokenSentence]:
    """The sentences of a dataset with tokens and tags: an imported one or one of ours.

    `path` is a folder or a name on the Hub (`ORG/NAME`). Without `config` it is the only one that
    there is, or `syllable`. Without `split` all of them follow one another.

    Raises DataError for a folder that is no such dataset, a split or configuration that it does
    not have; ServiceError where the Hub does not give it.
    """
    from datasets import get_dataset_config_names, get_dataset_split_names, load_dataset

    if not Path(path).exists() and str(path).count("/") != 1:
        raise DataError(f"{path}: no such folder; the folder of a dataset was wanted")
    configs = [name for name in _ask(path, get_dataset_config_names) if name in _CONFIGS]
    chosen = config or next((name for name in _CONFIGS if name in configs), None)
    if chosen is None or chosen not in configs:
        raise DataError(
            f"{path}: has no configuration {chosen or ' or '.join(_CONFIGS)}; "
            f"it has {', '.join(configs) or 'none with tokens'}"
        )
    splits = _ask(path, lambda name: get_dataset_split_names(name, chosen))
    if split is not None and split not in splits:
        raise DataError(f"{path}: no split {split!r}; it has {', '.join(splits)}")
    sentences: list[TokenSentence] = []
    for part in (split,) if split else [name for name in SPLITS if name in splits]:
        rows = _ask(path, lambda name: load_dataset(name, chosen, split=part, streaming=True))  # noqa: B023
        names = _column_names(path, rows.features)
        sentences.extend(_row_to_sentence(row, names) for row in rows)
    return sentences


def load_label_set(path: str | Path) -> tuple[str, ...]:
    """The labels that the manifest of an imported dataset names. Raises DataError."""
    manifest = read_manifest(Path(path))
    if manifest is None or manifest.facts.get("kind") != IMPORTED:
        raise DataError(f"{path}: not a dataset that vipol import conll made")
    return tuple(manifest.facts["labels"])


def _ask(path: str | Path, question: Callable[[str], Any]) -> Any:
    try:
        return question(str(path))
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        if Path(path).exists():
            raise DataError(f"{path}: not a dataset with tokens and tags ({reason})") from None
        raise ServiceError(
            f"{path}: no such folder, and the Hub did not give it ({reason})"
        ) from None


@dataclass(frozen=True, slots=True)
class _TagNames:
    outer: list[str]
    inner: list[str] | None


def _column_names(path: str | Path, features: Any) -> _TagNames:
    """The names of the tags of each layer, by their numbers."""
    outer, inner = (
        getattr(features[column].feature, "names", None) if column in features else None
        for column in TAG_COLUMNS.values()
    )
    if not outer or "tokens" not in features:
        raise DataError(f"{path}: has no columns tokens and ner_tags of ClassLabel")
    return _TagNames(outer, inner)


def _row_to_sentence(row: Mapping[str, Any], names: _TagNames) -> TokenSentence:
    return TokenSentence(
        tokens=tuple(row["tokens"]),
        tags=tuple(names.outer[number] for number in row["ner_tags"]),
        inner=tuple(names.inner[number] for number in row["ner_tags_inner"])
        if names.inner
        else None,
        document=row.get("document_id"),
    )


# --- Tokens as text ----------------------------------------------------------------

_JOINT = re.compile(r"(?<=[^\W_])_(?=[^\W_])")


def join_tokens(tokens: Sequence[str]) -> tuple[str, list[Offsets]]:
    """A text of the tokens for models that read text, and the place of each token in it.

    Tokens are parted by one space; a `_` between two letters or digits is shown as a space, so
    `Sơn_Hà` reads as it is written. A token's length does not change.
    """
    offsets: list[Offsets] = []
    place = 0
    for token in tokens:
        offsets.append((place, place + len(token)))
        place += len(token) + 1
    return " ".join(_JOINT.sub(" ", token) for token in tokens), offsets
