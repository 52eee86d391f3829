"""Agreement as one HTML page: without scripts, and without anything fetched from elsewhere.

The answer comes first, then every measure with its interval drawn, which labels are taken for
which, and the most disputed strings in their context as each annotator read them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from annotate.agreement.disputes import CONTEXT, Dispute, DisputedPlace
from annotate.agreement.matching import KINDS
from annotate.agreement.measure import Agreement, Estimate, Scores
from annotate.agreement.text import MEASURES, count, left_out, number, shorten
from annotate.document import Span
from annotate.scheme import LABEL_NAMES, LABELS
from annotate.tags import OUTSIDE

PLACES_SHOWN = 3
"""Places of one disputed string that are shown in their context; the others are links."""

_LINKS_SHOWN = 30
_TITLES = {label.name: f"{label.name} {label.vietnamese}" for label in LABELS}
_COLOURS = {label.name: label.colour for label in LABELS}

_ABOUT = {
    "strict": "Both ends and the label are the same. Symmetric: nobody is taken for the truth.",
    "relaxed": "The same label and at least one character in common, one span to one span.",
    "position": "Both ends are the same, whatever the label.",
    "kappa": "Cohen's kappa over syllable tokens; a token's class is its outer and inner label. "
    "Over several pairs: their mean.",
    "alpha": "Krippendorff's nominal alpha over the same tokens, all annotators at once.",
}

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --grey: #777; --dot: #0072B2; }
body { font: 16px/1.5 system-ui, "Noto Sans", sans-serif; max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { margin: 0; font-size: 1.5rem; } h2 { margin: 2.5rem 0 .5rem; }
.headline { font-size: 2.6rem; font-weight: 700; margin: .5rem 0 0; line-height: 1.2; }
.headline small { font-size: 1rem; font-weight: 400; }
.note, .where, td small { color: var(--grey); } .note { margin: .2rem 0; max-width: 48rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; }
th { font-weight: 600; vertical-align: bottom; }
td small { display: block; font-size: .75rem; line-height: 1.1; white-space: nowrap; }
.number { text-align: right; }
tr.group th { padding-top: 1.1rem; color: var(--grey); }
svg { display: block; } svg text { font-size: 10px; fill: var(--grey); }
svg .grid { stroke: var(--line); } svg .whisker { stroke: var(--dot); stroke-width: 2; }
svg circle { fill: var(--dot); }
.heat td { text-align: right; min-width: 4.5rem; } .heat td.same { font-weight: 700; }
.bars { display: grid; grid-template-columns: max-content max-content 1fr; gap: .15rem .8rem;
  max-width: 44rem; align-items: center; }
.bars i { height: .8rem; background: var(--dot); display: block; min-width: 1px; }
article { border-top: 1px solid var(--line); padding: .9rem 0; }
article h3 { margin: 0; font-size: 1.05rem; }
.place { margin: .5rem 0 0; } .reading { display: flex; gap: .8rem; margin: .15rem 0; }
.reading .who { flex: 0 0 11rem; color: var(--grey); text-align: right; overflow-wrap: anywhere; }
.reading .text { background: var(--soft); padding: .15rem .6rem; border-radius: .25rem; flex: 1;
  line-height: 1.9; }
mark { color: inherit; background: color-mix(in srgb, var(--c) 28%, transparent);
  border-bottom: 2px solid var(--c); padding: .1em 0; border-radius: .15rem; }
mark mark { background: color-mix(in srgb, var(--c) 45%, transparent); }
mark b { font-size: .62rem; margin-left: .2rem; color: var(--grey); }
.stretch { outline: 1px dashed var(--grey); outline-offset: 2px; border-radius: .15rem; }
"""


def agreement_to_html(agreement: Agreement) -> str:
    """The page."""
    strict = agreement.overall.strict
    body = [
        f"<h1>How far {len(agreement.annotators)} annotators agree</h1>",
        f'<p class="headline">{number(strict.value)} <small>strict span F1{_range(strict)}'
        "</small></p>",
        *(f'<p class="note">{escape(line)}</p>' for line in _facts(agreement)),
        "<h2>Measures</h2>",
        _measures(agreement),
        "<h2>How two annotators differ</h2>",
        _kinds(agreement),
        "<h2>Which label is taken for which</h2>",
        _confusion(agreement),
        "<h2>Most disputed</h2>",
        *_disputes(agreement),
        "<h2>What the measures mean</h2>",
        "<dl>"
        + "".join(
            f"<dt><b>{escape(title)}</b></dt><dd>{escape(_ABOUT[name])}</dd>"
            for name, title in MEASURES.items()
        )
        + "</dl>",
        f'<p class="note">{escape(_about_intervals(agreement))}</p>',
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Agreement</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _facts(agreement: Agreement) -> Iterator[str]:
    yield (
        f"{', '.join(agreement.annotators)}: {count(agreement.annotations, 'annotation')} of "
        f"{count(agreement.documents, 'document')}, {count(agreement.tokens, 'token')}."
    )
    if left := left_out(agreement):
        yield f"Left out: {left}."
    known = {
        label: scores.strict.value
        for label, scores in agreement.by_label.items()
        if scores.strict.value is not None
    }
    if len(known) > 1:
        low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
        yield (
            f"Lowest for {low} ({number(known[low])}), highest for {high} ({number(known[high])})."
        )
    apart = {kind: times for kind, times in agreement.kinds.items() if kind != "same" and times}
    if apart:
        most = max(apart, key=apart.__getitem__)
        share = apart[most] / sum(apart.values())
        yield f"The commonest difference ({share:.0%}): {KINDS[most]}."


def _about_intervals(agreement: Agreement) -> str:
    if not agreement.resamples:
        return "No intervals: they need at least two documents."
    return (
        f"Intervals: 95 %, percentiles of {count(agreement.resamples, 'bootstrap sample')} over "
        f"documents (seed {agreement.seed})."
    )


# --- measures ----------------------------------------------------------------------------

_WIDTH, _HEIGHT, _MARGIN = 230, 22, 12


def _measures(agreement: Agreement) -> str:
    groups: list[tuple[str, list[tuple[str, Scores]]]] = [
        ("", [("all spans", agreement.overall)]),
        ("by label", [(_TITLES[name], scores) for name, scores in agreement.by_label.items()]),
        ("by layer", [(str(name), scores) for name, scores in agreement.by_layer.items()]),
    ]
    if len(agreement.by_pair) > 1:
        short = shorten(agreement.annotators)
        pairs = [
            (" / ".join(short[name] for name in pair), scores)
            for pair, scores in agreement.by_pair.items()
        ]
        groups.append(("by pair", pairs))
    rows = [scores for _, group in groups for _, scores in group]
    lowest = min(
        (
            bound
            for scores in rows
            for bound in (scores.strict.low, scores.strict.value)
            if bound is not None
        ),
        default=0.0,
    )
    floor = max(0.0, int(lowest * 10 - 1e-9) / 10)
    heads = "".join(
        f'<th class="number">{head}</th>'
        for head in ("strict", "relaxed", "position", "kappa", "alpha")
    )
    plotted = f"<th>strict span F1{_axis(floor)}</th>"
    lines = [f'<tr><th></th><th class="number">spans</th>{plotted}{heads}</tr>']
    for title, group in groups:
        if title:
            lines.append(f'<tr class="group"><th colspan="8">{title}</th></tr>')
        lines += [_measure_row(name, scores, floor) for name, scores in group]
    return f'<div class="wide"><table class="measures">{"".join(lines)}</table></div>'


def _measure_row(name: str, scores: Scores, floor: float) -> str:
    estimates = [getattr(scores, measure) for measure in MEASURES]
    cells = "".join(
        f'<td class="number">{number(estimate.value)}<small>{_bounds(estimate)}</small></td>'
        for estimate in estimates
    )
    return (
        f'<tr><td>{escape(name)}</td><td class="number">{scores.spans:,}</td>'
        f"<td>{_plot(scores.strict, floor)}</td>{cells}</tr>"
    )


def _ticks(floor: float) -> list[float]:
    """Whole tenths, few enough to be read."""
    step = 1 if floor >= 0.5 else 2
    return [tenth / 10 for tenth in range(10, round(floor * 10) - 1, -step)]


def _x(value: float, floor: float) -> float:
    return round(_MARGIN + (value - floor) / (1 - floor) * (_WIDTH - 2 * _MARGIN), 1)


def _axis(floor: float) -> str:
    labels = "".join(
        f'<text x="{_x(tick, floor)}" y="12" text-anchor="middle">{tick:g}</text>'
        for tick in _ticks(floor)
    )
    return f'<svg width="{_WIDTH}" height="14" aria-hidden="true">{labels}</svg>'


def _plot(estimate: Estimate, floor: float) -> str:
    """A dot for the value and a line for its interval."""
    middle = _HEIGHT / 2
    drawn = "".join(
        f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{_HEIGHT}"/>'
        for x in (_x(tick, floor) for tick in _ticks(floor))
    )
    if estimate.low is not None and estimate.high is not None:
        left, right = _x(estimate.low, floor), _x(estimate.high, floor)
        drawn += f'<line class="whisker" x1="{left}" x2="{right}" y1="{middle}" y2="{middle}"/>'
    if estimate.value is not None:
        drawn += f'<circle cx="{_x(estimate.value, floor)}" cy="{middle}" r="4"/>'
    title = f"{number(estimate.value)}{_range(estimate)}"
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{drawn}</svg>"
    )


def _bounds(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f}–{estimate.high:.3f}"


def _range(estimate: Estimate) -> str:
    bounds = _bounds(estimate)
    return f", 95 % interval {bounds}" if bounds else ""


# --- what is taken for what ----------------------------------------------------------------


def _kinds(agreement: Agreement) -> str:
    total = sum(agreement.kinds.values())
    if not total:
        return '<p class="note">Nobody drew a span.</p>'
    rows = "".join(
        f'<span>{KINDS[kind]}</span><span class="number">{times:,} ({times / total:.1%})</span>'
        f'<i style="width:{100 * times / total:.1f}%"></i>'
        for kind, times in agreement.kinds.items()
    )
    return f'<div class="bars">{rows}</div>'


def _confusion(agreement: Agreement) -> str:
    classes = (*LABEL_NAMES, OUTSIDE)
    if len(agreement.annotators) == 2:
        first, second = agreement.annotators
        reading = f"Rows: {first}; columns: {second}."
    else:
        reading = "Rows and columns: the two annotators of a pair, by name."
    rows = []
    for row in classes:
        counts = [agreement.confusion.get((row, column), 0) for column in classes]
        total = sum(counts)
        cells = "".join(
            f'<td{" class=same" if row == column else ""} style="background:'
            f'{_shade(times / total if total else 0, row == column)}">{times or ""}</td>'
            for column, times in zip(classes, counts, strict=True)
        )
        rows.append(f"<tr><th>{row}</th>{cells}</tr>")
    heads = "".join(f'<th class="number">{name}</th>' for name in classes)
    return (
        f'<p class="note">{escape(reading)} Spans that stand for one another; {OUTSIDE}: the other '
        "has no span there. Shaded by share of the row.</p>"
        f'<div class="wide"><table class="heat"><tr><th></th>{heads}</tr>{"".join(rows)}</table>'
        "</div>"
    )


def _shade(share: float, same: bool) -> str:
    if not share:
        return "none"
    colour = "0, 158, 115" if same else "213, 94, 0"
    return f"rgba({colour}, {0.08 + 0.6 * share**0.5:.2f})"


# --- disputes ------------------------------------------------------------------------------


def _disputes(agreement: Agreement) -> Iterator[str]:
    if not agreement.disputes:
        yield '<p class="note">Nothing: the annotators drew the same spans.</p>'
        return
    yield (
        '<p class="note">Strings that annotators read differently, the most disputed first. The '
        "dashed stretch is what they read; what all of them drew around it is not shown.</p>"
    )
    for dispute in agreement.disputes:
        yield _dispute(dispute, shorten(agreement.annotators))


def _dispute(dispute: Dispute, short: Mapping[str, str]) -> str:
    shown = "".join(_place(place, short) for place in dispute.places[:PLACES_SHOWN])
    rest = dispute.places[PLACES_SHOWN : PLACES_SHOWN + _LINKS_SHOWN]
    more = ", ".join(_link(place) for place in rest)
    beyond = len(dispute.places) - PLACES_SHOWN - _LINKS_SHOWN
    if beyond > 0:
        more += f" and {beyond} more"
    also = f'<p class="note">Also in {more}</p>' if more else ""
    times = "once" if dispute.count == 1 else f"{dispute.count} times"
    return (
        f'<article><h3><span lang="vi">{escape(dispute.mention)}</span> '
        f'<span class="where">{times}</span></h3>{shown}{also}</article>'
    )


def _link(place: DisputedPlace) -> str:
    name = escape(f"{place.document} {place.start}–{place.end}")
    return f'<a href="{escape(place.url)}">{name}</a>' if place.url else name


def _place(place: DisputedPlace, short: Mapping[str, str]) -> str:
    by_reading: dict[tuple[Span, ...], list[str]] = defaultdict(list)
    for annotator, spans in place.readings.items():
        by_reading[spans].append(short[annotator])
    before = place.before.partition(" ")[2] if len(place.before) == CONTEXT else place.before
    after = place.after.rpartition(" ")[0] if len(place.after) == CONTEXT else place.after
    lines = "".join(
        f'<div class="reading"><span class="who">{escape(", ".join(names))}</span>'
        f'<span class="text" lang="vi">…{_white(before)}<span class="stretch">'
        f"{_marked(place.mention, spans)}</span>{_white(after)}…</span></div>"
        for spans, names in sorted(by_reading.items(), key=lambda item: (-len(item[1]), item[1]))
    )
    return f'<div class="place"><span class="where">{_link(place)}</span>{lines}</div>'


def _marked(text: str, spans: Sequence[Span]) -> str:
    """The text with its spans, an inner span inside its outer one."""
    pieces: list[str] = []
    open_spans: list[Span] = []
    last = 0

    def close(until: int) -> None:
        nonlocal last
        while open_spans and open_spans[-1].end <= until:
            span = open_spans.pop()
            pieces.append(f"{_white(text[last : span.end])}<b>{span.label}</b></mark>")
            last = span.end

    for span in spans:
        close(span.start)
        pieces.append(f'{_white(text[last : span.start])}<mark style="--c:{_COLOURS[span.label]}">')
        last = span.start
        open_spans.append(span)
    close(len(text))
    return "".join(pieces) + _white(text[last:])


def _white(text: str) -> str:
    return escape(" ".join(text.split("\n")))
