"""The report of a scored run: one HTML page, the same as Markdown, and everything as JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from annotate.document import Document, Span, split_layers
from annotate.errors import DataError
from annotate.files import open_output
from annotate.tokens import split_sentences, tokenize
from baselines.compare import Comparison
from baselines.compare_table import find_answer, kind_grid
from baselines.grid import Grid, escape_markdown, to_markdown
from baselines.mistakes import KINDS, Kind, Mistake, count_confusions, find_mistakes
from baselines.page import (
    KIND_MEANINGS,
    format_page,
    inexpressible_lines,
    one_line,
    score_grids,
)
from baselines.score import Scores, match_documents, order_labels
from baselines.score_table import scores_to_dict

CONTEXT = 60
"""Characters shown on either side of a mistake in Markdown and JSON."""

EXAMPLES_PER_KIND = 50
"""Mistakes of one kind in the Markdown; the JSON has all of them."""


@dataclass(frozen=True, slots=True)
class DataCounts:
    """The size of a set of documents; entities count both layers, by label."""

    documents: int
    sentences: int
    tokens: int
    entities: Mapping[str, int]
    inner: int


def count_data(documents: Iterable[Document]) -> DataCounts:
    """Documents, sentences, syllable tokens and entities of a split."""
    number = sentences = tokens = inner = 0
    entities: Counter[str] = Counter()
    for document in documents:
        number += 1
        sentences += len(split_sentences(document.text))
        tokens += len(tokenize(document.text))
        entities.update(span.label for span in document.spans)
        inner += len(split_layers(document.spans)["inner"])
    return DataCounts(number, sentences, tokens, dict(sorted(entities.items())), inner)


def write_report(
    folder: str | Path,
    scores: Scores,
    gold: Sequence[Document],
    predicted: Sequence[Document],
    *,
    title: str = "Scores",
    model: Mapping[str, str] | None = None,
    splits: Mapping[str, Sequence[Document]] | None = None,
) -> list[Path]:
    """Write `report.html`, `report.md` and `report.json` into `folder`; their paths.

    `scores` are those of `gold` and `predicted`. `model` names what is worth knowing of the model
    (`{"training time": "12 s"}`); `splits` are the documents by split. Raises DataError where
    the two sides are not the same documents, or the folder cannot be written.
    """
    pairs = match_documents(gold, predicted)
    report = _Report(
        title=title,
        comparison=Comparison({"predictions": scores}, (), {"predictions": pairs}),
        scores=scores,
        model=dict(model or {}),
        splits={name: count_data(documents) for name, documents in (splits or {}).items()},
        mistakes=list(find_mistakes(pairs)),
        texts={document.id: document.text for document, _ in pairs},
    )
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; name a folder for the report")
    about = [*report.about, *_grids_of_mistakes(report)]
    contents = {
        "report.html": format_page(report.comparison, title, before=about),
        "report.md": _to_markdown(report),
        "report.json": json.dumps(_to_dict(report), ensure_ascii=False, indent=2) + "\n",
    }
    for name, content in contents.items():
        with open_output(folder / name) as stream:
            stream.write(content)
    return [folder / name for name in contents]


@dataclass(frozen=True, slots=True)
class _Report:
    title: str
    comparison: Comparison
    scores: Scores
    model: dict[str, str]
    splits: dict[str, DataCounts]
    mistakes: list[Mistake]
    texts: dict[str, str]

    @property
    def about(self) -> list[Grid]:
        """Tables of the data and of the model, where they are known."""
        grids = [_split_grid(self.splits)] if self.splits else []
        if self.model:
            grids.append(Grid("Model", ("", ""), list(self.model.items())))
        return grids

    def of_kind(self, kind: Kind) -> list[Mistake]:
        return [mistake for mistake in self.mistakes if mistake.kind == kind]


# --- tables of data and mistakes --------------------------------------------------------


def _split_grid(splits: Mapping[str, DataCounts]) -> Grid:
    labels = order_labels(label for counts in splits.values() for label in counts.entities)
    return Grid(
        "Data",
        ("split", "documents", "sentences", "tokens", "entities", "inner", *labels),
        [
            (
                name,
                str(counts.documents),
                str(counts.sentences),
                str(counts.tokens),
                str(sum(counts.entities.values())),
                str(counts.inner),
                *(str(counts.entities.get(label, 0)) for label in labels),
            )
            for name, counts in splits.items()
        ],
    )


def _confusion_grid(mistakes: Sequence[Mistake], most: int = 10) -> Grid:
    return Grid(
        "Most confused labels",
        ("gold", "predicted", "times"),
        [
            (gold, predicted, str(times))
            for (gold, predicted), times in count_confusions(mistakes).most_common(most)
        ],
    )


def _mention_grid(report: _Report, kind: Kind, most: int = 10) -> Grid:
    """The mentions most often missed or made up."""
    counts: Counter[tuple[str, str]] = Counter()
    for mistake in report.of_kind(kind):
        span = mistake.gold or mistake.predicted
        if span:
            counts[one_line(report.texts[mistake.document][span.start : span.end]), span.label] += 1
    return Grid(
        f"Most often {kind}",
        ("mention", "label", "times"),
        [(mention, label, str(times)) for (mention, label), times in counts.most_common(most)],
    )


def _grids_of_mistakes(report: _Report) -> list[Grid]:
    grids = [
        _confusion_grid(report.mistakes),
        _mention_grid(report, "missing"),
        _mention_grid(report, "spurious"),
    ]
    return [grid for grid in grids if grid.rows]


def _describe(report: _Report, mistake: Mistake) -> list[str]:
    """`gold ORG “…”` and `predicted ORG “…”`, whichever there are."""
    text = report.texts[mistake.document]
    return [
        f"{side} {span.label} “{one_line(text[span.start : span.end])}”"
        for side, span in (("gold", mistake.gold), ("predicted", mistake.predicted))
        if span
    ]


# --- JSON -------------------------------------------------------------------------------


def _to_dict(report: _Report) -> dict[str, Any]:
    return {
        "title": report.title,
        "scores": scores_to_dict(report.scores),
        "model": report.model,
        "splits": {name: asdict(counts) for name, counts in report.splits.items()},
        "mistakes": [_mistake_to_dict(report, mistake) for mistake in report.mistakes],
    }


def _mistake_to_dict(report: _Report, mistake: Mistake) -> dict[str, Any]:
    text = report.texts[mistake.document]

    def side(span: Span | None) -> dict[str, Any] | None:
        if span is None:
            return None
        return {
            "start": span.start,
            "end": span.end,
            "label": span.label,
            "mention": text[span.start : span.end],
        }

    start, end = mistake.place
    return {
        "kind": mistake.kind,
        "document": mistake.document,
        "layer": mistake.layer,
        "gold": side(mistake.gold),
        "predicted": side(mistake.predicted),
        "context": text[max(0, start - CONTEXT) : end + CONTEXT],
    }


# --- Markdown ---------------------------------------------------------------------------


def _to_markdown(report: _Report) -> str:
    parts = [
        f"# {escape_markdown(report.title)}",
        escape_markdown(find_answer(report.comparison)),
        f"`{report.scores.signature}`",
    ]
    for grid in [*score_grids(report.scores), *report.about]:
        parts += [f"## {grid.title}", to_markdown(grid)]
    parts += _list_to_markdown(
        "## Spans that no token border can express", inexpressible_lines(report.scores)
    )
    parts.append("## Mistakes")
    for grid in [kind_grid(report.comparison), *_grids_of_mistakes(report)]:
        parts += [f"### {grid.title}", to_markdown(grid)]
    for kind in KINDS:
        found = report.of_kind(kind)
        lines = [_mistake_to_markdown(report, mistake) for mistake in found[:EXAMPLES_PER_KIND]]
        if len(found) > EXAMPLES_PER_KIND:
            lines.append(f"… and {len(found) - EXAMPLES_PER_KIND} more in report.json")
        parts += _list_to_markdown(f"### {kind}: {KIND_MEANINGS[kind]}", lines)
    return "\n\n".join(parts) + "\n"


def _mistake_to_markdown(report: _Report, mistake: Mistake) -> str:
    start, end = mistake.place
    text = report.texts[mistake.document]
    before, middle, after = text[max(0, start - CONTEXT) : start], text[start:end], text[end:]
    return (
        f"{mistake.document} {start}-{end}, {mistake.layer}: "
        f"{'; '.join(_describe(report, mistake))}: "
        f"…{before}⟦{middle}⟧{after[:CONTEXT]}…"
    )


def _list_to_markdown(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    return [title, "\n".join(f"- {escape_markdown(one_line(line))}" for line in lines)]
