"""Where annotators part: stretches of a text that they read differently."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from annotate.document import Document, Span, sort_spans
from annotate.markup import format_markup

CONTEXT = 70
"""Characters kept on either side of a disputed stretch."""


@dataclass(frozen=True, slots=True)
class DisputedPlace:
    """A stretch of a text and how each annotator read it.

    start, end: code points in the document. before, after: the text around it. readings: each
    annotator's spans that are not everybody's, with places counted from `start`. url: of the task.
    """

    document: str
    start: int
    end: int
    mention: str
    before: str
    after: str
    readings: Mapping[str, tuple[Span, ...]]
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Dispute:
    """A string that annotators read differently: how often, how (inline mark-up: how many
    annotations), and where."""

    mention: str
    count: int
    readings: Mapping[str, int]
    places: tuple[DisputedPlace, ...]


def find_stretches(versions: Iterable[Iterable[Span]]) -> list[tuple[int, int]]:
    """The stretches where versions of one text differ, from left to right.

    A stretch is what spans that are not in every version cover together, as far as they overlap.
    """
    number = 0
    votes: Counter[tuple[int, int, str]] = Counter()
    for version in versions:
        number += 1
        votes.update(span.key for span in version)
    stretches: list[tuple[int, int]] = []
    for start, end, _ in sorted(key for key, count in votes.items() if count < number):
        if stretches and start < stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], max(stretches[-1][1], end))
        else:
            stretches.append((start, end))
    return stretches


def spans_inside(spans: Sequence[Span], start: int, end: int) -> tuple[Span, ...]:
    """The spans that lie in a stretch; `spans` are sorted by start."""
    first = bisect_left(spans, start, key=_start)
    last = bisect_left(spans, end, key=_start)
    return tuple(span for span in spans[first:last] if span.end <= end)


_start = attrgetter("start")


def find_disputed_places(versions: Mapping[str, Document]) -> list[DisputedPlace]:
    """The stretches of one text that its annotators (keys) read differently."""
    any_version = next(iter(versions.values()))
    text, url = any_version.text, any_version.meta.get("task_url")
    return [
        DisputedPlace(
            any_version.id,
            start,
            end,
            text[start:end],
            text[max(0, start - CONTEXT) : start],
            text[end : end + CONTEXT],
            {
                name: sort_spans(
                    Span(span.start - start, span.end - start, span.label)
                    for span in spans_inside(version.spans, start, end)
                )
                for name, version in sorted(versions.items())
            },
            url if isinstance(url, str) else None,
        )
        for start, end in find_stretches(version.spans for version in versions.values())
    ]


def rank_disputes(places: Iterable[DisputedPlace], most: int) -> tuple[Dispute, ...]:
    """The `most` disputed strings, the most disputed first, each with all its places."""
    found: dict[str, list[DisputedPlace]] = defaultdict(list)
    for place in places:
        found[place.mention].append(place)
    ranked = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(_dispute(mention, same) for mention, same in ranked[:most])


def _dispute(mention: str, places: Sequence[DisputedPlace]) -> Dispute:
    readings = Counter(
        format_markup(mention, spans) for place in places for spans in place.readings.values()
    )
    return Dispute(mention, len(places), dict(readings.most_common()), tuple(places))
