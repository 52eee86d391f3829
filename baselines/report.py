"""The report of a scored run: one HTML page, the same as Markdown, and everything as JSON.

The page is one file without scripts and without anything fetched from elsewhere. The headline
comes first, then the tables, what was trained on what, and the mistakes in their context.
"""

import html
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from annotate.document import Document, Span, split_layers
from annotate.errors import DataError
from annotate.files import open_output
from annotate.scheme import LABELS, LAYERS
from annotate.tokens import split_sentences, tokenize
from baselines.mistakes import KINDS, Kind, Mistake, count_confusions, find_mistakes
from baselines.score import Figures, Scores, Table, match_documents, order_labels
from baselines.score_table import scores_to_dict

CONTEXT = 60
"""Characters shown on either side of a mistake."""

EXAMPLES_PER_KIND = 50
"""Mistakes of one kind shown on the page and in the Markdown; the JSON has all of them."""

NO_FIGURE = "–"
"""Stands where neither gold nor predictions have the label."""

KIND_MEANINGS: Mapping[Kind, str] = {
    "type": "same place, another label",
    "border": "same label, another place",
    "both": "overlapping, with another place and another label",
    "missing": "in gold, not predicted",
    "spurious": "predicted, not in gold",
}

LAYER_TITLES = {"outer": "Outer layer", "inner": "Inner layer"}


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
        scores=scores,
        model=dict(model or {}),
        splits={name: count_data(documents) for name, documents in (splits or {}).items()},
        mistakes=list(find_mistakes(pairs)),
        texts={document.id: document.text for document, _ in pairs},
    )
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; name a folder for the report")
    contents = {
        "report.html": _to_html(report),
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
    scores: Scores
    model: dict[str, str]
    splits: dict[str, DataCounts]
    mistakes: list[Mistake]
    texts: dict[str, str]

    def of_kind(self, kind: Kind) -> list[Mistake]:
        return [mistake for mistake in self.mistakes if mistake.kind == kind]


# --- what the page and the Markdown share -----------------------------------------------

_FIGURE_HEADS = ("precision", "recall", "F1", "support")


@dataclass(frozen=True, slots=True)
class _Grid:
    """A table: its heads and rows of plain text."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    @property
    def numeric(self) -> list[bool]:
        """Whether a column holds figures, which are set to the right."""
        return [
            all(cell == NO_FIGURE or cell.replace(".", "").isdigit() for cell in column)
            for column in zip(*self.rows, strict=True)
        ] or [False] * len(self.heads)


def _headline(scores: Scores) -> str:
    micro = scores.layers["outer"].seqeval.micro
    return f"F1 {_figure(micro.f1)}"


def _headline_reading(scores: Scores) -> str:
    return (
        f"outer layer, micro average, seqeval strict IOB2 over syllable tokens, "
        f"{scores.documents} documents; strict span F1 "
        f"{_figure(scores.layers['outer'].spans.micro.f1)}"
    )


def _figure(value: float | None) -> str:
    return NO_FIGURE if value is None else f"{value:.4f}"


def _cells(figures: Figures) -> tuple[str, ...]:
    if figures.f1 is None:
        return (NO_FIGURE,) * 4
    values = (figures.precision, figures.recall, figures.f1)
    return (*map(_figure, values), str(figures.support))


def _score_grids(scores: Scores) -> Iterator[_Grid]:
    for layer in LAYERS:
        for way, table in (
            ("seqeval strict IOB2, tokens", scores.layers[layer].seqeval),
            ("strict spans, characters", scores.layers[layer].spans),
        ):
            yield _Grid(
                f"{LAYER_TITLES[layer]}: {way}", ("label", *_FIGURE_HEADS), _table_rows(table)
            )
    yield _Grid(
        "Both layers together: strict spans, characters",
        ("label", *_FIGURE_HEADS),
        _table_rows(scores.nested),
    )


def _table_rows(table: Table) -> list[tuple[str, ...]]:
    rows = [(label, *_cells(figures)) for label, figures in table.labels.items()]
    return [*rows, ("micro", *_cells(table.micro)), ("macro", *_cells(table.macro))]


def _split_grid(splits: Mapping[str, DataCounts]) -> _Grid:
    labels = order_labels(label for counts in splits.values() for label in counts.entities)
    return _Grid(
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


def _kind_grid(report: _Report) -> _Grid:
    counts = Counter((mistake.layer, mistake.kind) for mistake in report.mistakes)
    return _Grid(
        "Mistakes by kind",
        ("kind", *LAYERS, "meaning"),
        [
            (kind, *(str(counts[layer, kind]) for layer in LAYERS), KIND_MEANINGS[kind])
            for kind in KINDS
        ],
    )


def _confusion_grid(mistakes: Sequence[Mistake], most: int = 10) -> _Grid:
    return _Grid(
        "Most confused labels",
        ("gold", "predicted", "times"),
        [
            (gold, predicted, str(times))
            for (gold, predicted), times in count_confusions(mistakes).most_common(most)
        ],
    )


def _mention_grid(report: _Report, kind: Kind, most: int = 10) -> _Grid:
    """The mentions most often missed or made up."""
    counts: Counter[tuple[str, str]] = Counter()
    for mistake in report.of_kind(kind):
        span = mistake.gold or mistake.predicted
        if span:
            counts[
                _one_line(report.texts[mistake.document][span.start : span.end]), span.label
            ] += 1
    return _Grid(
        f"Most often {kind}",
        ("mention", "label", "times"),
        [(mention, label, str(times)) for (mention, label), times in counts.most_common(most)],
    )


def _grids_of_mistakes(report: _Report) -> list[_Grid]:
    return [
        _kind_grid(report),
        _confusion_grid(report.mistakes),
        _mention_grid(report, "missing"),
        _mention_grid(report, "spurious"),
    ]


def _one_line(text: str) -> str:
    return text.replace("\n", " ⏎ ")


def _describe(report: _Report, mistake: Mistake) -> list[str]:
    """`gold ORG “…”` and `predicted ORG “…”`, whichever there are."""
    text = report.texts[mistake.document]
    return [
        f"{side} {span.label} “{_one_line(text[span.start : span.end])}”"
        for side, span in (("gold", mistake.gold), ("predicted", mistake.predicted))
        if span
    ]


def _difference(scores: Scores) -> list[str]:
    """Why seqeval and the span figures differ, one line a span."""
    return [
        f"{item.document} {item.span.start}-{item.span.end} {item.span.label} ({item.side}) "
        f"“{_one_line(item.mention)}” {item.reason}"
        for item in scores.inexpressible
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
        f"# {_escape_markdown(report.title)}",
        f"**{_headline(report.scores)}** ({_headline_reading(report.scores)})",
        f"`{report.scores.signature}`",
    ]
    for grid in _score_grids(report.scores):
        parts += [f"## {grid.title}", _grid_to_markdown(grid)]
    parts += _list_to_markdown(
        "## Spans that no token border can express", _difference(report.scores)
    )
    if report.splits:
        parts += ["## Data", _grid_to_markdown(_split_grid(report.splits))]
    parts += _list_to_markdown(
        "## Model", [f"{name}: {value}" for name, value in report.model.items()]
    )
    parts.append("## Mistakes")
    for grid in _grids_of_mistakes(report):
        if grid.rows:
            parts += [f"### {grid.title}", _grid_to_markdown(grid)]
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
    return [title, "\n".join(f"- {_escape_markdown(_one_line(line))}" for line in lines)]


def _grid_to_markdown(grid: _Grid) -> str:
    rule = ["---:" if number else "---" for number in grid.numeric]
    rows = [grid.heads, tuple(rule), *grid.rows]
    return "\n".join(
        "| " + " | ".join(_escape_markdown(cell) if n != 1 else cell for cell in row) + " |"
        for n, row in enumerate(rows)
    )


def _escape_markdown(text: str) -> str:
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return text


# --- HTML -------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, "Noto Sans", sans-serif; max-width: 68rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; } h3 { margin: 1.5rem 0 .3rem; }
.headline { font-size: 2.2rem; font-weight: 700; margin: .5rem 0 0; }
.reading, .signature, .where { color: #777; } .signature { font-family: monospace; }
.grids { display: flex; flex-wrap: wrap; gap: 0 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: left; }
.number { text-align: right; }
tr.average td { font-weight: 600; background: var(--soft); }
summary { cursor: pointer; font-weight: 600; margin-top: 1rem; }
ul.mistakes { list-style: none; padding: 0; }
ul.mistakes li { border-bottom: 1px solid var(--line); padding: .6rem 0; }
.sides { margin: .1rem 0; } .context { background: var(--soft); padding: .3rem .6rem; }
.gold { border-bottom: 3px solid #009E73; } .predicted { background: #E69F0055; }
.label { color: #fff; border-radius: .25rem; padding: 0 .35rem; font-size: .8rem; }
"""


def _to_html(report: _Report) -> str:
    body = [
        f"<h1>{html.escape(report.title)}</h1>",
        f'<p class="headline">{_headline(report.scores)}</p>',
        f'<p class="reading">{html.escape(_headline_reading(report.scores))}</p>',
        f'<p class="signature">{html.escape(report.scores.signature)}</p>',
        "<h2>Scores</h2>",
        _grids_to_html(_score_grids(report.scores)),
    ]
    if lines := _difference(report.scores):
        body += [
            "<h2>Spans that no token border can express</h2>",
            "<p>seqeval does not see them, the span figures count them.</p>",
            "<ul>" + "".join(f'<li lang="vi">{html.escape(line)}</li>' for line in lines) + "</ul>",
        ]
    if report.splits:
        body += ["<h2>Data</h2>", _grid_to_html(_split_grid(report.splits), titled=False)]
    if report.model:
        rows = list(report.model.items())
        body += ["<h2>Model</h2>", _grid_to_html(_Grid("", ("", ""), rows), titled=False)]
    body += [
        "<h2>Mistakes</h2>",
        _grids_to_html(grid for grid in _grids_of_mistakes(report) if grid.rows),
        '<p>In the context, gold is <span class="gold">underlined</span>, what was predicted '
        '<span class="predicted">shaded</span>.</p>',
    ]
    body += [_kind_to_html(report, kind) for kind in KINDS if report.of_kind(kind)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(report.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _grids_to_html(grids: Iterable[_Grid]) -> str:
    cells = "".join(f"<div>{_grid_to_html(grid)}</div>" for grid in grids)
    return f'<div class="grids">{cells}</div>'


def _grid_to_html(grid: _Grid, titled: bool = True) -> str:
    kinds = [" class=number" if number else "" for number in grid.numeric]

    def cells(tag: str, texts: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{kind}>{html.escape(text)}</{tag}>"
            for kind, text in zip(kinds, texts, strict=True)
        )

    title = f"<h3>{html.escape(grid.title)}</h3>" if titled else ""
    heads = cells("th", grid.heads)
    rows = "".join(
        f"<tr{' class=average' if row[0] in ('micro', 'macro') else ''}>{cells('td', row)}</tr>"
        for row in grid.rows
    )
    head = f"<thead><tr>{heads}</tr></thead>" if any(grid.heads) else ""
    return f'{title}<div class="wide"><table>{head}<tbody>{rows}</tbody></table></div>'


def _kind_to_html(report: _Report, kind: Kind) -> str:
    found = report.of_kind(kind)
    items = "".join(_mistake_to_html(report, one) for one in found[:EXAMPLES_PER_KIND])
    rest = len(found) - EXAMPLES_PER_KIND
    more = f"<p>… and {rest} more in report.json</p>" if rest > 0 else ""
    return (
        f"<details{' open' if len(found) <= 10 else ''}><summary>{kind}: {KIND_MEANINGS[kind]} "
        f'({len(found)})</summary><ul class="mistakes">{items}</ul>{more}</details>'
    )


def _mistake_to_html(report: _Report, mistake: Mistake) -> str:
    text = report.texts[mistake.document]
    sides = "; ".join(
        f'{side} {_label_to_html(span.label)} <span lang="vi">'
        f"{html.escape(text[span.start : span.end])}</span>"
        for side, span in (("gold", mistake.gold), ("predicted", mistake.predicted))
        if span
    )
    start, end = mistake.place
    return (
        f'<li><span class="where">{html.escape(mistake.document)} {start}-{end}, '
        f'{mistake.layer}</span><div class="sides">{sides}</div>'
        f'<div class="context" lang="vi">…{_context_to_html(text, mistake)}…</div></li>'
    )


def _label_to_html(label: str) -> str:
    colours = {known.name: known.colour for known in LABELS}
    return (
        f'<span class="label" style="background:{colours.get(label, "#666")}">'
        f"{html.escape(label)}</span>"
    )


def _context_to_html(text: str, mistake: Mistake) -> str:
    """The text around a mistake, cut at every edge of its spans and marked piece by piece."""
    start, end = mistake.place
    edges = {max(0, start - CONTEXT), min(len(text), end + CONTEXT)}
    for span in (mistake.gold, mistake.predicted):
        if span:
            edges |= {span.start, span.end}
    ordered = sorted(edges)
    pieces: list[str] = []
    for left, right in pairwise(ordered):
        classes = " ".join(
            name
            for name, span in (("gold", mistake.gold), ("predicted", mistake.predicted))
            if span and span.start <= left and right <= span.end
        )
        piece = html.escape(text[left:right]).replace("\n", "<br>")
        pieces.append(f'<span class="{classes}">{piece}</span>' if classes else piece)
    return "".join(pieces)
