"""Spans ↔ IOB2 tags over tokens: the only encoder and decoder of tags.

IOB2 (Ramshaw & Marcus 1995; Tjong Kim Sang & Veenstra 1999): the first token of a span is
tagged `B-LABEL`, its other tokens `I-LABEL`, all other tokens `O`. One layer at a time:
the spans of one call must not overlap.
"""

from collections.abc import Iterable, Sequence

from annotate.document import Span, sort_spans
from annotate.tokens import Offsets

OUTSIDE = "O"


def spans_to_tags(tokens: Sequence[Offsets], spans: Iterable[Span]) -> tuple[list[str], list[Span]]:
    """IOB2 tags of the tokens, and the spans that no tags can express.

    A span is expressed exactly when it begins where a token begins and ends where one ends.
    Raises ValueError when two spans overlap.
    """
    tags = [OUTSIDE] * len(tokens)
    first_at = {start: number for number, (start, _) in enumerate(tokens)}
    last_at = {end: number for number, (_, end) in enumerate(tokens)}
    lost: list[Span] = []
    reach = 0
    for span in sort_spans(spans):
        if span.start < reach:
            raise ValueError(f"spans of one layer overlap at {span.start}")
        reach = span.end
        first, last = first_at.get(span.start), last_at.get(span.end)
        if first is None or last is None:
            lost.append(span)
            continue
        tags[first] = f"B-{span.label}"
        for number in range(first + 1, last + 1):
            tags[number] = f"I-{span.label}"
    return tags, lost


def tags_to_spans(tokens: Sequence[Offsets], tags: Sequence[str]) -> list[Span]:
    """Spans of IOB2 tags over tokens: the inverse of `spans_to_tags`.

    An `I-` that continues no span of its label begins none and is dropped, as the strict
    mode of seqeval 1.2.2 does. Raises ValueError for unequal lengths or a tag that is no IOB2.
    """
    if len(tokens) != len(tags):
        raise ValueError(f"{len(tokens)} tokens but {len(tags)} tags")
    spans: list[Span] = []
    running: tuple[int, int, str] | None = None
    for (start, end), tag in zip(tokens, tags, strict=True):
        prefix, _, label = tag.partition("-")
        if tag != OUTSIDE and (prefix not in ("B", "I") or not label):
            raise ValueError(f"{tag!r} is no IOB2 tag; wanted O, B-LABEL or I-LABEL")
        if prefix == "I" and running and running[2] == label:
            running = (running[0], end, label)
            continue
        if running:
            spans.append(Span(*running))
        running = (start, end, label) if prefix == "B" else None
    if running:
        spans.append(Span(*running))
    return spans
