"""Labellers by name: the project's rules, a model folder, and the models of others.

Underthesea's NER (a CRF trained on VLSP 2016 news) knows PER, LOC and ORG in one layer. Its
words are not the text: it rewrites tone placement and spelling (`Uỷ` → `Ủy`, `nghành` →
`ngành`). Offsets come from its own token pattern run over our text, so the text stays as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from annotate.document import Document, Span
from annotate.errors import DataError, ServiceError
from annotate.tags import OUTSIDE, tags_to_spans
from annotate.tokens import Offsets, split_sentences
from baselines import Labeller

UNDERTHESEA_LABELS: Mapping[str, str] = {"PER": "PERSON", "ORG": "ORG"}
"""Its labels in ours; what is not here (LOC, MISC) is dropped."""

KNOWN_NAMES = ("rules", "underthesea")


def load_labeller(name_or_folder: str) -> Labeller:
    """The labeller of a name (`rules`, `underthesea`), of `crf:FOLDER`, of `ensemble:SPEC` (see
    `baselines.ensemble.load_ensemble`) or of a model folder.

    Raises DataError for anything else, saying what is known.
    """
    if name_or_folder == "rules":
        from annotate.prelabel import label_document

        rules: Labeller = label_document
        return rules
    if name_or_folder == "underthesea":
        return load_underthesea()
    kind, _, spec = name_or_folder.partition(":")
    if kind == "ensemble":
        from baselines.ensemble import load_ensemble

        return load_ensemble(spec)
    if kind == "crf":
        from baselines.crf import load_crf

        return load_crf(spec).label_document
    if Path(name_or_folder).is_dir():
        return _load_folder(name_or_folder)
    raise DataError(
        f"{name_or_folder}: no labeller of that name and no such folder; "
        f"known: {', '.join(KNOWN_NAMES)}, or the folder of a trained model"
    )


def _load_folder(folder: str) -> Labeller:
    from annotate.scheme import LABEL_NAMES
    from baselines.crf import load_crf
    from baselines.ensemble import is_ensemble_folder, load_ensemble
    from baselines.training import model_kind

    if is_ensemble_folder(folder):
        return load_ensemble(folder)
    kind = model_kind(folder)
    if kind == "vipol-bilstm":
        from baselines.bilstm import load_bilstm

        return load_bilstm(folder, known_labels=LABEL_NAMES).label_document
    if kind == "vipol-transformer":
        from baselines.transformer import load_transformer

        return load_transformer(folder, known_labels=LABEL_NAMES).label_document
    return load_crf(folder).label_document


def load_underthesea(labels: Mapping[str, str] = UNDERTHESEA_LABELS) -> Labeller:
    """Underthesea's NER as a labeller; `labels` maps its labels to ours, others are dropped.

    It is called sentence by sentence: it is quadratic in the length of what it gets. Spans
    have the source `underthesea` and no score. Raises DataError where it is not installed.
    """
    try:
        from underthesea import ner
        from underthesea.pipeline.word_tokenize import regex_tokenize

        used = version("underthesea")
    except (ImportError, PackageNotFoundError):
        raise DataError(
            "underthesea: not installed; install the project's requirements again"
        ) from None
    ner("Hà Nội")  # loads its models now: the first use from several threads at once crashes

    def label_document(document: Document) -> tuple[Span, ...]:
        spans: list[Span] = []
        for start, end in split_sentences(document.text):
            sentence = document.text[start:end]
            words = ner(sentence)
            offsets = _align(sentence, [word[0] for word in words], regex_tokenize, used)
            tags = _map_tags([word[3] for word in words], labels)
            spans.extend(
                Span(start + span.start, start + span.end, span.label, "underthesea")
                for span in tags_to_spans(offsets, tags)
            )
        return tuple(spans)

    return label_document


def _align(sentence: str, words: Sequence[str], regex_tokenize: Any, used: str) -> list[Offsets]:
    """Offsets of underthesea's words in the sentence.

    A word is one or more of its tokens, rewritten and joined by one space; the tokens are
    made again with their places, and taken until they make up the word.
    """
    places: Iterator[tuple[str, Offsets]] = zip(
        regex_tokenize.tokenize(sentence),
        (match.span() for match in regex_tokenize.patterns.finditer(_like_its_own(sentence))),
        strict=True,
    )
    offsets: list[Offsets] = []
    for word in words:
        try:
            made, (start, end) = next(places)
            while made != word:
                token, (_, end) = next(places)
                made = f"{made} {token}"
        except (StopIteration, ValueError):
            raise ServiceError(
                f"underthesea {used}: its word {word!r} cannot be found again in its own tokens "
                f"of {sentence[:60]!r}; use the version that the project names"
            ) from None
        offsets.append((start, end))
    return offsets


def _like_its_own(sentence: str) -> str:
    """The sentence as its tokeniser sees it: one letter for another, so offsets stay."""
    return sentence.replace("ð", "đ").replace("Ð", "Đ")


def _map_tags(tags: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    """Its IOB tags with our labels; an `I-` that continues nothing opens a span, as it is the
    model's claim of an entity."""
    mapped: list[str] = []
    before = OUTSIDE
    for tag in tags:
        prefix, _, name = tag.partition("-")
        label = labels.get(name)
        if label is None:
            mapped.append(OUTSIDE)
        else:
            opens = prefix == "B" or before.partition("-")[2] != label
            mapped.append(f"{'B' if opens else 'I'}-{label}")
        before = mapped[-1]
    return mapped
