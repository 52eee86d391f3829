"""Sentences as tokens with tags, whatever their label set: what token models train on.

The labels of others' data are not those of the scheme, and their tokens are no places in a text
that we have. A `TokenSentence` holds them exactly as they are; `load_sentences` reads it from an
imported dataset and from our own alike. For models, `sentences_to_documents` makes Documents that
bring their labels and tokens along (`Document.foreign`).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from annotate.dataset.split import SPLITS, Split
from annotate.document import Document, Foreign, Span, sort_spans
from annotate.errors import DataError, ServiceError
from annotate.scheme import LAYERS, Layer
from annotate.tags import OUTSIDE, tags_to_spans
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


def find_tag_problem(tag: str, before: str | None = None) -> str | None:
    """Why a tag is no IOB2, or None; with `before`, why it cannot stand behind that tag."""
    if tag == OUTSIDE:
        return None
    prefix, _, label = tag.partition("-")
    if prefix not in ("B", "I") or not label or any(map(str.isspace, label)):
        return f"{tag!r} is no IOB2 tag; wanted O, B-LABEL or I-LABEL"
    if prefix == "I" and before not in (None, f"B-{label}", f"I-{label}"):
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


@dataclass(frozen=True, slots=True)
class TokenData:
    """Sentences by split, with the configuration and the whole label set of their dataset."""

    config: TokenConfig
    labels: tuple[str, ...]
    parts: dict[Split, list[TokenSentence]]


def load_sentences(
    path: str | Path, split: Split | None = None, config: TokenConfig | None = None
) -> list[TokenSentence]:
    """The sentences of a dataset with tokens and tags: an imported one or one of ours.

    Without `split` all of them follow one another; otherwise as `load_token_data`.
    """
    parts = load_token_data(path, split, config).parts
    return [sentence for part in parts.values() for sentence in part]


def load_token_data(
    path: str | Path, split: Split | None = None, config: TokenConfig | None = None
) -> TokenData:
    """The sentences of a dataset, of one split or of all that it has.

    `path` is a folder or a name on the Hub (`ORG/NAME`). Without `config` it is the only one that
    there is, or `syllable`.

    Raises DataError for a folder that is no such dataset, a split or configuration that it does
    not have; ServiceError where the Hub does not give it.
    """
    from datasets import load_dataset

    if not Path(path).exists() and str(path).count("/") != 1:
        raise DataError(f"{path}: no such folder; the folder of a dataset was wanted")
    configs = [name for name in list_configs(path) if name in _CONFIGS]
    chosen = config or next((name for name in _CONFIGS if name in configs), None)
    if chosen is None or chosen not in configs:
        raise DataError(
            f"{path}: has no configuration {chosen or ' or '.join(_CONFIGS)}; "
            f"it has {', '.join(configs) or 'none with tokens'}"
        )
    splits = list_splits(path, chosen)
    if split is not None and split not in splits:
        raise DataError(f"{path}: no split {split!r}; it has {', '.join(splits)}")
    labels: set[str] = set()
    parts: dict[Split, list[TokenSentence]] = {}
    for part in (split,) if split else splits:
        read = partial(load_dataset, name=chosen, split=part, streaming=True)
        rows = ask_dataset(path, read)
        names = _column_names(path, rows.features)
        labels.update(tag.partition("-")[2] for tag in (*names.outer, *(names.inner or ())))
        parts[part] = [_row_to_sentence(row, names) for row in rows]
    return TokenData(chosen, tuple(sorted(labels - {""})), parts)


def list_configs(path: str | Path) -> list[str]:
    """The configurations of a dataset, a folder or a name on the Hub. Raises as the loaders."""
    from datasets import get_dataset_config_names

    return list(ask_dataset(path, get_dataset_config_names))


def list_splits(path: str | Path, config: str) -> list[Split]:
    """Which of train, validation and test a configuration has, in this order."""
    from datasets import get_dataset_split_names

    found = ask_dataset(path, lambda name: get_dataset_split_names(name, config))
    return [split for split in SPLITS if split in found]


def ask_dataset(path: str | Path, question: Callable[[str], Any]) -> Any:
    """What a function of `datasets` says of a folder or a name on the Hub.

    Raises DataError where the folder is no dataset, ServiceError where the Hub does not give it.
    """
    try:
        return question(str(path))
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        if Path(path).exists():
            raise DataError(
                f"{path}: not a dataset that vipol build or import wrote ({reason}); make it again"
            ) from None
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


def join_tokens(tokens: Sequence[str], config: TokenConfig) -> tuple[str, list[Offsets]]:
    """A text of the tokens for models that read text, and the place of each token in it.

    Tokens are parted by one space; in words a `_` between two letters or digits is shown as a
    space, so `Sơn_Hà` reads as it is written. As every text of a Document it is in NFC.
    """
    shown = [unicodedata.normalize("NFC", token) for token in tokens]
    if config == "word":
        shown = [_JOINT.sub(" ", token) for token in shown]
    offsets: list[Offsets] = []
    place = 0
    for token in shown:
        offsets.append((place, place + len(token)))
        place += len(token) + 1
    return " ".join(shown), offsets


def sentences_to_documents(data: TokenData) -> Iterator[tuple[Split, Document]]:
    """Documents with labels and tokens of their own: what models are trained on and scored by.

    Sentences of one document stand in its text one a line; a sentence of which no document is
    known is a document by itself, named by split and number.
    """
    for split, part in data.parts.items():
        numbered = enumerate(part)
        for _, group in groupby(numbered, lambda item: item[1].document or item[0]):
            members = list(group)
            number, first = members[0]
            yield (
                split,
                _join_sentences(
                    first.document or f"{split}-{number}",
                    [sentence for _, sentence in members],
                    data,
                ),
            )


def _join_sentences(id: str, sentences: Sequence[TokenSentence], data: TokenData) -> Document:
    lines: list[str] = []
    tokens: list[tuple[Offsets, ...]] = []
    spans: list[Span] = []
    start = 0
    for sentence in sentences:
        line, offsets = join_tokens(sentence.tokens, data.config)
        moved = tuple((start + first, start + last) for first, last in offsets)
        for _, tags in layers_of(sentence):
            spans.extend(tags_to_spans(moved, tags))
        lines.append(line)
        tokens.append(moved)
        start += len(line) + 1
    foreign = Foreign(data.labels, tuple(tokens))
    return Document(id, "\n".join(lines), sort_spans(spans), {}, foreign)
