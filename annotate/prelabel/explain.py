"""Why each span of the rules is there, and what lost against it.

What lost is told from what came out: a candidate that is not among the spans is set beside the
span that stands in its place. So the account holds whatever way conflicts are resolved.
"""

import html
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from annotate.document import Document, Span, find_edge_problem, sort_spans, split_layers
from annotate.legacy import describe_text
from annotate.prelabel import find_candidates
from annotate.prelabel.candidate import Candidate
from annotate.prelabel.chart import Chart, build_chart
from annotate.prelabel.lexicon import Entry, read_lexicons
from annotate.prelabel.project import ProjectRules
from annotate.prelabel.resolve import resolve
from annotate.prelabel.score import score_of
from annotate.scheme import LABELS, Layer, may_contain
from annotate.settings import PROJECT_FILE
from annotate.text import fold

WIDTH = 80
"""Columns that `format_explanation` keeps to."""

_MOST_EVIDENCE = 4
_BEFORE = 40
"""How many characters before a person's name the word that leads to it may begin."""

_BODY = ("body", "head", "party", "field", "centre", "level", "province", "city", "district")
_PLACES = ("country", "region", "world-city")
_CLASSES: Mapping[str, tuple[str, ...]] = {
    "PERSON": ("known", "given", "surname", "honorific", "credit", "title"),
    "POSITION": ("title", "plural", *_BODY, *_PLACES),
    "ORG": (*_BODY, *_PLACES),
    "DOCUMENT_REF": ("doc", "statute", "treaty", "work"),
    "DATE": (),
}
"""The classes of entries, without what stands behind a point, that a label goes by."""

_COLOURS = {label.name: label.colour for label in LABELS}


Index = Mapping[tuple[str, str], Sequence[str]]
"""Where the entries of a class and a folded string stand."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A span that is there. `also` are the other rules that proposed it, `evidence` the lexicon
    entries inside it that its label goes by, as `file:line [class] entry`, the longest first, at
    most four; of a PERSON also the entry right before it."""

    span: Span
    mention: str
    layer: Layer
    also: tuple[str, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """A candidate that is not there, why, and the span that stands in its place, if one does."""

    span: Span
    mention: str
    reason: str
    winner: Span | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A document's text with what was kept and what lost, each sorted by place. `looks_like` says
    what keeps the text from being Vietnamese: `vipol prelabel` gives it no spans then."""

    id: str
    text: str
    kept: tuple[Kept, ...]
    lost: tuple[Lost, ...]
    looks_like: str | None = None


def explain_document(document: Document, rules: ProjectRules | None = None) -> Explanation:
    """What the rules make of a document and why; its own spans are put aside.

    `rules` are the project's own, if it has any.
    """
    chart = rules.build_chart(document.text) if rules else build_chart(document.text)
    candidates = find_candidates(chart)
    if rules:
        own = rules.find(chart)
        spans = resolve(chart, rules.find_candidates(chart))
        candidates = [*candidates, *own]
        index = _index([*read_lexicons(), *rules.entries])
    else:
        spans = resolve(chart, candidates)
        index = _built_in()
    return _explain(document, chart, candidates, sort_spans(spans), index)


def home_of(source: str) -> str:
    """The file where the rule of a source stands."""
    kind, _, rest = source.partition(":")
    name = rest.partition(".")[0]
    if kind == "project":
        return PROJECT_FILE if name == "pattern" else f"a lexicon of {PROJECT_FILE}"
    return f"annotate/prelabel/{'document_ref' if name == 'document' else name}.py"


def list_proposals(
    chart: Chart, candidates: Iterable[Candidate]
) -> dict[tuple[int, int, str], list[str]]:
    """The sources that propose each span (place and label), inner candidates among them."""
    sources: dict[tuple[int, int, str], dict[str, None]] = defaultdict(dict)
    for candidate in candidates:
        for one in (candidate, *candidate.inner):
            start, end = chart.slice(one.start, one.end)
            sources[start, end, one.label][one.source] = None
    return {key: list(names) for key, names in sources.items()}


def _explain(
    document: Document,
    chart: Chart,
    candidates: Iterable[Candidate],
    spans: Sequence[Span],
    index: Index,
) -> Explanation:
    text = document.text
    proposals = list_proposals(chart, candidates)
    evidence = _Evidence(chart, index)
    kept = []
    for layer, of_layer in split_layers(spans).items():
        for span in of_layer:
            also = tuple(s for s in proposals.pop(span.key, ()) if s != span.source)
            mention = text[span.start : span.end]
            kept.append(Kept(span, mention, layer, also, evidence.inside(span)))
    judge = Judge(text, spans)
    lost = []
    for start, end, label in sorted(proposals, key=lambda key: (key[0], -key[1], key[2])):
        for source in proposals[start, end, label]:
            span = Span(start, end, label, source, score_of(source, label))
            reason, winner = judge.why_lost(span)
            lost.append(Lost(span, text[start:end], reason, winner))
    kept.sort(key=lambda one: (one.span.start, -one.span.end))
    return Explanation(document.id, text, tuple(kept), tuple(lost), describe_text(text))


class Judge:
    """Tells which span of a legal set stands in the place of one that is not in it, and why."""

    def __init__(self, text: str, spans: Sequence[Span]) -> None:
        self._text = text
        layers = split_layers(spans)
        self._outer = layers["outer"]
        self._inner = layers["inner"]
        self._outer_starts = [span.start for span in self._outer]
        self._inner_starts = [span.start for span in self._inner]

    def why_lost(self, span: Span) -> tuple[str, Span | None]:
        """The reason in words, and the span that won."""
        winner = _first_overlap(span, self._outer, self._outer_starts)
        if winner is None:
            problem = find_edge_problem(self._text, span)
            return (problem or "put aside by another rule", None)
        if (winner.start, winner.end) == (span.start, span.end):
            if winner.label == span.label:
                return "the same span by another rule", winner
            return f"the same place, taken as {winner.label}", winner
        if not (winner.start <= span.start and span.end <= winner.end):
            if span.start <= winner.start and winner.end <= span.end:
                return f"holds the {winner.label} that was kept", winner
            return f"crosses the {winner.label}", winner
        if not may_contain(winner.label, span.label):
            return f"lies in the {winner.label}, which may hold no {span.label}", winner
        guest = _first_overlap(span, self._inner, self._inner_starts)
        if guest is not None:
            return f"overlaps the inner {guest.label}", guest
        problem = find_edge_problem(self._text, span)
        return (problem or f"lies in the {winner.label}, whose rule found no {span.label}", winner)


def _first_overlap(span: Span, spans: Sequence[Span], starts: Sequence[int]) -> Span | None:
    """The first of `spans`, which do not overlap each other, that shares a character."""
    place = max(0, bisect_right(starts, span.start) - 1)
    for other in spans[place : place + 2]:
        if other.start < span.end and span.start < other.end:
            return other
    return None


# --- evidence: the lexicon entries in a mention ------------------------------------------------


def _index(entries: Iterable[Entry]) -> Index:
    index: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in entries:
        file, _, line = entry.where.rpartition(":")
        shown = f"{Path(file).name}:{line} [{entry.label}] {entry.text}"
        index[entry.label, fold(entry.text)].append(shown)
    return dict(index)


@cache
def _built_in() -> Index:
    return _index(read_lexicons())


class _Evidence:
    """The lexicon entries found in a chart, by the place where they begin."""

    def __init__(self, chart: Chart, index: Index) -> None:
        self._chart = chart
        self._index = index
        self._places = sorted(
            (chart.starts[i], chart.ends[j - 1], label)
            for label in chart.begun
            for i, j in chart.hits(label)
        )

    def inside(self, span: Span) -> tuple[str, ...]:
        """The entries that a span's label goes by, the longest first, at most four."""
        wanted = {span.label.lower().replace("_", "-"), *_CLASSES[span.label]}
        found = []
        reach = _BEFORE if span.label == "PERSON" else 0
        for start, end, label in self._places[bisect_left(self._places, (span.start - reach,)) :]:
            if start >= span.end:
                break
            inside = span.start <= start and end <= span.end
            before = reach and end <= span.start and not self._chart.text[end : span.start].strip()
            if (inside or before) and label.partition(".")[0] in wanted:
                found.append((start - end, start, label, self._chart.folded[start:end]))
        if span.label == "PERSON":
            first = self._chart.folded[span.start : span.end].split(" ")[0]
            found += [(0, span.start, label, first) for label in ("surname", "surname.rare")]
        keys = dict.fromkeys((label, key) for _, _, label, key in sorted(found))
        lines = dict.fromkeys(line for key in keys for line in self._index.get(key, ()))
        return tuple(lines)[:_MOST_EVIDENCE]


# --- for the terminal ------------------------------------------------------------------------


def format_explanation(explanation: Explanation, *, colour: bool = False) -> str:
    """Each paragraph with its spans, and below it why they are there, within 80 columns.

    With `colour` ANSI codes show the labels; inner spans are underlined.
    """
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    stream = StringIO()
    console = Console(
        file=stream,
        width=WIDTH,
        force_terminal=colour,
        color_system="truecolor" if colour else None,
        highlight=False,
    )

    def show(text: Text, indent: str = "", hanging: str = "") -> None:
        for number, part in enumerate(text.wrap(console, WIDTH - len(indent + hanging))):
            part.rstrip()
            margin = indent + (hanging if number else "")
            console.print(Text(margin) + part if part else Text(), soft_wrap=True)

    def line(indent: str, *parts: tuple[str, str]) -> None:
        show(Text.assemble(*parts), indent, "  ")

    line("", (f"{explanation.id}: {_count(explanation)}", "bold"))
    if explanation.looks_like:
        line("", (f"{_warning(explanation)}", "bold red"))
    losers: dict[Span | None, list[Lost]] = defaultdict(list)
    for lost in explanation.lost:
        losers[lost.winner].append(lost)
    for paragraph, spans in _paragraphs(explanation):
        console.print()
        shown = Text(explanation.text[paragraph.start : paragraph.stop])
        for kept in spans:
            style = _COLOURS[kept.span.label]
            place = kept.span.start - paragraph.start
            inner = " underline" if kept.layer == "inner" else " bold"
            shown.stylize(style + inner, place, place + len(kept.mention))
        show(shown)
        for kept in spans:
            span = kept.span
            indent = "      " if kept.layer == "inner" else "  "
            colour_of = _COLOURS[span.label]
            line(
                indent,
                (f"{span.label} ", f"bold {colour_of}"),
                (kept.mention, colour_of),
                (f"  {span.source or '?'} {_score(span.score)}", "dim"),
            )
            for source in kept.also:
                line(f"{indent}  ", (f"also {source}", "dim"))
            for entry in kept.evidence:
                line(f"{indent}  ", (f"from {entry}", "dim"))
            for lost in losers.get(span, ()):
                line(
                    f"{indent}  ",
                    ("lost ", "red"),
                    (f"{lost.span.label} ", _COLOURS[lost.span.label]),
                    (f"{lost.mention} ", ""),
                    (f"({lost.reason}; {lost.span.source} {_score(lost.span.score)})", "dim"),
                )
    if None in losers:
        line("", ("\nlost against no span", "bold"))
        for lost in losers[None]:
            line("  ", (f"{lost.span.label} {lost.mention} ({lost.reason})", ""))
    console.print()
    for where in _homes(explanation):
        line("", (where, "dim"))
    return stream.getvalue()


def _paragraphs(explanation: Explanation) -> Iterator[tuple[range, list[Kept]]]:
    """The lines of the text that are not blank, two as one where a span crosses their border."""
    text, kept = explanation.text, explanation.kept
    number, place = 0, 0
    while place < len(text):
        end = _line_end(text, place)
        spans: list[Kept] = []
        while number < len(kept) and kept[number].span.start < end:
            end = max(end, _line_end(text, kept[number].span.end))
            spans.append(kept[number])
            number += 1
        if text[place:end].strip():
            yield range(place, end), spans
        place = end + 1


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _homes(explanation: Explanation) -> Iterator[str]:
    """Where the rules of the spans that are there stand, and how a project changes them."""
    homes: dict[str, dict[str, None]] = defaultdict(dict)
    for kept in explanation.kept:
        source = kept.span.source or "?"
        homes[home_of(source)][source] = None
    for home, sources in sorted(homes.items()):
        yield f"{home}: {', '.join(sorted(sources))}"
    yield "lexicons: annotate/prelabel/lexicons/; your own and patterns: vipol.toml"


def _warning(explanation: Explanation) -> str:
    return f"This text {explanation.looks_like}. vipol prelabel gives it no spans."


def _count(explanation: Explanation) -> str:
    kept, lost = len(explanation.kept), len(explanation.lost)
    return f"{kept} span{'' if kept == 1 else 's'}, {lost} candidate{'' if lost == 1 else 's'} lost"


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.2f}"


# --- as a page -------------------------------------------------------------------------------

_STYLE = """
body { font: 16px/1.7 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1a1a1a; background: #fff }
.text { white-space: pre-wrap; overflow-wrap: anywhere }
mark { color: inherit; border-radius: 3px; padding: 1px 2px; border-bottom: 3px solid var(--c);
       background: color-mix(in srgb, var(--c) 16%, transparent) }
mark:focus { outline: 2px solid var(--c) }
.key { display: inline-block; margin-right: 1rem; border-bottom: 3px solid var(--c) }
table { border-collapse: collapse; width: 100%; font-size: 14px; line-height: 1.4 }
th, td { text-align: left; vertical-align: top; padding: 4px 8px; border-bottom: 1px solid #ddd }
td { overflow-wrap: anywhere }
td.label { border-left: 4px solid var(--c); white-space: nowrap }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #eee } }
"""


def explanation_to_html(explanation: Explanation) -> str:
    """One page that needs nothing else: the text with its spans in the scheme's colours and a
    tooltip on each, and tables of what was kept and what lost."""
    title = html.escape(explanation.id)
    keys = "".join(
        f'<span class="key" style="--c:{label.colour}">{label.name} {label.vietnamese}</span>'
        for label in LABELS
    )
    kept = "".join(_kept_row(one) for one in explanation.kept)
    lost = "".join(_lost_row(one, explanation.text) for one in explanation.lost)
    warning = f'<p role="alert">{html.escape(_warning(explanation))}</p>'
    warning = warning if explanation.looks_like else ""
    homes = "".join(f"<li>{html.escape(home)}</li>" for home in _homes(explanation))
    return (
        '<!DOCTYPE html>\n<html lang="vi"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{title}</h1><p>{_count(explanation)}</p>{warning}<p>{keys}</p>\n"
        f'<div class="text">{_marked_text(explanation)}</div>\n'
        "<h2>What is there</h2><table><tr><th>label<th>mention<th>rule<th>score<th>why</tr>"
        f"{kept}</table>\n<h2>What lost</h2>"
        "<table><tr><th>label<th>mention<th>rule<th>score<th>why<th>against</tr>"
        f"{lost}</table>\n<h2>Where to change it</h2><ul>{homes}</ul>\n</body></html>\n"
    )


def _marked_text(explanation: Explanation) -> str:
    losers: dict[Span, list[Lost]] = defaultdict(list)
    for lost in explanation.lost:
        if lost.winner:
            losers[lost.winner].append(lost)
    return "".join(_pieces(explanation, losers))


def _pieces(explanation: Explanation, losers: Mapping[Span, Sequence[Lost]]) -> Iterator[str]:
    place = 0
    open_ends: list[int] = []

    def close(until: int) -> Iterator[str]:
        nonlocal place
        while open_ends and open_ends[-1] <= until:
            end = open_ends.pop()
            yield html.escape(explanation.text[place:end]) + "</mark>"
            place = end

    for kept in explanation.kept:
        span = kept.span
        yield from close(span.start)
        yield html.escape(explanation.text[place : span.start])
        place = span.start
        lines = [f"{span.label} {_score(span.score)}", span.source or "?", *kept.evidence]
        lines += [f"lost: {one.span.label} {one.mention}" for one in losers.get(span, ())]
        tip = html.escape("\n".join(lines))
        yield f'<mark tabindex="0" style="--c:{_COLOURS[span.label]}" title="{tip}">'
        open_ends.append(span.end)
    yield from close(len(explanation.text))
    yield html.escape(explanation.text[place:])


def _cells(span: Span, mention: str) -> str:
    return (
        f'<tr><td class="label" style="--c:{_COLOURS[span.label]}">{span.label}'
        f"<td>{html.escape(mention)}<td>{html.escape(span.source or '?')}<td>{_score(span.score)}"
    )


def _kept_row(kept: Kept) -> str:
    why = [f"also {source}" for source in kept.also] + list(kept.evidence)
    return f"{_cells(kept.span, kept.mention)}<td>{'<br>'.join(map(html.escape, why))}</tr>\n"


def _lost_row(lost: Lost, text: str) -> str:
    winner = lost.winner
    against = f"{winner.label} {text[winner.start : winner.end]}" if winner else "-"
    why = "<td>".join(map(html.escape, (lost.reason, against)))
    return f"{_cells(lost.span, lost.mention)}<td>{why}</tr>\n"
