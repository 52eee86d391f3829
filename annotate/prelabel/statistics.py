"""What each rule contributes: coverage, overlaps, conflicts, and precision where gold exists.

The figures are those of weak supervision (Ratner et al. 2017, "Snorkel: Rapid training data
creation with weak supervision", VLDB 11(3)), counted over spans: a rule votes for a span where it
proposes it; two rules overlap where they propose the same span, and conflict where both
proposals cannot stand in one document by the scheme.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from annotate.document import Document, Span, sort_spans
from annotate.prelabel import find_candidates
from annotate.prelabel.chart import build_chart
from annotate.prelabel.explain import Judge, list_proposals
from annotate.prelabel.project import ProjectRules
from annotate.prelabel.resolve import resolve
from annotate.scheme import may_contain

Key = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class RuleStatistics:
    """One rule's figures over all documents. The last five are None without gold.

    documents: in how many the rule proposes something; proposed: spans it proposes; kept: of
    these, how many are in the output; lost: how many are not; overlaps: how many another rule
    proposes too; conflicts: how many cannot stand beside what another rule proposes.

    right, wrong: kept spans that are in gold and that are not (both ends and label). precision:
    right / kept, None where nothing was kept. lost_right: gold spans that it proposed and that
    are not in the output. cost: gold spans that are missing because a wrong span of this rule
    stands in their place. A rule hurts by `wrong` and `cost`.
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


@dataclass(frozen=True, slots=True)
class RuleReport:
    """The rules, those that hurt most first: by wrong spans and cost where there is gold, else by
    conflicts. `missed` are gold spans that no rule proposed; None without gold."""

    documents: int
    spans: int
    has_gold: bool
    missed: int | None
    rules: tuple[RuleStatistics, ...]


def measure_rules(
    documents: Iterable[Document],
    *,
    has_gold: bool,
    rules: ProjectRules | None = None,
    on_document: Callable[[Document], None] = lambda document: None,
) -> RuleReport:
    """Figures of every rule on documents; with `has_gold` their own spans are the truth.

    `rules` are the project's own, if it has any; `on_document` is called after each document.
    """
    tables: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    totals: Counter[str] = Counter()
    for document in documents:
        _add(document, tables, totals, has_gold, rules)
        on_document(document)
    figures = [_figures(*name, table, has_gold) for name, table in tables.items()]
    figures.sort(key=_hurt)
    return RuleReport(
        documents=totals["documents"],
        spans=totals["spans"],
        has_gold=has_gold,
        missed=totals["missed"] if has_gold else None,
        rules=tuple(figures),
    )


def _hurt(one: RuleStatistics) -> tuple[int, int, int, str, str]:
    harm = (one.wrong or 0) + (one.cost or 0)
    return (-harm, -one.conflicts, -one.proposed, one.source, one.label)


def _add(
    document: Document,
    tables: dict[tuple[str, str], Counter[str]],
    totals: Counter[str],
    has_gold: bool,
    rules: ProjectRules | None,
) -> None:
    chart = rules.build_chart(document.text) if rules else build_chart(document.text)
    candidates = find_candidates(chart)
    if rules:
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
            table = tables[source, key[2]]
            seen.add((source, key[2]))
            table["proposed"] += 1
            table["overlaps"] += len(sources) > 1
            table["conflicts"] += key in in_conflict
            table["kept"] += key in by_key
    for name in seen:
        tables[name]["documents"] += 1
    totals["documents"] += 1
    totals["spans"] += len(kept)
    if has_gold:
        _add_gold(document, tables, totals, proposals, by_key)


def _add_gold(
    document: Document,
    tables: dict[tuple[str, str], Counter[str]],
    totals: Counter[str],
    proposals: dict[Key, list[str]],
    kept: dict[Key, Span],
) -> None:
    gold = {span.key for span in document.spans}
    for key, sources in proposals.items():
        for source in sources:
            if key in kept:
                tables[source, key[2]]["right"] += key in gold
            else:
                tables[source, key[2]]["lost_right"] += key in gold
    judge = Judge(document.text, tuple(kept.values()))
    for span in document.spans:
        if span.key in kept:
            continue
        totals["missed"] += span.key not in proposals
        _, winner = judge.why_lost(span)
        if winner and winner.key not in gold:
            for source in proposals.get(winner.key, ()):
                tables[source, winner.label]["cost"] += 1


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


def _figures(source: str, label: str, table: Counter[str], has_gold: bool) -> RuleStatistics:
    kept = table["kept"]
    counted = {
        "documents": table["documents"],
        "proposed": table["proposed"],
        "kept": kept,
        "lost": table["proposed"] - kept,
        "overlaps": table["overlaps"],
        "conflicts": table["conflicts"],
    }
    if not has_gold:
        return RuleStatistics(source, label, **counted)
    return RuleStatistics(
        source,
        label,
        **counted,
        right=table["right"],
        wrong=kept - table["right"],
        precision=table["right"] / kept if kept else None,
        lost_right=table["lost_right"],
        cost=table["cost"],
    )


def rule_report_to_dict(report: RuleReport) -> dict[str, Any]:
    """The report as JSON takes it; without gold the figures that need it are left out."""
    rules = [
        {name: value for name, value in asdict(one).items() if report.has_gold or value is not None}
        for one in report.rules
    ]
    return {
        "documents": report.documents,
        "spans": report.spans,
        **({"missed": report.missed} if report.has_gold else {}),
        "rules": rules,
    }


def format_rule_report(report: RuleReport) -> str:
    """The report as a table of 80 columns, the rules that hurt most first."""
    head = f"{'rule':28.28} {'docs':>5}{'spans':>6}{'kept':>6}{'lost':>6}{'over':>5}{'conf':>5}"
    order = "most conflicts first"
    lines = [f"{report.documents:,} documents, {report.spans:,} spans by {len(report.rules)} rules"]
    if report.has_gold:
        head += f"{'wrong':>6}{'cost':>5} {'prec':>5}"
        order = "what hurts most first"
        lines.append(f"gold spans that no rule proposed: {report.missed:,}")
    lines += [f"(strict; {order})", "", head]
    for one in report.rules:
        line = (
            f"{_name(one):28} {one.documents:>5}{one.proposed:>6}{one.kept:>6}{one.lost:>6}"
            f"{one.overlaps:>5}{one.conflicts:>5}"
        )
        if report.has_gold:
            precision = "-" if one.precision is None else f"{one.precision:.3f}"
            line += f"{one.wrong:>6}{one.cost:>5} {precision:>5}"
        lines.append(line)
    lines += [
        "",
        "over: another rule proposes the same span",
        "conf: cannot stand beside another rule's span",
    ]
    if report.has_gold:
        lines.append("wrong: kept, not gold; cost: gold spans that a wrong span displaced")
    return "\n".join(lines) + "\n"


def _name(one: RuleStatistics) -> str:
    """The rule, with its label where the name does not show it, in 28 columns."""
    name = one.source.removeprefix("rule:")
    if one.label.lower()[:4] not in name.lower():
        name = f"{name} {one.label}"
    return name if len(name) <= 28 else f"{name[:27]}…"
