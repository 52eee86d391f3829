"""What a model got wrong, one by one, by kind.

Within a document and a layer, spans that are right (same place and label on both sides) are set
aside; the others are paired one to one where they overlap, the best fit first:

- `type`: same place, another label;
- `border`: same label, another place;
- `both`: they overlap, and neither is the same;
- `missing`: a gold span left without a partner;
- `spurious`: a predicted span left without a partner.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from annotate.document import Document, Span, split_layers
from annotate.scheme import LAYERS, Layer

Kind = Literal["type", "border", "both", "missing", "spurious"]
KINDS: tuple[Kind, ...] = ("type", "border", "both", "missing", "spurious")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake; `gold` is None for a spurious span, `predicted` for a missing one."""

    kind: Kind
    document: str
    layer: Layer
    gold: Span | None
    predicted: Span | None

    @property
    def place(self) -> tuple[int, int]:
        """Start and end of what the two spans cover together, in code points."""
        spans = [span for span in (self.gold, self.predicted) if span]
        return min(span.start for span in spans), max(span.end for span in spans)


def find_mistakes(pairs: Iterable[tuple[Document, Document]]) -> Iterator[Mistake]:
    """The mistakes of pairs of gold and predicted document (`score.match_documents`), by place."""
    for gold, predicted in pairs:
        gold_layers, predicted_layers = split_layers(gold.spans), split_layers(predicted.spans)
        for layer in LAYERS:
            mistakes = _compare(gold.id, layer, gold_layers[layer], predicted_layers[layer])
            yield from sorted(mistakes, key=lambda mistake: mistake.place)


def _compare(
    document: str, layer: Layer, gold: Sequence[Span], predicted: Sequence[Span]
) -> list[Mistake]:
    right = {span.key for span in gold} & {span.key for span in predicted}
    wanted = [span for span in gold if span.key not in right]
    given = [span for span in predicted if span.key not in right]
    pairs = sorted(_overlapping(wanted, given), key=lambda pair: _fit(*pair))
    taken_wanted: set[Span] = set()
    taken_given: set[Span] = set()
    mistakes: list[Mistake] = []
    for one, other in pairs:
        if one not in taken_wanted and other not in taken_given:
            taken_wanted.add(one)
            taken_given.add(other)
            mistakes.append(Mistake(_kind_of(one, other), document, layer, one, other))
    mistakes += [
        Mistake("missing", document, layer, span, None)
        for span in wanted
        if span not in taken_wanted
    ]
    mistakes += [
        Mistake("spurious", document, layer, None, span)
        for span in given
        if span not in taken_given
    ]
    return mistakes


def _overlapping(gold: Sequence[Span], predicted: Sequence[Span]) -> Iterator[tuple[Span, Span]]:
    """Pairs that share a character; both sides are sorted and free of overlaps."""
    first = 0
    for span in gold:
        while first < len(predicted) and predicted[first].end <= span.start:
            first += 1
        for number in range(first, len(predicted)):
            other = predicted[number]
            if other.start >= span.end:
                break
            yield span, other


def _kind_of(gold: Span, predicted: Span) -> Kind:
    if (gold.start, gold.end) == (predicted.start, predicted.end):
        return "type"
    return "border" if gold.label == predicted.label else "both"


def _fit(gold: Span, predicted: Span) -> tuple[int, int, int]:
    """Sorts the best pair first: by kind, then by how much they share, then by place."""
    shared = min(gold.end, predicted.end) - max(gold.start, predicted.start)
    return KINDS.index(_kind_of(gold, predicted)), -shared, gold.start


def count_confusions(mistakes: Iterable[Mistake]) -> Counter[tuple[str, str]]:
    """How often which gold label was taken for which other (kinds `type` and `both`)."""
    return Counter(
        (mistake.gold.label, mistake.predicted.label)
        for mistake in mistakes
        if mistake.gold and mistake.predicted and mistake.gold.label != mistake.predicted.label
    )
