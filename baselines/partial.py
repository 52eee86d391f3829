"""Partial matching in the manner of MUC and SemEval 2013 (task 9), by four ways of counting.

A predicted span is compared with the gold spans of its layer that it overlaps and that no span
before it has taken:

- `strict`: correct with the same place and label; else incorrect;
- `exact`: correct with the same place, whatever the label; else incorrect;
- `partial`: correct with the same place, whatever the label; else partial;
- `type`: correct with the same label (of several, the one whose ends are nearest); else incorrect.

A predicted span that overlaps none is spurious, a gold span that none took is missing. Precision
divides what is right by correct + incorrect + partial + spurious, recall by correct + incorrect +
partial + missing; a partial match is half right in `partial`. Figures of one label compare the
spans of that label alone.

These are the counts of nervaluate 1.2, whose least overlap of 1 % of the gold span is kept
(Chinchor & Sundheim 1993, "MUC-5 evaluation metrics"; Segura-Bedmar, Martínez & Herrero-Zazo
2013, "SemEval-2013 task 9").
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from annotate.document import Span

Scheme = Literal["strict", "exact", "partial", "type"]
Outcome = Literal["correct", "incorrect", "partial", "missing", "spurious"]
SCHEMES: tuple[Scheme, ...] = ("strict", "exact", "partial", "type")
OUTCOMES: tuple[Outcome, ...] = ("correct", "incorrect", "partial", "missing", "spurious")


def count_outcomes(
    gold: Sequence[Span], predicted: Sequence[Span]
) -> Counter[tuple[Scheme, Outcome]]:
    """Outcomes of one document and layer; each side is sorted and without overlaps."""
    outcomes: Counter[tuple[Scheme, Outcome]] = Counter()
    # Spans that are right overlap no other, so that they need no comparison.
    right = {span.key for span in gold} & {span.key for span in predicted}
    if right:
        outcomes.update({(scheme, "correct"): len(right) for scheme in SCHEMES})
    wanted = [span for span in gold if span.key not in right]
    given = list(_with_overlapping([s for s in predicted if s.key not in right], wanted))
    for scheme in SCHEMES:
        taken: set[int] = set()
        for span, near in given:
            outcome, partner = _judge(span, [n for n in near if n not in taken], wanted, scheme)
            outcomes[scheme, outcome] += 1
            if partner is not None:
                taken.add(partner)
        if len(taken) < len(wanted):
            outcomes[scheme, "missing"] += len(wanted) - len(taken)
    return outcomes


def _with_overlapping(
    predicted: Sequence[Span], gold: Sequence[Span]
) -> Iterator[tuple[Span, list[int]]]:
    first = 0
    for span in predicted:
        while first < len(gold) and gold[first].end <= span.start:
            first += 1
        near = []
        for number in range(first, len(gold)):
            if gold[number].start >= span.end:
                break
            shared = min(span.end, gold[number].end) - max(span.start, gold[number].start)
            if 100 * shared >= gold[number].end - gold[number].start:
                near.append(number)
        yield span, near


def _judge(
    span: Span, near: Sequence[int], gold: Sequence[Span], scheme: Scheme
) -> tuple[Outcome, int | None]:
    """What becomes of a predicted span, and the gold span that it takes."""
    if not near:
        return "spurious", None
    if scheme == "type":
        same = [number for number in near if gold[number].label == span.label]
        if same:
            return "correct", min(same, key=lambda number: _distance(span, gold[number]))
        return "incorrect", near[0]
    if scheme != "strict":
        for number in near:
            if (gold[number].start, gold[number].end) == (span.start, span.end):
                return "correct", number
    return ("partial" if scheme == "partial" else "incorrect"), near[0]


def _distance(one: Span, other: Span) -> int:
    return abs(one.start - other.start) + abs(one.end - other.end)
