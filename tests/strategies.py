"""Hypothesis strategies shared by the tests: texts as they come, and legal nested documents."""

import unicodedata

from hypothesis import strategies as st

from annotate.document import Document, Span, find_edge_problem, find_illegal, sort_spans
from annotate.scheme import GUESTS, HOSTS, LABEL_NAMES

SYLLABLES = st.sampled_from(
    [
        *("Ủy", "uỷ", "ban", "Hoà", "hòa", "kỹ", "Đảng", "ĐẢNG", "Bí", "thư", "Nguyễn", "Ánh"),
        *("215-QĐ/TW", "13/10/2011", "2020-2025", "TT&TT", "TP.", "T.Ư", "Thiên-Huế"),
        *("(khóa", "XII)", "“quý”", "[x]", "{y}", "\\", "😀", ",", ";", ":", ".", "…", "–"),
    ]
)
GAPS = st.sampled_from([" ", " ", " ", "  ", "\t", "\n", "\u00a0"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A text of Vietnamese and other syllables with ugly gaps, in NFC, never empty."""
    syllables = draw(st.lists(SYLLABLES, min_size=1, max_size=40))
    gaps = draw(st.lists(GAPS, min_size=len(syllables), max_size=len(syllables)))
    text = "".join(s + g for s, g in zip(syllables, gaps, strict=True))
    return unicodedata.normalize("NFC", text.rstrip() or "x")


@st.composite
def documents(draw: st.DrawFn, clean_edges: bool = False) -> Document:
    """A Document with spans in both layers that the scheme allows.

    clean_edges: the spans also have the edges that the scheme wants.
    """
    text = draw(texts())
    spans: set[Span] = set()
    places = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
    for one, other in draw(st.lists(places, max_size=8)):
        inside = [s for s in spans if s.start <= min(one, other) and max(one, other) <= s.end]
        labels = [label for label in LABEL_NAMES if not inside or label in GUESTS]
        label = draw(st.sampled_from(sorted(HOSTS) + labels))
        span = Span(min(one, other), max(one, other), label)
        if find_illegal(text, [*spans, span]):
            continue
        if clean_edges and find_edge_problem(text, span):
            continue
        spans.add(span)
    return Document(draw(st.uuids()).hex, text, sort_spans(spans), {"genre": "test"})
