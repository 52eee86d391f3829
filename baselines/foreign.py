"""Labellers by name: the project's rules, a model folder, and the models of others.

Underthesea's NER (a CRF trained on VLSP 2016 news) knows PER, LOC and ORG in one layer. Its
words are not the text: it rewrites tone placement and spelling (`Uỷ` → `Ủy`, `nghành` →
`ngành`). Offsets come from its own token pattern run over our text, so the text stays as it is.
"""

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from annotate.document import Document, Span
from annotate.errors import DataError, ServiceError
from annotate.files import open_input
from annotate.scheme import LABEL_NAMES
from annotate.tags import OUTSIDE, tags_to_spans
from annotate.tokens import Offsets, split_sentences
from baselines import BatchLabeller, Labeller

LabelMap = Mapping[str, str | None]
"""From a label of a model to the label wanted; None leaves its spans out."""

UNDERTHESEA_LABELS: LabelMap = {"PER": "PERSON", "ORG": "ORG", "LOC": None, "MISC": None}
"""Its labels in ours."""

KNOWN_NAMES = ("rules", "underthesea")


def load_labeller(name_or_folder: str, **how: Any) -> Labeller:
    """`load_batch_labeller` for one document at a time."""
    label_batch = load_batch_labeller(name_or_folder, **how)
    return lambda document: label_batch([document])[0]


def load_batch_labeller(
    name_or_folder: str,
    *,
    labels: Collection[str] = LABEL_NAMES,
    label_map: LabelMap | None = None,
    project: str | Path | None = None,
) -> BatchLabeller:
    """The labeller of a name (`rules`, `underthesea`), of `crf:FOLDER`, of `ensemble:SPEC` (see
    `baselines.ensemble.load_ensemble`) or of the folder of a model, ours or of `transformers`.

    labels: those that may come out. label_map: the model's labels in these; what it does not name
    stays. project: the `vipol.toml` whose own rules join the built-in ones.

    Raises DataError for anything else, saying what is known, and for a model of other labels.
    """
    label_batch, found = _load(name_or_folder, project)
    if label_map is None and name_or_folder == "underthesea":
        label_map = UNDERTHESEA_LABELS
    names = {label: label for label in found} | dict(label_map or {})
    strange = sorted({names[label] or "" for label in found} - {"", *labels})
    if strange:
        raise DataError(
            f"{name_or_folder}: a model of another label set; it has {', '.join(strange)}, "
            f"wanted are {', '.join(labels)}; train one on these labels, or give a label map"
        )
    if all(names[label] == label for label in found):
        return label_batch

    def mapped(span: Span) -> Span | None:
        label = names[span.label]
        return None if label is None else replace(span, label=label)

    return lambda documents: [
        tuple(filter(None, map(mapped, spans))) for spans in label_batch(documents)
    ]


def _load(name: str, project: str | Path | None) -> tuple[BatchLabeller, Collection[str]]:
    """A labeller with the labels that it may give."""
    kind, _, spec = name.partition(":")
    if name == "rules":
        return _one_by_one(_rules(project)), LABEL_NAMES
    if name == "underthesea":
        return _one_by_one(load_underthesea()), tuple(UNDERTHESEA_LABELS)
    if kind == "ensemble":
        from baselines.ensemble import load_ensemble

        return _one_by_one(load_ensemble(spec, rules=_rules(project))), LABEL_NAMES
    if kind == "crf" or Path(name).is_dir():
        return _load_folder(spec if kind == "crf" else name, project)
    raise DataError(
        f"{name}: no labeller of that name and no such folder; "
        f"known: {', '.join(KNOWN_NAMES)}, or the folder of a trained model"
    )


def _rules(project: str | Path | None) -> Labeller:
    from annotate.prelabel import label_document

    if project is not None:
        from annotate.prelabel.project import read_project_rules

        own = read_project_rules(project)
        if own is not None:
            return own.label_document
    rules: Labeller = label_document
    return rules


def _one_by_one(label: Labeller) -> BatchLabeller:
    return lambda documents: [label(document) for document in documents]


def _load_folder(folder: str, project: str | Path | None) -> tuple[BatchLabeller, Collection[str]]:
    from baselines.crf import load_crf
    from baselines.ensemble import is_ensemble_folder, load_ensemble
    from baselines.training import model_kind

    kind = model_kind(folder)
    model: Any
    if is_ensemble_folder(folder):
        return _one_by_one(load_ensemble(folder, rules=_rules(project))), LABEL_NAMES
    if kind == "vipol-bilstm":
        from baselines.bilstm import load_bilstm

        model = load_bilstm(folder)
    elif kind == "vipol-transformer":
        from baselines.transformer import load_transformer

        model = load_transformer(folder)
    elif kind is None and Path(folder, "config.json").is_file():
        from baselines.classifier import load_classifier

        return load_classifier(folder)
    else:
        model = load_crf(folder)
    return model.label_batch, {*model.labels.outer, *model.labels.inner}


def load_underthesea() -> Labeller:
    """Underthesea's NER as a labeller, with its own labels.

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
            tags = repair_tags([word[3] for word in words])
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


def repair_tags(tags: Iterable[str]) -> list[str]:
    """A model's IOB tags as IOB2: an `I-` that continues nothing opens a span, as it is the
    model's claim of an entity."""
    repaired: list[str] = []
    before = OUTSIDE
    for tag in tags:
        label = tag.partition("-")[2]
        opens = tag.startswith("I-") and before.partition("-")[2] != label
        before = f"B-{label}" if opens else tag
        repaired.append(before)
    return repaired


# --- predictions in columns -----------------------------------------------------------------


def read_predictions(
    path: str | Path, documents: Iterable[Document], label_map: LabelMap | None = None
) -> Iterator[Document]:
    """The documents with the spans that a file in columns (CoNLL) tags in them.

    The file has the documents' text in its tokens, in the order of the documents, white space left
    out or written `_`; token, tag and, where there is a third column, the tag of the inner layer.
    Spans have the source `conll`. label_map: the file's labels in those wanted; what it does not
    name stays.

    Raises DataError for a file that cannot be read, a tag that is no IOB2, tokens that are not
    the documents', and tokens that are left over.
    """
    tokens = _tagged_tokens(path)
    for document in documents:
        spans = [
            replace(span, label=label, source="conll")
            for span in _take_spans(document, tokens, path)
            if (label := (label_map or {}).get(span.label, span.label)) is not None
        ]
        yield document.with_spans(spans)
    if left := next(tokens, None):
        raise DataError(
            f"{path}: has more tokens than the documents, from {left[0]!r} on; give the documents "
            "that it was made of, in their order"
        )


def _tagged_tokens(path: str | Path) -> Iterator[tuple[str, str, str]]:
    """Each token with its outer and its inner tag."""
    from annotate.dataset.conll import Columns, read_conll
    from annotate.dataset.sentences import find_tag_problem, layers_of

    columns = Columns(inner=3) if _count_columns(path) == 3 else None
    for number, sentence in enumerate(read_conll(path, columns), start=1):
        for _, tags in layers_of(sentence):
            for token, before, tag in zip(sentence.tokens, (OUTSIDE, *tags), tags, strict=False):
                if problem := find_tag_problem(tag, before):
                    raise DataError(f"{path}: sentence {number}, token {token!r}: {problem}")
        inner = sentence.inner or (OUTSIDE,) * len(sentence.tags)
        yield from zip(sentence.tokens, sentence.tags, inner, strict=True)


def _count_columns(path: str | Path) -> int:
    """The columns of the first line of a file that is no comment."""
    with open_input(path) as stream:
        for raw in stream:
            line = raw.decode("utf-8", errors="replace").strip()
            if line and not line.startswith(("# ", "-DOCSTART-", "﻿# ")):
                return len(line.split("	" if "	" in line else None))
    return 0


def _take_spans(
    document: Document, tokens: Iterator[tuple[str, str, str]], path: str | Path
) -> list[Span]:
    """The spans of the tokens that make up the document's text."""
    text = document.text
    offsets: list[Offsets] = []
    layers: tuple[list[str], list[str]] = ([], [])
    end = _skip_space(text, 0)
    while end < len(text):
        token, *tags = next(tokens, ("", OUTSIDE, OUTSIDE))
        start = end
        for character in unicodedata.normalize("NFC", token):
            if text[end : end + 1] == character:
                end += 1
            elif character in "_ " and end > start:
                end = _skip_space(text, end)
            else:
                end = start
                break
        if end == start or (not offsets and any(tag.startswith("I-") for tag in tags)):
            found = f"{token!r} ({tags[0]})" if token else "no more tokens"
            raise DataError(
                f"{path}: document {document.id} goes on with {text[start : start + 30]!r}, the "
                f"file with {found}; give the documents that it was made of, in their order"
            )
        offsets.append((start, end))
        for layer, tag in zip(layers, tags, strict=True):
            layer.append(tag)
        end = _skip_space(text, end)
    return [span for layer in layers for span in tags_to_spans(offsets, layer)]


def _skip_space(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place
