"""One self-contained HTML page of scored models: the answer, plots, tables, and a browser of every
mistake by model, label, kind and layer, in its context. Nothing is fetched from elsewhere.
"""

import html
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from annotate.document import Document, Span
from annotate.scheme import LABELS, LAYERS
from baselines.compare import Comparison, headline
from baselines.compare_table import comparison_grids, find_answer, signature_of
from baselines.grid import NO_FIGURE, Grid, to_html
from baselines.mistakes import KINDS, Kind, Mistake, find_mistakes
from baselines.partial import OUTCOMES
from baselines.score import ALL, Figures, Scores, Table

CONTEXT = 90
"""Characters shown on either side of a mistake."""

MOST_MISTAKES = 5000
"""Mistakes of one model on the page; of more, an even share of each kind is left out."""

KIND_MEANINGS: Mapping[Kind, str] = {
    "type": "same place, another label",
    "border": "same label, another place",
    "both": "overlapping, with another place and another label",
    "missing": "in gold, not predicted",
    "spurious": "predicted, not in gold",
}

# Okabe and Ito's palette, for models and kinds alike (see annotate/scheme.py).
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999999")


def format_page(
    comparison: Comparison,
    title: str,
    *,
    before: Sequence[Grid] = (),
) -> str:
    """The page as HTML; `before` are tables of the caller's, shown before the mistakes."""
    ranking = comparison.ranking
    best = comparison.models[ranking[0]]
    body = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="headline">F1 {_rate(headline(best))}</p>',
        f'<p class="reading">{html.escape(find_answer(comparison))}</p>',
        f'<p class="signature">{html.escape(signature_of(comparison))}</p>',
        f'<div class="plots">{"".join(_draw_plots(comparison))}</div>',
        "<h2>Scores</h2>",
        _grids(comparison_grids(comparison)),
    ]
    for name in ranking:
        scores = comparison.models[name]
        inside = _grids(score_grids(scores)) + _inexpressible(scores)
        shown = " open" if len(ranking) == 1 else ""
        body.append(
            f"<details{shown}><summary>All figures of {html.escape(name)}</summary>"
            f"{inside}</details>"
        )
    if before:
        body += ["<h2>Data and model</h2>", _grids(iter(before))]
    body += ["<h2>Mistakes</h2>", _BROWSER]
    data = json.dumps(_browser_data(comparison), ensure_ascii=False, separators=(",", ":"))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + f'\n<script type="application/json" id="data">{_inside_script(data)}</script>\n'
        + f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _inside_script(data: str) -> str:
    """JSON that cannot end the element that it stands in."""
    return data.replace("<", "\\u003c")


# --- tables -----------------------------------------------------------------------------


def score_grids(scores: Scores) -> Iterator[Grid]:
    """Every figure of one model, with intervals."""
    for layer in LAYERS:
        of = scores.layers[layer]
        if of.spans.micro.f1 is None and layer == "inner":
            continue
        for way, table in (
            ("seqeval strict IOB2, tokens", of.seqeval),
            ("strict spans, characters", of.spans),
        ):
            yield _table_grid(f"{layer.capitalize()} layer: {way}", table)
    yield _table_grid("Both layers together: strict spans, characters", scores.nested)
    yield Grid(
        "Partial matches (MUC, SemEval), both layers",
        ("match", *OUTCOMES, "precision", "recall", "F1", "95 %"),
        [
            (
                scheme,
                *(str(of[ALL].outcomes[outcome]) for outcome in OUTCOMES),
                *map(_rate, (of[ALL].precision, of[ALL].recall, of[ALL].f1)),
                _ends(of[ALL].interval),
            )
            for scheme, of in scores.partial.items()
        ],
    )
    for name, bins in scores.slices.items():
        rows = [(row, *_cells(figures)) for row, figures in bins.items() if figures.f1 is not None]
        yield Grid(f"By {name}: strict spans of both layers", (name, *_HEADS), rows)


_HEADS = ("precision", "recall", "F1", "95 %", "gold", "predicted", "right")


def _table_grid(title: str, table: Table) -> Grid:
    rows = [(label, *_cells(figures)) for label, figures in table.labels.items()]
    rows += [("micro", *_cells(table.micro)), ("macro", *_cells(table.macro))]
    return Grid(title, ("label", *_HEADS), rows)


def _cells(figures: Figures) -> tuple[str, ...]:
    if figures.f1 is None:
        return (NO_FIGURE,) * len(_HEADS)
    return (
        *map(_rate, (figures.precision, figures.recall, figures.f1)),
        _ends(figures.intervals.get("f1")),
        *map(str, (figures.support, figures.predicted, figures.correct)),
    )


def _rate(value: float | None) -> str:
    return NO_FIGURE if value is None else f"{value:.4f}"


def _ends(ends: tuple[float, float] | None) -> str:
    return NO_FIGURE if ends is None else f"{ends[0]:.4f}-{ends[1]:.4f}"


def _grids(grids: Iterator[Grid]) -> str:
    cells = "".join(f"<div>{to_html(grid)}</div>" for grid in grids if grid.rows)
    return f'<div class="grids">{cells}</div>'


def _inexpressible(scores: Scores) -> str:
    if not scores.inexpressible:
        return ""
    items = "".join(
        f'<li lang="vi">{html.escape(line)}</li>' for line in inexpressible_lines(scores)
    )
    return (
        "<h3>Spans that no token border can express</h3>"
        f"<p>seqeval does not see them, the span figures count them.</p><ul>{items}</ul>"
    )


def inexpressible_lines(scores: Scores) -> list[str]:
    """Why seqeval and the span figures differ, one line a span."""
    return [
        f"{item.document} {item.span.start}-{item.span.end} {item.span.label} ({item.side}) "
        f"“{one_line(item.mention)}” {item.reason}"
        for item in scores.inexpressible
    ]


def one_line(text: str) -> str:
    """A text with its line breaks shown."""
    return text.replace("\n", " ⏎ ")


# --- plots ------------------------------------------------------------------------------


def _draw_plots(comparison: Comparison) -> Iterator[str]:
    """SVG figures: F1 with intervals, F1 by label, mistakes by kind."""
    import matplotlib
    from matplotlib.figure import Figure

    names = comparison.ranking
    labels = [
        label
        for label in comparison.models[names[0]].nested.labels
        if any(_f1_of(comparison.models[n].nested.labels.get(label)) is not None for n in names)
    ]
    kinds = {
        name: Counter(mistake.kind for mistake in find_mistakes(comparison.pairs[name]))
        for name in names
    }
    height = 1.1 + 0.42 * len(names)
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "vipol", "font.size": 10}
    with matplotlib.rc_context(settings):
        figure = Figure((6.4, height), layout="constrained")
        axes = figure.subplots()
        views = (("outer layer", "o"), ("inner layer", "s"), ("both", "D"))
        for number, (view, marker) in enumerate(views):
            for row, name in enumerate(names):
                of = _micro(comparison.models[name], view)
                if of.f1 is None:
                    continue
                low, high = of.intervals.get("f1", (of.f1, of.f1))
                axes.errorbar(
                    of.f1,
                    row + 0.22 * (number - 1),
                    xerr=[[max(0.0, of.f1 - low)], [max(0.0, high - of.f1)]],
                    fmt=marker,
                    color=_COLOURS[number],
                    capsize=3,
                    label=view if row == 0 else None,
                )
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("F1 with 95 % interval")
        axes.grid(axis="x", alpha=0.3)
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        yield _to_svg(figure)

        figure = Figure((6.4, max(2.6, height)), layout="constrained")
        axes = figure.subplots()
        width = 0.8 / len(names)
        for number, name in enumerate(names):
            found = comparison.models[name].nested.labels
            axes.bar(
                [place + width * (number - (len(names) - 1) / 2) for place in range(len(labels))],
                [_f1_of(found.get(label)) or 0.0 for label in labels],
                width,
                color=_COLOURS[number % len(_COLOURS)],
                label=name,
            )
        axes.set_xticks(range(len(labels)), labels, rotation=0 if len(labels) <= 6 else 60)
        axes.set_ylabel("F1, both layers")
        axes.set_ylim(0, 1)
        axes.grid(axis="y", alpha=0.3)
        if len(names) > 1:
            figure.legend(loc="outside upper center", ncols=4, frameon=False)
        yield _to_svg(figure)

        figure = Figure((6.4, height), layout="constrained")
        axes = figure.subplots()
        left = [0] * len(names)
        for number, kind in enumerate(KINDS):
            counts = [kinds[name][kind] for name in names]
            axes.barh(names, counts, left=left, color=_COLOURS[number], label=kind)
            left = [a + b for a, b in zip(left, counts, strict=True)]
        axes.invert_yaxis()
        axes.set_xlabel("mistakes, both layers")
        figure.legend(loc="outside upper center", ncols=5, frameon=False)
        yield _to_svg(figure)


def _micro(scores: Scores, view: str) -> Figures:
    if view == "both":
        return scores.nested.micro
    return scores.layers["outer" if view == "outer layer" else "inner"].seqeval.micro


def _f1_of(figures: Figures | None) -> float | None:
    return figures.f1 if figures else None


def _to_svg(figure: Any) -> str:
    stream = io.StringIO()
    figure.savefig(
        stream, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
    )
    svg = stream.getvalue()
    return f'<div class="plot">{svg[svg.index("<svg") :]}</div>'


# --- the browser of mistakes --------------------------------------------------------------


def _browser_data(comparison: Comparison) -> dict[str, Any]:
    """Models, colours of labels, and every mistake; a mistake says which models had its gold
    span right, and where its text is cut.

    A mistake: [model, kind, layer, document, start of the context, context, gold span,
    predicted span, models that are right]; spans are [start, end, label] within the context.
    """
    names = comparison.ranking
    right: dict[tuple[str, tuple[int, int, str]], list[int]] = {}
    for number, name in enumerate(names):
        for gold, predicted in comparison.pairs[name]:
            for key in {s.key for s in gold.spans} & {s.key for s in predicted.spans}:
                right.setdefault((gold.id, key), []).append(number)
    texts = {gold.id: gold for gold, _ in comparison.pairs[names[0]]}
    rows: list[list[Any]] = []
    left_out: dict[str, int] = {}
    for number, name in enumerate(names):
        mistakes = list(find_mistakes(comparison.pairs[name]))
        step = max(1, -(-len(mistakes) // MOST_MISTAKES))
        kept = sorted(mistakes, key=lambda m: KINDS.index(m.kind))[::step]
        if len(kept) < len(mistakes):
            left_out[name] = len(mistakes) - len(kept)
        for one in sorted(kept, key=lambda m: (m.document, m.place)):
            has = right.get((one.document, one.gold.key), []) if one.gold else []
            rows.append([number, KINDS.index(one.kind), *_row(texts[one.document], one), has])
    return {
        "models": names,
        "kinds": [[kind, KIND_MEANINGS[kind]] for kind in KINDS],
        "colours": {label.name: label.colour for label in LABELS},
        "left_out": left_out,
        "rows": rows,
    }


def _row(document: Document, mistake: Mistake) -> list[Any]:
    start, end = mistake.place
    first = max(0, start - CONTEXT)

    def side(span: Span | None) -> list[Any] | None:
        return [span.start - first, span.end - first, span.label] if span else None

    return [
        LAYERS.index(mistake.layer),
        mistake.document,
        first,
        document.text[first : end + CONTEXT],
        side(mistake.gold),
        side(mistake.predicted),
    ]


_BROWSER = """
<form id="filters" onsubmit="return false">
<label>model <select name="model"></select></label>
<label>label <select name="label"></select></label>
<label>kind <select name="kind"></select></label>
<label>layer <select name="layer"></select></label>
<label>right in <select name="right"></select></label>
<label>text or document <input name="text" type="search" size="18"></label>
</form>
<p class="note" id="count"></p>
<p class="note">In the context, gold is <span class="gold">underlined</span>, what was predicted
<span class="predicted">shaded</span>.</p>
<ol id="mistakes"></ol>
<button id="more" type="button">Show more</button>
"""

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, "Noto Sans", sans-serif; max-width: 76rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; } h3 { margin: 1.5rem 0 .3rem; }
.headline { font-size: 2.2rem; font-weight: 700; margin: .5rem 0 0; }
.reading { margin: .2rem 0; }
.signature, .where, .note { color: #777; }
.signature { font-family: monospace; overflow-wrap: anywhere; }
.note { font-size: .9rem; margin: .3rem 0; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1.5rem; }
.plot { background: #fff; border: 1px solid var(--line); border-radius: .4rem; padding: .4rem;
        flex: 1 1 24rem; max-width: 36rem; }
.plot svg { width: 100%; height: auto; }
.grids { display: flex; flex-wrap: wrap; gap: 0 2.5rem; }
.grids > div { min-width: 0; max-width: 100%; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: left; }
.number { text-align: right; }
tr.average td { font-weight: 600; background: var(--soft); }
summary { cursor: pointer; font-weight: 600; margin-top: 1rem; }
#filters { display: flex; flex-wrap: wrap; gap: .6rem 1.2rem; position: sticky; top: 0;
           background: Canvas; padding: .6rem 0; border-bottom: 1px solid var(--line); }
select, input { font: inherit; }
#mistakes { list-style: none; padding: 0; }
#mistakes li { border-bottom: 1px solid var(--line); padding: .6rem 0; }
.context { background: var(--soft); padding: .3rem .6rem; white-space: pre-line; }
.gold { border-bottom: 3px solid #009E73; } .predicted { background: #E69F0055; }
.label { color: #fff; border-radius: .25rem; padding: 0 .35rem; font-size: .8rem; }
.kind { font-weight: 600; }
"""

_SCRIPT = """
const data = JSON.parse(document.getElementById("data").textContent);
const form = document.getElementById("filters"), list = document.getElementById("mistakes");
const more = document.getElementById("more"), PAGE = 50;
const layers = ["outer", "inner"];
let found = [], shown = 0;
function fill(name, options, all) {
  for (const [value, text] of [["", all], ...options])
    form.elements[name].add(new Option(text, value));
}
const labels = new Set();
for (const row of data.rows) for (const span of [row[6], row[7]]) if (span) labels.add(span[2]);
fill("model", data.models.map((m, n) => [n, m]), "all");
fill("label", [...labels].sort().map(l => [l, l]), "all");
fill("kind", data.kinds.map(([k, meaning], n) => [n, k + ": " + meaning]), "all");
fill("layer", layers.map((l, n) => [n, l]), "both");
fill("right", [["none", "no model"], ...data.models.map((m, n) => [n, m])], "any");
if (data.models.length < 2) for (const name of ["model", "right"])
  form.elements[name].parentElement.hidden = true;
function fits(row) {
  const f = name => form.elements[name].value;
  const text = f("text").toLowerCase();
  return (f("model") === "" || row[0] === +f("model"))
    && (f("label") === "" || [row[6], row[7]].some(span => span && span[2] === f("label")))
    && (f("kind") === "" || row[1] === +f("kind"))
    && (f("layer") === "" || row[2] === +f("layer"))
    && (f("right") === "" || (f("right") === "none" ? row[6] && !row[8].length
                                                   : row[8].includes(+f("right"))))
    && (!text || row[5].toLowerCase().includes(text) || row[3].toLowerCase().includes(text));
}
function element(tag, className, text) {
  const one = document.createElement(tag);
  if (className) one.className = className;
  if (text !== undefined) one.textContent = text;
  return one;
}
function addSide(item, name, span, characters) {
  if (!span) return;
  const label = element("span", "label", span[2]);
  label.style.background = data.colours[span[2]] || "#666";
  const mention = element("span", "", " " + characters.slice(span[0], span[1]).join("") + "  ");
  mention.lang = "vi";
  item.append(name + " ", label, mention);
}
function show(row) {
  const item = element("li"), characters = [...row[5]];
  item.append(element("span", "kind", data.kinds[row[1]][0] + " "));
  const spans = [row[6], row[7]].filter(Boolean);
  const start = row[4] + Math.min(...spans.map(s => s[0]));
  const end = row[4] + Math.max(...spans.map(s => s[1]));
  let where = `${row[3]} ${start}-${end}, ${layers[row[2]]}`;
  if (data.models.length > 1) where = `${data.models[row[0]]}, ` + where;
  if (row[8].length) where += "; right in " + row[8].map(n => data.models[n]).join(", ");
  item.append(element("span", "where", where), element("br"));
  addSide(item, "gold", row[6], characters);
  addSide(item, "predicted", row[7], characters);
  const context = element("div", "context");
  context.lang = "vi";
  context.append("…");
  const edges = new Set([0, characters.length]);
  for (const span of spans) { edges.add(span[0]); edges.add(span[1]); }
  const ordered = [...edges].sort((a, b) => a - b);
  for (let n = 0; n + 1 < ordered.length; n++) {
    const covers = span => span && span[0] <= ordered[n] && ordered[n + 1] <= span[1];
    const names = [covers(row[6]) ? "gold" : "", covers(row[7]) ? "predicted" : ""];
    const text = characters.slice(ordered[n], ordered[n + 1]).join("");
    context.append(element("span", names.join(" ").trim(), text));
  }
  context.append("…");
  item.append(context);
  list.append(item);
}
function showMore() {
  for (const row of found.slice(shown, shown + PAGE)) show(row);
  shown = Math.min(found.length, shown + PAGE);
  more.hidden = shown >= found.length;
}
function filter() {
  found = data.rows.filter(fits);
  shown = 0;
  list.textContent = "";
  const gone = Object.entries(data.left_out).map(([m, n]) => `${n} of ${m} are not on this page`);
  document.getElementById("count").textContent =
    [`${found.length} of ${data.rows.length} mistakes`, ...gone].join("; ");
  showMore();
}
form.addEventListener("input", filter);
more.addEventListener("click", showMore);
filter();
"""
