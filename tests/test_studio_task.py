import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import documents

from annotate.document import Document, Span
from annotate.studio.task import (
    Fates,
    compare_regions,
    document_to_task,
    hash_text,
    regions_to_spans,
    shows_other_text,
    spans_to_regions,
    task_to_document,
)

UGLY = "Đồng chí  Trần A\r\n\r\nBí thư\tHuyện ủy\u00a0Sơn Hà 😀\nngày 1/2 "


def region(start: object, end: object, *labels: object, **more: object) -> dict[str, object]:
    value = {"start": start, "end": end, "text": "x", "labels": list(labels)}
    return {"id": f"{start}-{end}", "type": "labels", "value": value} | more


@given(documents(), st.booleans())
@example(Document("a", UGLY, (Span(10, 16, "PERSON"), Span(20, 42, "POSITION")), {}), True)
@example(Document("b", UGLY, (Span(20, 42, "POSITION"), Span(27, 42, "ORG")), {"title": "T"}), True)
def test_document_to_task_and_back(document: Document, scored: bool) -> None:
    if scored:
        spans = [Span(s.start, s.end, s.label, score=0.25) for s in document.spans]
        document = document.with_spans(spans)
    sent = json.loads(json.dumps(document_to_task(document)))  # as it travels
    assert task_to_document(sent) == document
    ids = [one["id"] for p in sent["predictions"] for one in p["result"]]
    assert len(ids) == len(set(ids)) == len(document.spans)


def test_a_task_says_what_it_was_made_of() -> None:
    document = Document("n-1", UGLY, (Span(10, 16, "PERSON", "rules", 0.5),), {"title": "Tin"})
    assert document_to_task(document, "rules-1") == {
        "data": {"document": "n-1", "title": "Tin", "text": UGLY},
        "meta": {
            "document": "n-1",
            "sha256": hash_text(UGLY),
            "scheme": "1.2",
            "meta": {"title": "Tin"},
        },
        "predictions": [
            {
                "model_version": "rules-1",
                "score": 0.5,
                "result": [
                    {
                        "id": "10-16-PERSON",
                        "from_name": "label",
                        "to_name": "text",
                        "type": "labels",
                        "value": {"start": 10, "end": 16, "text": "Trần A", "labels": ["PERSON"]},
                        "score": 0.5,
                    }
                ],
            }
        ],
    }


def test_a_document_without_spans_has_no_prediction_and_its_id_for_a_title() -> None:
    task = document_to_task(Document("n-2", "chữ"))
    assert task["predictions"] == []
    assert task["data"]["title"] == "n-2"


def test_the_score_is_the_mean_of_the_known_ones() -> None:
    spans = (Span(0, 1, "ORG", score=0.2), Span(1, 2, "ORG", score=0.4), Span(2, 3, "ORG"))
    (prediction,) = document_to_task(Document("n", "abc", spans))["predictions"]
    assert prediction["score"] == pytest.approx(0.3)
    (prediction,) = document_to_task(Document("n", "abc", spans[2:]))["predictions"]
    assert prediction["score"] is None


def test_outer_regions_come_before_the_inner_ones() -> None:
    spans = [Span(3, 5, "ORG"), Span(0, 5, "POSITION")]
    assert [one["id"] for one in spans_to_regions("abcde", spans)] == ["0-5-POSITION", "3-5-ORG"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (region(1.5, 3, "ORG"), "a region at 1.5-3 has no whole offsets"),
        (region(None, 3, "ORG"), "a region at None-3 has no whole offsets"),
        (region(True, 3, "ORG"), "a region at True-3 has no whole offsets"),
        (region(1, 3), "the region 1-3 has the labels []; exactly one was wanted"),
        (
            region(1, 3, "ORG", "DATE"),
            "the region 1-3 has the labels ['ORG', 'DATE']; exactly one was wanted",
        ),
        (
            {"type": "relation", "from_id": "a", "to_id": "b"},
            "a 'relation' was drawn; only labelled places were wanted",
        ),
        ({"type": "labels"}, "a 'labels' was drawn; only labelled places were wanted"),
    ],
)
def test_a_region_that_is_no_labelled_place_is_a_problem(
    bad: dict[str, object], reason: str
) -> None:
    read = regions_to_spans([bad, region(4, 6, "DATE")])
    assert read.problems == (reason,)
    assert read.spans == (Span(4, 6, "DATE"),)


def test_a_region_that_stands_twice_is_told() -> None:
    read = regions_to_spans([region(4, 6, "DATE"), region(4, 6, "DATE"), region(4, 6, "ORG")])
    assert read.twice == (Span(4, 6, "DATE"),)
    assert read.spans == (Span(4, 6, "DATE"), Span(4, 6, "ORG"))


@pytest.mark.parametrize(
    ("shown", "other"),
    [
        ("Huyện ủy Sơn Hà", False),
        ("Huyện\\nủy  Sơn\tHà", False),  # what browsers make of white space
        ("Huyện ủy Sơn Ha", True),
        ("ủy Sơn Hà", True),
        (None, False),
    ],
)
def test_a_region_over_another_text_is_told(shown: str | None, other: bool) -> None:
    text = "của Huyện\nủy Sơn Hà"
    one = region(4, 19, "ORG")
    one["value"] = {"start": 4, "end": 19, "text": shown, "labels": ["ORG"]}
    assert shows_other_text(text, Span(4, 19, "ORG"), one) is other


def test_what_became_of_the_prelabels() -> None:
    before = [
        region(0, 5, "ORG"),
        region(6, 9, "DATE"),
        region(10, 12, "ORG"),
        region(13, 15, "ORG"),
    ]
    after = [
        region(0, 5, "ORG", id="drawn anew"),  # kept, whichever region says it
        region(6, 11, "DATE", id="6-9"),  # moved
        region(10, 12, "PERSON", id="10-12"),  # given another label
        region(20, 25, "DATE", id="new"),
    ]
    read_before, read_after = regions_to_spans(before), regions_to_spans(after)
    first, second, third, fourth = ((0, 5, "ORG"), (6, 9, "DATE"), (10, 12, "ORG"), (13, 15, "ORG"))
    assert compare_regions(before, read_after) == Fates(
        kept=(first,),
        changed=((second, (6, 11, "DATE")), (third, (10, 12, "PERSON"))),
        deleted=(fourth,),
        added=((20, 25, "DATE"),),
    )
    assert compare_regions(before, read_before) == Fates(kept=(first, second, third, fourth))
    assert compare_regions([], read_after) == Fates(added=tuple(read_after.regions))
    assert compare_regions(before, regions_to_spans([])) == Fates(
        deleted=(first, second, third, fourth)
    )


def test_the_hash_is_of_the_very_characters() -> None:
    composed, decomposed = "ủy", unicodedata.normalize("NFD", "ủy")
    assert hash_text(composed) != hash_text(decomposed)
    assert hash_text("a  b") != hash_text("a b")
