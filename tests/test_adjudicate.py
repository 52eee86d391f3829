"""Adjudication: what each policy settles, what a reviewer decides, and that nothing gets lost."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import documents
from test_cli import error_of, vipol

from annotate.adjudicate import Adjudication, Policy, adjudicate, settle
from annotate.document import Document, Span, find_illegal, read_documents, write_documents
from annotate.errors import DataError
from annotate.studio.pull import Problem

TEXT = "Bí thư Huyện ủy Sơn Hà Trần Quốc Minh họp ngày 5/3/2019."
POSITION, ORG = Span(0, 22, "POSITION"), Span(7, 22, "ORG")
PERSON, SHORT = Span(23, 37, "PERSON"), Span(23, 33, "PERSON")
DATE, YEAR = Span(42, 55, "DATE"), Span(47, 55, "DATE")
GOLD = (POSITION, ORG, PERSON, DATE)
POLICIES: tuple[Policy, ...] = ("all", "majority", "reviewer")

Spans = tuple[Span, ...]


def annotation(annotator: str, spans: Spans = GOLD, id: str = "d", **meta: Any) -> Document:
    known = {"title": "Tin", "annotator": annotator, "task_url": f"http://x/{id}", "skipped": False}
    return Document(id, meta.pop("text", TEXT), (), known | meta).with_spans(spans)


def annotations(*versions: Spans, id: str = "d") -> list[Document]:
    """Versions by an, binh, chi, dung in turn."""
    names = ("an", "binh", "chi", "dung")
    return [annotation(name, spans, id) for name, spans in zip(names, versions, strict=False)]


def decision(reviewer: str, spans: Spans = GOLD, id: str = "d", **meta: Any) -> Document:
    known = {"annotators": ["an", "binh"], "updated_at": "2026-01-02", "annotation_id": 7}
    return annotation(reviewer, spans, id, **known | {"task_url": f"http://r/{id}"} | meta)


def fate(result: Adjudication) -> str:
    """What became of the one document of a result."""
    assert result.documents == 1
    assert result.settled + result.decided + len(result.reviews) + len(result.open) == 1
    assert len(result.gold) == result.settled + result.decided
    if result.gold:
        return "decided" if result.decided else "settled"
    return "review" if result.reviews else "open"


# --- policies -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("versions", "fates", "majority"),
    [
        ((GOLD, GOLD), "settled settled review", GOLD),
        ((GOLD, GOLD, GOLD), "settled settled review", GOLD),
        (((), ()), "settled settled review", ()),
        # one of three differs
        ((GOLD, GOLD, (POSITION, ORG, SHORT)), "review settled review", GOLD),
        ((GOLD, GOLD, ()), "review settled review", GOLD),
        (((), (), GOLD), "review settled review", ()),
        # two of two, two of four: a tie
        ((GOLD, GOLD[:3]), "review review review", GOLD[:3]),
        ((GOLD, GOLD, GOLD[:3], GOLD[:3]), "review review review", GOLD[:3]),
        ((GOLD, GOLD, GOLD, GOLD[:3]), "review settled review", GOLD),
        # each of three another border: nobody's reading has the majority, and the place is not
        # given up in silence
        (((DATE,), (YEAR,), ()), "review review review", ()),
        (((DATE,), (YEAR,), (Span(42, 55, "ORG"),)), "review review review", ()),
        # two layers are one stretch
        (((POSITION, ORG), (POSITION,), (ORG,)), "review review review", (POSITION, ORG)),
        (((POSITION, ORG), (POSITION,), (POSITION,)), "review settled review", (POSITION,)),
        # each stretch has a majority of its own
        (((PERSON, DATE), (PERSON, YEAR), (SHORT, DATE)), "review settled review", (PERSON, DATE)),
        # one annotator
        ((GOLD,), "open open review", GOLD),
    ],
)
def test_what_each_policy_settles(versions: tuple[Spans, ...], fates: str, majority: Spans) -> None:
    for policy, expected in zip(POLICIES, fates.split(), strict=True):
        result = adjudicate(annotations(*versions), policy)
        assert fate(result) == expected, policy
        if expected == "settled":
            assert result.gold[0].spans == majority
        if expected == "review":
            assert result.reviews["d"].document.spans == majority


def test_the_default_is_the_majority() -> None:
    assert fate(adjudicate(annotations(GOLD, GOLD, ()))) == "settled"


def test_gold_says_who_annotated_and_who_decided() -> None:
    made = [
        annotation("binh", guideline_version="1.2", lead_time=3.0, prelabels={}, genre="tin"),
        annotation("an", guideline_version="1.1", annotation_id=9, task_id=1, genre="tin"),
        annotation("chi", (), skipped=True),
    ]
    (gold,) = adjudicate(made).gold
    assert gold.meta == {
        "title": "Tin",
        "genre": "tin",
        "guideline_version": "1.1, 1.2",
        "annotators": ["an", "binh"],
        "decided_by": "policy:majority",
    }


def test_a_review_names_the_disputed_strings_and_shows_every_version() -> None:
    result = adjudicate(annotations(GOLD, (POSITION, ORG, SHORT), (POSITION, ORG)))
    review = result.reviews["d"]
    assert review.versions == {
        "an": GOLD,
        "binh": (POSITION, ORG, SHORT),
        "chi": (POSITION, ORG),
    }
    # the date stands in one version of three: the majority has none
    assert review.mentions == ["Trần Quốc Minh"]
    assert review.document.meta["annotators"] == ["an", "binh", "chi"]
    assert str(review) == "http://x/d (document d): disputed: “Trần Quốc Minh”"


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ([annotation("an")], "only an annotated it"),
        ([annotation("an"), annotation("binh", (), skipped=True)], "only an annotated it, binh"),
        ([annotation("an", (), skipped=True)], "an skipped it"),
        (
            [annotation("an", (), skipped=True), annotation("binh", (), skipped=True)],
            "an, binh skipped it",
        ),
        (
            [annotation("an"), annotation("binh", (), text="khác")],
            "an, binh annotated different texts; pull them from one project",
        ),
    ],
)
def test_what_stays_open_says_why(made: list[Document], reason: str) -> None:
    result = adjudicate(made)
    assert fate(result) == "open"
    assert str(result.open[0]).startswith(f"http://x/d (document d): {reason}")


def test_skipped_annotations_have_no_vote() -> None:
    skipped = annotation("dung", (), skipped=True)
    assert fate(adjudicate([*annotations(GOLD, GOLD), skipped], "all")) == "settled"
    assert fate(adjudicate([*annotations(GOLD, ()), skipped])) == "review"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_majority_is_legal_and_a_document_ends_in_one_place(data: st.DataObject) -> None:
    """Also over versions that cross each other: each is legal, their union is not."""
    whole = data.draw(documents())
    versions: list[Spans] = []
    for _ in range(data.draw(st.integers(1, 5))):
        drawn = data.draw(
            st.lists(st.sampled_from(whole.spans), max_size=8) if whole.spans else st.just([])
        )
        spans = list(dict.fromkeys(drawn))
        start = data.draw(st.integers(0, len(whole.text) - 1))
        other = Span(start, data.draw(st.integers(start + 1, len(whole.text))), "ORG")
        if not find_illegal(whole.text, [*spans, other]):
            spans.append(other)
        versions.append(whole.with_spans(spans).spans)
    named = {str(number): spans for number, spans in enumerate(versions)}
    majority, stretches, settled = settle(named, "majority")
    assert find_illegal(whole.text, majority) is None
    if settled:
        assert not stretches
        votes = [span.key for spans in versions for span in spans]
        assert {s.key for s in majority} == {k for k in votes if votes.count(k) * 2 > len(versions)}
    made = [annotation(name, spans, text=whole.text) for name, spans in named.items()]
    for policy in POLICIES:
        fate(adjudicate(made, policy))
    # the policies are ordered: what all settle, a majority settles, to the same spans
    if settle(named, "all")[2]:
        assert settled
        assert majority == versions[0]


# --- decisions ----------------------------------------------------------------------------

DISPUTED = annotations(GOLD, GOLD[:3])


def test_a_decision_goes_before_the_policy() -> None:
    for versions, policy in product((DISPUTED, annotations(GOLD, GOLD)), POLICIES):
        result = adjudicate(versions, policy, decisions=[decision("lan", (PERSON,))])
        assert fate(result) == "decided"
        (gold,) = result.gold
        assert gold.spans == (PERSON,)
        assert gold.meta == {
            "title": "Tin",
            "annotators": ["an", "binh"],
            "decided_by": "lan",
            "decided_at": "2026-01-02",
        }


@pytest.mark.parametrize(
    ("decisions", "reason"),
    [
        ([decision("lan", (), skipped=True)], "lan skipped it in review"),
        (
            [decision("lan"), decision("mai", (PERSON,))],
            "lan, mai decided differently; delete all but one of their annotations",
        ),
        ([decision("lan", (), text="khác")], "lan decided it over another text"),
    ],
)
def test_decisions_that_decide_nothing(decisions: list[Document], reason: str) -> None:
    result = adjudicate(DISPUTED, decisions=decisions)
    assert fate(result) == "open"
    assert str(result.open[0]).startswith(f"http://r/d (document d): {reason}")
    # where an earlier run took a decision, that one stays, and the new state is told
    (earlier,) = adjudicate(DISPUTED, decisions=[decision("hoa", (DATE,))]).gold
    result = adjudicate(DISPUTED, decisions=decisions, earlier=[earlier])
    assert result.gold == [earlier]
    assert fate(result) == "decided"
    assert result.remarks[0].startswith(f"http://r/d (document d): {reason}")
    assert result.remarks[0].endswith("the earlier decision by hoa stays")


def test_two_reviewers_who_agree_decide_and_one_may_skip() -> None:
    both = [decision("mai"), decision("lan", updated_at="2026-01-05")]
    result = adjudicate(DISPUTED, decisions=both)
    (gold,) = result.gold
    assert (gold.meta["decided_by"], gold.meta["decided_at"]) == ("mai", "2026-01-02")
    assert result.remarks == ["http://r/d (document d): lan decided the same as mai"]
    one = [decision("mai", (), skipped=True), decision("lan")]
    assert adjudicate(DISPUTED, decisions=one).gold[0].meta["decided_by"] == "lan"


def test_a_decision_that_is_not_legal_is_told() -> None:
    problem = Problem("d", "lan", "http://r/d", "ORG 7-22 crosses POSITION 0-15", given=False)
    result = adjudicate(DISPUTED, problems=[problem])
    assert fate(result) == "open"
    assert str(result.open[0]) == (
        "http://r/d (document d): the decision of lan: ORG 7-22 crosses POSITION 0-15"
    )


def test_earlier_decisions_stay_and_earlier_policies_do_not() -> None:
    first = adjudicate(
        [*DISPUTED, *annotations(GOLD, GOLD, id="e")], decisions=[decision("lan", (DATE,))]
    )
    assert (first.decided, first.settled) == (1, 1)
    # the review project is gone; one annotator changed their mind on e
    later = adjudicate([*DISPUTED, *annotations(GOLD, (), id="e")], earlier=first.gold)
    assert [gold.id for gold in later.gold] == ["d"]
    assert later.gold[0] == first.gold[0]
    assert list(later.reviews) == ["e"]
    # a later decision replaces an earlier one
    again = adjudicate(DISPUTED, decisions=[decision("mai", (ORG,))], earlier=first.gold[:1])
    assert again.gold[0].meta["decided_by"] == "mai"


@pytest.mark.parametrize("now", [annotations(GOLD, GOLD, id="e"), [annotation("an", (), text="x")]])
def test_an_earlier_decision_is_never_written_over(now: list[Document]) -> None:
    earlier = adjudicate(DISPUTED, decisions=[decision("lan")]).gold
    with pytest.raises(DataError, match=r"1 earlier decisions .*first: d\); write to a new file"):
        adjudicate(now, earlier=earlier)


def test_decisions_on_other_documents_are_told() -> None:
    result = adjudicate(DISPUTED, decisions=[decision("lan", id="z")])
    assert fate(result) == "review"
    assert (
        "1 decisions are on documents that have no annotations here (first: z)"
        in (result.remarks[0])
    )


def test_what_is_no_annotation_is_refused() -> None:
    with pytest.raises(DataError, match=r"document d\): no 'annotator'"):
        adjudicate([Document("d", TEXT)])
    with pytest.raises(DataError, match=r"document d\): two annotations by an"):
        adjudicate([annotation("an"), annotation("an")])


# --- the command without a server --------------------------------------------------------------


def test_the_command_without_a_server(tmp_path: Path) -> None:
    source, gold = tmp_path / "annotations.jsonl", tmp_path / "gold.jsonl"
    made = [
        *annotations(GOLD, GOLD, id="a"),
        *annotations(GOLD, GOLD[:3], id="b"),
        annotation("an", id="c"),
    ]
    write_documents(source, made)
    run = vipol("adjudicate", source, "-o", gold)
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    assert run.stderr.splitlines() == [
        "http://x/c (document c): only an annotated it; wait for a second annotator, or let a "
        "reviewer decide (--policy reviewer)",
        "http://x/b (document b): disputed: “ngày 5/3/2019”",
        "adjudicated 3 documents by majority: 1 settled, 0 decided by a reviewer, 1 to review, "
        "1 open",
        'give --project "TITLE" to have the rest reviewed in Label Studio',
    ]
    (document,) = read_documents(gold, labelled=True)
    assert (document.id, document.spans) == ("a", GOLD)
    # again, over its own output; and to stdout
    assert vipol("adjudicate", source, "-o", gold).stderr == run.stderr
    assert json.loads(vipol("adjudicate", source).stdout)["meta"]["decided_by"] == "policy:majority"
    message = error_of(
        vipol("adjudicate", source, "-o", gold, "--project", "R", "--folder", tmp_path / "none")
    )
    assert "no Label Studio runs here; start one with vipol studio up" in message
    gold.write_text("nonsense")
    assert "gold.jsonl:1: not JSON" in error_of(vipol("adjudicate", source, "-o", gold))
    assert gold.read_text() == "nonsense"
