"""Candidates of all labels to a legal set of spans in two layers."""

from annotate.document import Span, find_edge_problem
from annotate.prelabel.candidate import Candidate
from annotate.prelabel.chart import Chart
from annotate.prelabel.score import score_of
from annotate.scheme import HOSTS, may_contain

_RANK = {"DOCUMENT_REF": 0, "POSITION": 1, "ORG": 2, "DATE": 3, "PERSON": 4}


def resolve(chart: Chart, candidates: list[Candidate]) -> tuple[Span, ...]:
    """A legal set of spans: the longer candidate wins over the shorter that crosses it or
    lies in it, unless it may hold it; equal lengths go by label."""
    ordered = sorted(candidates, key=lambda c: (c.start, -c.end, _RANK[c.label]))
    kept: list[Candidate] = []
    outer_end = 0
    for k, host in enumerate(ordered):
        if host.start < outer_end:
            continue
        outer_end = host.end
        kept.append(host)
        if host.label not in HOSTS:
            continue
        guests = host.inner if host.label == "POSITION" else _inside(ordered, k, host)
        reach = host.start
        for guest in sorted(guests, key=lambda g: (g.start, -g.end)):
            same = (guest.start, guest.end) == (host.start, host.end)
            if guest.start < reach or same or not may_contain(host.label, guest.label):
                continue
            kept.append(guest)
            reach = guest.end
    text, starts, ends = chart.text, chart.starts, chart.ends
    spans = (
        Span(starts[start], ends[end - 1], label, source, score_of(source, label))
        for start, end, label, source, _ in kept
    )
    return tuple(span for span in spans if find_edge_problem(text, span) is None)


def _inside(ordered: list[Candidate], k: int, host: Candidate) -> list[Candidate]:
    """The candidates from number `k` on that lie in `host`, itself among them."""
    found = []
    while k < len(ordered) and ordered[k].start < host.end:
        if ordered[k].end <= host.end:
            found.append(ordered[k])
        k += 1
    return found
