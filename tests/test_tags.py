import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import documents

from annotate.document import Document, Span, split_layers
from annotate.tags import spans_to_tags, tags_to_spans
from annotate.tokens import tokenize

TEXT = "Bí thư Huyện ủy họp 16-1"
TOKENS = tokenize(TEXT)


def test_tags_of_spans() -> None:
    tags, lost = spans_to_tags(TOKENS, [Span(0, 15, "POSITION"), Span(20, 24, "DATE")])
    assert tags == ["B-POSITION", "I-POSITION", "I-POSITION", "I-POSITION", "O", "B-DATE"]
    assert lost == []


def test_neighbours_stay_apart() -> None:
    spans = [Span(0, 6, "POSITION"), Span(7, 15, "POSITION")]
    tags, _ = spans_to_tags(TOKENS, spans)
    assert tags[:4] == ["B-POSITION", "I-POSITION", "B-POSITION", "I-POSITION"]
    assert tags_to_spans(TOKENS, tags) == spans


def test_a_span_that_cuts_a_token_is_given_back() -> None:
    cut = Span(20, 22, "DATE")
    assert spans_to_tags(TOKENS, [cut]) == (["O"] * 6, [cut])


def test_overlap_and_bad_tags_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap at 3"):
        spans_to_tags(TOKENS, [Span(0, 6, "ORG"), Span(3, 9, "ORG")])
    with pytest.raises(ValueError, match="6 tokens but 1 tags"):
        tags_to_spans(TOKENS, ["O"])
    with pytest.raises(ValueError, match="no IOB2 tag"):
        tags_to_spans(TOKENS, ["O", "X-ORG", "O", "O", "O", "O"])


def test_an_i_without_a_b_begins_nothing() -> None:
    assert tags_to_spans(TOKENS, ["I-ORG", "I-ORG", "B-ORG", "I-DATE", "O", "O"]) == [
        Span(7, 12, "ORG")
    ]


@given(documents())
def test_spans_to_tags_and_back(document: Document) -> None:
    tokens = tokenize(document.text)
    for spans in split_layers(document.spans).values():
        tags, lost = spans_to_tags(tokens, spans)
        assert set(tags_to_spans(tokens, tags)) == set(spans) - set(lost)
        starts, ends = {t[0] for t in tokens}, {t[1] for t in tokens}
        assert lost == [s for s in spans if s.start not in starts or s.end not in ends]


@given(st.lists(st.sampled_from(["O", "B-ORG", "I-ORG", "B-DATE", "I-DATE"]), max_size=30))
def test_tags_to_spans_and_back(tags: list[str]) -> None:
    tokens = [(2 * n, 2 * n + 1) for n in range(len(tags))]
    spans = tags_to_spans(tokens, tags)
    again, lost = spans_to_tags(tokens, spans)
    assert not lost
    assert tags_to_spans(tokens, again) == spans
