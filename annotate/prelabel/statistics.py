"""What each rule contributes: coverage, overlaps, conflicts, and precision where gold exists.

The figures are those of weak supervision (Ratner et al. 2017, "Snorkel: Rapid training data
creation with weak supervision", VLDB 11(3)), counted over spans: a rule votes for a span where it
proposes it; two rules overlap where they propose the same span, and conflict where both
proposals cannot stand in one document by the scheme.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from annotate.document import Document, Span, sort_spans
from annotate.errors import DataError
from annotate.legacy import describe_text
from annotate.prelabel import find_candidates
from annotate.prelabel.chart import build_chart
from annotate.prelabel.explain import Judge, home_of, list_proposals
from annotate.prelabel.project import ProjectRules
from annotate.prelabel.resolve import resolve
from annotate.scheme import may_contain

Key = tuple[int, int, str]

_MOST_ERRORS = 3
_RULES_WITH_ERRORS = 8
WIDTH = 80
"""Columns that `format_rule_report` keeps to."""


class Error(NamedTuple):
    """A wrong span of a rule: its document and place, and the gold span that it stands in the
    way of, as label and mention, or None."""

    document: str
    start: int
    end: int
    mention: str
    gold: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class RuleStatistics:
    """One rule's figures over all documents. The last six need gold: None and empty without.

    documents: in how many the rule proposes something; proposed: spans it proposes; kept: of
    these, how many are in the output; lost: how many are not; overlaps: how many another rule
    proposes too; conflicts: how many cannot stand beside what another rule proposes.

    right, wrong: kept spans of documents with gold that are in it and that are not (both ends and
    label). precision: right / (right + wrong), None where there are none. lost_right: gold spans
    that it proposed and that are not in the output. cost: gold spans that are missing because a
    wrong span of this rule stands in their place. A rule hurts by `wrong` and `cost`. errors: its
    first wrong spans.
    """

    source: str
    label: str
    documents: int
    proposed: int
    kept: int
    lost: int
    overlaps: int
    conflicts: int
    right: int | None = None
    wrong: int | None = None
    precision: float | None = None
    lost_right: int | None = None
    cost: int | None = None
    errors: tuple[Error, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleReport:
    """The rules, those that hurt most first: by wrong spans and cost where there is gold, else by
    conflicts. `gold_documents` have gold; `missed` are gold spans that no rule proposed. Both are
    None without gold."""

    documents: int
    spans: int
    gold_documents: int | None
    missed: int | None
    rules: tuple[RuleStatistics, ...]


class _Table:
    """What was counted of one rule."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.errors: list[Error] = []


_Tables = dict[tuple[str, str], _Table]


def measure_rules(
    documents: Iterable[Document],
    gold: Mapping[str, Document] | None = None,
    *,
    rules: ProjectRules | None = None,
    on_document: Callable[[Document], None] = lambda document: None,
) -> RuleReport:
    """Figures of every rule on documents; where `gold` has a document's id its spans are the truth.

    `rules` are the project's own, if it has any; `on_document` is called after each document.
    Raises DataError where a gold document has another text, and where none is of the documents.
    """
    tables: _Tables = defaultdict(_Table)
    totals: Counter[str] = Counter()
    for document in documents:
        truth = gold.get(document.id) if gold is not None else None
        if truth is not None and truth.text != document.text:
            raise DataError(
                f"document {document.id}: its text is not that of the gold document of this id; "
                "measure on the text that was labelled"
            )
        _add(document, tables, totals, truth, rules)
        on_document(document)
    if gold is not None and not totals["gold"]:
        raise DataError(
            f"none of the {totals['documents']} documents is among the gold ones; ids must be the "
            "same in both files"
        )
    has_gold = gold is not None
    figures = [_figures(*name, table, has_gold) for name, table in tables.items()]
    figures.sort(key=_hurt)
    return RuleReport(
        documents=totals["documents"],
        spans=totals["spans"],
        gold_documents=totals["gold"] if has_gold else None,
        missed=totals["missed"] if has_gold else None,
        rules=tuple(figures),
    )


def _hurt(one: RuleStatistics) -> tuple[int, int, int, str, str]:
    harm = (one.wrong or 0) + (one.cost or 0)
    return (-harm, -one.conflicts, -one.proposed, one.source, one.label)


def _add(
    document: Document,
    tables: _Tables,
    totals: Counter[str],
    gold: Document | None,
    rules: ProjectRules | None,
) -> None:
    chart = rules.build_chart(document.text) if rules else build_chart(document.text)
    candidates = find_candidates(chart)
    kept: tuple[Span, ...] = ()
    if describe_text(document.text) is not None:
        candidates = []
    elif rules:
        kept = sort_spans(resolve(chart, rules.find_candidates(chart)))
        candidates = [*candidates, *rules.find(chart)]
    else:
        kept = sort_spans(resolve(chart, candidates))
    proposals = list_proposals(chart, candidates)
    in_conflict = _find_conflicts(proposals)
    by_key = {span.key: span for span in kept}
    seen: set[tuple[str, str]] = set()
    for key, sources in proposals.items():
        for source in sources:
            table = tables[source, key[2]].counts
            seen.add((source, key[2]))
            table["proposed"] += 1
            table["overlaps"] += len(sources) > 1
            table["conflicts"] += key in in_conflict
            table["kept"] += key in by_key
    for name in seen:
        tables[name].counts["documents"] += 1
    totals["documents"] += 1
    totals["spans"] += len(kept)
    if gold is not None:
        _add_gold(gold, tables, totals, proposals, by_key)


def _add_gold(
    document: Document,
    tables: _Tables,
    totals: Counter[str],
    proposals: dict[Key, list[str]],
    kept: dict[Key, Span],
) -> None:
    """Count by a gold document."""
    totals["gold"] += 1
    gold = {span.key for span in document.spans}
    displaced: dict[Key, Span] = {}
    judge = Judge(document.text, tuple(kept.values()))
    for span in document.spans:
        if span.key in kept:
            continue
        totals["missed"] += span.key not in proposals
        _, winner = judge.why_lost(span)
        if winner and winner.key not in gold:
            displaced.setdefault(winner.key, span)
            for source in proposals.get(winner.key, ()):
                tables[source, winner.label].counts["cost"] += 1
    for key, sources in proposals.items():
        for source in sources:
            table = tables[source, key[2]]
            if key not in kept:
                table.counts["lost_right"] += key in gold
            elif key in gold:
                table.counts["right"] += 1
            else:
                table.counts["wrong"] += 1
                if len(table.errors) < _MOST_ERRORS:
                    table.errors.append(_error(document, key, displaced.get(key)))


def _error(document: Document, key: Key, wanted: Span | None) -> Error:
    start, end, _ = key
    text = document.text
    gold = (wanted.label, text[wanted.start : wanted.end]) if wanted else None
    return Error(document.id, start, end, text[start:end], gold)


def _find_conflicts(proposals: dict[Key, list[str]]) -> set[Key]:
    """Spans that cannot stand beside a span that another rule proposes.

    Looks only at spans that begin at most as far away as the longest span is long.
    """
    ordered = sorted(proposals, key=lambda key: (key[0], -key[1], key[2]))
    starts = [key[0] for key in ordered]
    found: set[Key] = set()
    for number, key in enumerate(ordered):
        for other in ordered[number + 1 : bisect_left(starts, key[1])]:
            if _by_one_rule(proposals[key], proposals[other]) or _may_stand(key, other):
                continue
            found.add(key)
            found.add(other)
    return found


def _by_one_rule(one: Sequence[str], other: Sequence[str]) -> bool:
    return len(one) == 1 and one == other


def _may_stand(first: Key, second: Key) -> bool:
    """Whether two overlapping spans, the first before or around the second, may both stand."""
    if first[:2] == second[:2] or second[1] > first[1]:
        return False
    return may_contain(first[2], second[2])


def _figures(source: str, label: str, table: _Table, has_gold: bool) -> RuleStatistics:
    counts = table.counts
    names = ("documents", "proposed", "kept", "overlaps", "conflicts")
    counted: dict[str, Any] = {name: counts[name] for name in names}
    counted["lost"] = counts["proposed"] - counts["kept"]
    if not has_gold:
        return RuleStatistics(source, label, **counted)
    judged = counts["right"] + counts["wrong"]
    return RuleStatistics(
        source,
        label,
        **counted,
        right=counts["right"],
        wrong=counts["wrong"],
        precision=counts["right"] / judged if judged else None,
        lost_right=counts["lost_right"],
        cost=counts["cost"],
        errors=tuple(table.errors),
    )


def rule_report_to_dict(report: RuleReport) -> dict[str, Any]:
    """The report as JSON takes it; without gold the figures that need it are left out."""
    has_gold = report.gold_documents is not None
    needs_gold = {"right", "wrong", "precision", "lost_right", "cost", "errors"}
    rules = []
    for one in report.rules:
        figures = asdict(one) | {"errors": [error._asdict() for error in one.errors]}
        rules.append({k: v for k, v in figures.items() if has_gold or k not in needs_gold})
    gold = {"gold_documents": report.gold_documents, "missed": report.missed} if has_gold else {}
    return {"documents": report.documents, "spans": report.spans, **gold, "rules": rules}


def format_rule_report(report: RuleReport) -> str:
    """The report as a table of 80 columns, the rules that hurt most first, then their errors."""
    has_gold = report.gold_documents is not None
    head = f"{'rule':28.28} {'docs':>5}{'spans':>6}{'kept':>6}{'lost':>6}{'over':>5}{'conf':>5}"
    order = "most conflicts first"
    lines = [f"{report.documents:,} documents, {report.spans:,} spans by {len(report.rules)} rules"]
    if has_gold:
        head += f"{'wrong':>6}{'cost':>5} {'prec':>5}"
        order = "what hurts most first"
        lines.append(
            f"gold for {report.gold_documents:,}: {report.missed:,} of its spans no rule proposed"
        )
    lines += [f"(strict; {order})", "", head]
    for one in report.rules:
        line = (
            f"{_name(one):28} {one.documents:>5}{one.proposed:>6}{one.kept:>6}{one.lost:>6}"
            f"{one.overlaps:>5}{one.conflicts:>5}"
        )
        if has_gold:
            precision = "-" if one.precision is None else f"{one.precision:.3f}"
            line += f"{one.wrong:>6}{one.cost:>5} {precision:>5}"
        lines.append(line)
    lines += [
        "",
        "over: another rule proposes the same span",
        "conf: cannot stand beside another rule's span",
    ]
    if has_gold:
        lines.append("wrong: kept, not gold; cost: gold spans that a wrong span displaced")
        lines += _format_errors(report)
    return "\n".join(lines) + "\n"


def _format_errors(report: RuleReport) -> list[str]:
    wrong = [one for one in report.rules if one.errors][:_RULES_WITH_ERRORS]
    if not wrong:
        return []
    lines = ["", "errors (vipol explain FILE --document ID shows the lines of the lexicons)"]
    for one in wrong:
        lines += ["", f"{one.source} {one.label}  in {home_of(one.source)}"]
        for error in one.errors:
            lines.append(f"  {_cut(f'{error.document} {error.start}-{error.end}', WIDTH - 2)}")
            wanted = " ".join(error.gold) if error.gold else "nothing there"
            lines.append(f"    took  {_cut(f'{one.label} {error.mention}', WIDTH - 10)}")
            lines.append(f"    gold  {_cut(wanted, WIDTH - 10)}")
    return lines


def _cut(text: str, width: int) -> str:
    """A text as one line of at most so many characters, its middle left out."""
    text = " ".join(text.split())
    half = (width - 1) // 2
    return text if len(text) <= width else f"{text[:half]}…{text[-half:]}"


def _name(one: RuleStatistics) -> str:
    """The rule, with its label where the name does not show it, in 28 columns."""
    name = one.source.removeprefix("rule:")
    if one.label.lower()[:4] not in name.lower():
        name = f"{name} {one.label}"
    return name if len(name) <= 28 else f"{name[:27]}…"
