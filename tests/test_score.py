"""Scores: cases counted by hand, refused input, and the two ways of counting against each other."""

import json
import random
import warnings
from dataclasses import replace
from importlib.metadata import version
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotate.document import Document, Foreign, Span, hash_gold
from annotate.errors import DataError
from annotate.markup import parse_markup
from annotate.scheme import LABEL_NAMES
from annotate.tags import tags_to_spans
from annotate.tokens import tokenize
from baselines.mistakes import count_confusions, find_mistakes
from baselines.partial import OUTCOMES, SCHEMES
from baselines.score import ALL, Figures, Scores, match_documents, score_documents
from baselines.score_table import format_scores, scores_to_dict

GOLD = (
    "Đồng chí [Trần Quốc Minh]{PERSON}, [Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION}, "
    "ký [Kế hoạch số 07-KH/HU]{DOCUMENT_REF} [ngày 13/10/2011]{DATE}."
)


def document(source: str, id: str = "one") -> Document:
    text, spans = parse_markup(source)
    return Document(id, text, spans)


def test_perfect_predictions():
    scores = score_documents([document(GOLD)], [document(GOLD)])
    outer, inner = scores.layers["outer"], scores.layers["inner"]
    for table in (outer.seqeval, outer.spans):
        assert table.micro == Figures(1.0, 1.0, 1.0, 4, 4, 4)
        assert table.macro == Figures(1.0, 1.0, 1.0, 4, 4, 4)
    assert inner.seqeval.micro == inner.spans.micro == Figures(1.0, 1.0, 1.0, 1, 1, 1)
    assert scores.nested.micro == Figures(1.0, 1.0, 1.0, 5, 5, 5)
    assert scores.inexpressible == ()
    assert scores.signature == (
        f"seqeval:{version('seqeval')}|mode:strict|scheme:IOB2|tokens:syllable|split:all|"
        f"data:{hash_gold([document(GOLD)])[:8]}"
    )


def test_shifted_border_is_wrong_on_both_sides():
    predicted = GOLD.replace("[Trần Quốc Minh]{PERSON}", "Trần [Quốc Minh]{PERSON}")
    outer = score_documents([document(GOLD)], [document(predicted)]).layers["outer"]
    for table in (outer.seqeval, outer.spans):
        assert table.labels["PERSON"] == Figures(0.0, 0.0, 0.0, 1, 1, 0)
        assert table.micro == Figures(0.75, 0.75, 0.75, 4, 4, 3)
        assert table.macro == Figures(0.75, 0.75, 0.75, 4, 4, 3)


def test_wrong_label():
    predicted = GOLD.replace("[Trần Quốc Minh]{PERSON}", "[Trần Quốc Minh]{ORG}")
    outer = score_documents([document(GOLD)], [document(predicted)]).layers["outer"]
    for table in (outer.seqeval, outer.spans):
        assert table.labels["PERSON"] == Figures(0.0, 0.0, 0.0, 1, 0, 0)
        assert table.labels["ORG"] == Figures(0.0, 0.0, 0.0, 0, 1, 0)
        assert table.micro == Figures(0.75, 0.75, 0.75, 4, 4, 3)
        # five labels occur in gold or predictions, three of them are right
        assert table.macro.f1 == pytest.approx(3 / 5)


def test_missing_and_spurious():
    gold = document("[Đỗ Văn Kha]{PERSON} và [Lý Thị Mận]{PERSON} ở Sơn Hà [năm 2017]{DATE}")
    predicted = document("[Đỗ Văn Kha]{PERSON} và Lý Thị Mận ở [Sơn Hà]{ORG} năm 2017")
    outer = score_documents([gold], [predicted]).layers["outer"]
    assert outer.seqeval.labels["PERSON"] == Figures(1.0, 0.5, pytest.approx(2 / 3), 2, 1, 1)
    assert outer.seqeval.micro == Figures(0.5, pytest.approx(1 / 3), pytest.approx(0.4), 3, 2, 1)
    assert outer.spans.micro.f1 == pytest.approx(0.4)


def test_layers_are_scored_apart_and_together():
    """The host is missed, so its ORG lies outside in the prediction."""
    gold = document("[Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION}")
    predicted = document("Bí thư [Huyện ủy Sơn Hà]{ORG}")
    scores = score_documents([gold], [predicted])
    assert scores.layers["outer"].spans.micro == Figures(0.0, 0.0, 0.0, 1, 1, 0)
    assert scores.layers["inner"].spans.micro == Figures(0.0, 0.0, 0.0, 1, 0, 0)
    assert scores.nested.micro == Figures(1.0, 0.5, pytest.approx(2 / 3), 2, 1, 1)


def test_labels_that_do_not_occur_have_no_figures():
    scores = score_documents([document("[năm 2017]{DATE}")], [document("[năm 2017]{DATE}")])
    nothing = Figures(None, None, None, 0, 0, 0)
    assert scores.layers["outer"].seqeval.labels["ORG"] == nothing
    assert scores.layers["inner"].seqeval.micro == nothing
    assert scores.layers["inner"].seqeval.macro == nothing
    row = next(line for line in format_scores(scores).splitlines() if line.startswith("ORG"))
    assert row.split() == ["ORG", *["-"] * 7]


def test_nothing_at_all():
    scores = score_documents([document("Không có gì.")], [document("Không có gì.")])
    assert scores.layers["outer"].seqeval.micro.f1 is None
    assert format_scores(scores).startswith("F1 -  outer layer")


def test_documents_are_matched_by_id_in_any_order():
    one, two = document("[năm 2017]{DATE}", "1"), document("[Đảng]{ORG} ta", "2")
    assert match_documents([one, two], [two, one]) == [(one, one), (two, two)]
    assert score_documents([one, two], iter([two, one])).layers["outer"].spans.micro.f1 == 1.0


def test_equal_spans_of_two_documents_are_two_spans():
    gold = [document("[năm 2017]{DATE}", "1"), document("[năm 2017]{DATE}", "2")]
    predicted = [gold[0], document("năm 2017", "2")]
    assert score_documents(gold, predicted).layers["outer"].seqeval.micro.recall == 0.5


@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        (["a", "b", "c"], ["a"], r"lack 2 documents of the 3 gold documents: b, c;"),
        (["a"], ["a", "b"], r"hold 1 document that gold lacks: b;"),
        (["a", "a"], ["a"], r"gold documents hold the document a twice"),
        (["a"], ["a", "a"], r"predictions hold the document a twice"),
        ([], [], r"no gold documents"),
        (["a"], [], r"lack 1 document of the 1 gold documents: a;"),
        (list("abcdefg"), [], r": a, b, c, d, e and 2 more;"),
    ],
)
def test_different_documents_are_refused(gold: list[str], predicted: list[str], message: str):
    def documents(ids: list[str]) -> list[Document]:
        return [document("[năm 2017]{DATE}", id) for id in ids]

    with pytest.raises(DataError, match=message):
        score_documents(documents(gold), documents(predicted))


def test_different_texts_are_refused():
    with pytest.raises(DataError, match=r"another text than gold in one \(one differs .* 4\)"):
        score_documents([document("năm 2017")], [document("năm đó")])


def test_overlapping_spans_are_refused():
    crossing = Document("x", "một hai ba", (Span(0, 7, "ORG"), Span(4, 10, "ORG")))
    with pytest.raises(DataError, match=r"document x \(predicted\)"):
        score_documents([Document("x", "một hai ba")], [crossing])


def test_a_span_inside_a_token_is_counted_and_explained():
    """seqeval sees one of two gold spans; the span figures see both."""
    text = "Báo cáo Đảng ủy Khốicho biết [năm 2017]{DATE}"
    base = document(text)
    glued = base.with_spans([*base.spans, Span(8, 20, "ORG")])
    assert glued.text[8:20] == "Đảng ủy Khối"
    scores = score_documents([glued], [base])
    assert scores.layers["outer"].seqeval.micro == Figures(1.0, 1.0, 1.0, 1, 1, 1)
    assert scores.layers["outer"].spans.micro == Figures(1.0, 0.5, pytest.approx(2 / 3), 2, 1, 1)
    (lost,) = scores.inexpressible
    assert (lost.document, lost.side, lost.layer) == ("one", "gold", "outer")
    assert lost.mention == "Đảng ủy Khối"
    assert lost.reason == "ends inside the token 'Khốicho'"
    assert "ends inside the token 'Khốicho'" in format_scores(scores)
    assert scores_to_dict(scores)["inexpressible"]["gold"] == 1


def test_dict_has_stable_keys_and_is_json():
    result = scores_to_dict(score_documents([document(GOLD)], [document(GOLD)]))
    assert json.loads(json.dumps(result)) == result
    assert list(result) == [
        "signature", "documents", "tokens", "resamples", "layers", "nested", "partial", "slices",
        "inexpressible",
    ]  # fmt: skip
    assert list(result["layers"]) == ["outer", "inner"]
    assert list(result["layers"]["outer"]) == ["seqeval", "spans"]
    assert list(result["layers"]["outer"]["seqeval"]["labels"]) == list(LABEL_NAMES)
    assert result["layers"]["outer"]["seqeval"]["micro"] == {
        "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 4, "predicted": 4, "correct": 4,
        "intervals": {},
    }  # fmt: skip


def test_text_fits_eighty_columns_and_begins_with_the_headline():
    gold = document(GOLD + " Khốicho " * 3, "a-document-with-a-very-long-name" * 3)
    spans = [Span(gold.text.index("Khốicho") + 9 * n, gold.text.index("Khốicho") + 9 * n + 4, "ORG")
             for n in range(3)]  # fmt: skip
    gold = gold.with_spans([*gold.spans, *spans])
    text = format_scores(score_documents([gold], [gold]))
    assert text.startswith("F1 1.0000  outer layer")
    assert "|tokens:syllable|split:all|data:" in text.splitlines()[-1]
    assert max(map(len, text.splitlines())) <= 80


def foreign(spans: tuple[Span, ...], labels: tuple[str, ...] = ("LOC", "PATIENT_ID")) -> Document:
    """A document with labels and tokens of its own: `một` and `hai ba`."""
    return Document("x", "một hai ba", spans, {}, Foreign(labels, (((0, 3), (4, 10)),)))


def test_another_label_set_is_scored_over_its_own_tokens():
    gold = foreign((Span(0, 3, "PATIENT_ID"), Span(4, 10, "LOC")))
    scores = score_documents([gold], [gold.with_spans(gold.spans[:1])])
    table = scores.layers["outer"].seqeval
    assert list(table.labels) == ["LOC", "PATIENT_ID"]
    assert table.micro == Figures(1.0, 0.5, pytest.approx(2 / 3), 2, 1, 1)
    assert (scores.tokens, scores.inexpressible) == (2, ())
    assert "|tokens:own|" in scores.signature
    assert max(map(len, format_scores(scores).splitlines())) <= 80


def test_predictions_of_another_label_set_are_refused():
    gold = foreign((Span(0, 3, "PATIENT_ID"),))
    predicted = Document("x", gold.text, (Span(0, 3, "PERSON"),))
    message = r"have the label PERSON in x; gold knows LOC, PATIENT_ID: predict with a model"
    with pytest.raises(DataError, match=message):
        score_documents([gold], [predicted])


def test_predictions_over_other_tokens_are_refused():
    gold = foreign((Span(0, 3, "PATIENT_ID"),))
    other = replace(gold, foreign=Foreign(gold.foreign.labels, (((0, 3), (4, 7), (8, 10)),)))
    with pytest.raises(DataError, match="other tokens than gold in x"):
        score_documents([gold], [other])


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score_documents([document("[năm 2017]{DATE}")], [document("năm 2017")])
        score_documents([document("năm 2017")], [document("[năm 2017]{DATE}")])


# --- against seqeval and nervaluate ------------------------------------------------------------

TOKENS = 8
CASES, BATCH = 10_000, 100


def draw_tags(chance: random.Random) -> list[str]:
    """Tags of a sentence as a model may give them: an `I-` may continue nothing."""
    return [
        chance.choice(("O", "B-ORG", "I-ORG", "I-ORG", "B-DATE", "I-DATE")) for _ in range(TOKENS)
    ]


@pytest.fixture(scope="module")
def random_batches() -> list[list[tuple[list[str], list[str]]]]:
    """Ten thousand sentences of gold and predicted tags; gold has every `I-` after a `B-`."""
    chance = random.Random(7)

    def gold() -> list[str]:
        tags = draw_tags(chance)
        for n, tag in enumerate(tags):
            if tag[0] == "I" and (n == 0 or tags[n - 1][1:] != tag[1:]):
                tags[n] = "B" + tag[1:]
        return tags

    return [[(gold(), draw_tags(chance)) for _ in range(BATCH)] for _ in range(CASES // BATCH)]


def score_tags(batch: list[tuple[list[str], list[str]]]) -> Scores:
    text = " ".join(f"w{n}" for n in range(TOKENS))
    tokens = tokenize(text)
    gold, predicted = (
        [
            Document(str(number), text, tuple(tags_to_spans(tokens, case[side])))
            for number, case in enumerate(batch)
        ]
        for side in (0, 1)
    )
    return score_documents(gold, predicted, resamples=0)


@pytest.fixture(scope="module")
def our_scores(random_batches) -> list[Scores]:
    return [score_tags(batch) for batch in random_batches]


def test_ten_thousand_random_cases_equal_seqeval_on_the_raw_tags(random_batches, our_scores):
    """Also where a predicted `I-` continues nothing, which strict mode does not count."""
    from seqeval.metrics.v1 import precision_recall_fscore_support
    from seqeval.scheme import IOB2

    for batch, scores in zip(random_batches, our_scores, strict=True):
        gold, predicted = [case[0] for case in batch], [case[1] for case in batch]
        ours = scores.layers["outer"]
        for average in (None, "micro"):
            theirs = precision_recall_fscore_support(
                gold, predicted, average=average, mode="strict", scheme=IOB2, zero_division=0
            )
            for table in (ours.seqeval, ours.spans):
                rows = [table.micro] if average else [table.labels["DATE"], table.labels["ORG"]]
                for number, row in enumerate(rows):
                    wanted = [v if average else v[number] for v in theirs[:3]]
                    assert [row.precision, row.recall, row.f1] == pytest.approx(wanted)


def test_ten_thousand_random_cases_equal_nervaluate(random_batches, our_scores):
    from nervaluate import Evaluator

    text = " ".join(f"w{n}" for n in range(TOKENS))
    starts = {start: n for n, (start, _) in enumerate(tokenize(text))}
    ends = {end: n for n, (_, end) in enumerate(tokenize(text))}

    def entities(tags: list[str]) -> list[dict[str, object]]:
        return [
            {"label": span.label, "start": starts[span.start], "end": ends[span.end]}
            for span in tags_to_spans(tokenize(text), tags)
        ]

    for batch, scores in zip(random_batches, our_scores, strict=True):
        ours = scores.partial
        sides = [[entities(case[side]) for case in batch] for side in (0, 1)]
        theirs = Evaluator(*sides, tags=["ORG", "DATE"], loader="dict").evaluate()
        for scheme in SCHEMES:
            name = "ent_type" if scheme == "type" else scheme
            for row, of in (
                (ALL, theirs["overall"][name]),
                *((label, theirs["entities"][label][name]) for label in ("ORG", "DATE")),
            ):
                got = ours[scheme][row]
                assert [got.outcomes[outcome] for outcome in OUTCOMES] == [
                    of.correct, of.incorrect, of.partial, of.missed, of.spurious,
                ]  # fmt: skip
                assert [got.precision, got.recall, got.f1] == pytest.approx(
                    [of.precision, of.recall, of.f1]
                )


# --- kinds of spans and intervals ---------------------------------------------------------------


def test_kinds_of_spans_by_hand():
    gold = replace(
        document(
            "[TTXVN]{ORG} đưa tin [ngày 14/10]{DATE}: [ông chủ tịch]{POSITION} "
            "[Đỗ Văn Kha]{PERSON}, [Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION}"
        ),
        meta={"genre": "news"},
    )
    predicted = gold.with_spans([s for s in gold.spans if s.label in ("DATE", "PERSON", "ORG")])
    train = [document("[TTXVN]{ORG} và [Đỗ Văn Kha]{ORG}")]
    slices = score_documents([gold], [predicted], train=train).slices
    right = Figures(1.0, 1.0, 1.0, 1, 1, 1)
    missed = Figures(0.0, 0.0, 0.0, 1, 0, 0)
    found = {
        name: {row: of for row, of in bins.items() if of.f1 is not None}
        for name, bins in slices.items()
    }
    assert found == {
        "length in tokens": {
            "1": right,
            "2": right,
            "3-4": Figures(1.0, pytest.approx(2 / 3), pytest.approx(0.8), 3, 2, 2),
            "5-8": missed,
        },
        "capitals": {
            "ALL CAPITALS": right,
            "Every Word": right,
            "Some words": Figures(1.0, 0.5, pytest.approx(2 / 3), 2, 1, 1),
            "no capital": Figures(1.0, 0.5, pytest.approx(2 / 3), 2, 1, 1),
        },
        "in training": {
            "seen": right,
            "seen as another label": right,
            "unseen": Figures(1.0, 0.5, pytest.approx(2 / 3), 4, 2, 2),
        },
        "genre": {"news": Figures(1.0, pytest.approx(4 / 6), pytest.approx(0.8), 6, 4, 4)},
    }


def test_one_document_has_no_interval_and_equal_ones_have_no_width():
    good = document(GOLD)
    assert score_documents([good], [good]).layers["outer"].seqeval.micro.intervals == {}
    half = document(GOLD.replace("[Trần Quốc Minh]{PERSON}", "Trần Quốc Minh"))
    gold = [replace(good, id=str(n)) for n in range(20)]
    scores = score_documents(gold, [replace(half, id=str(n)) for n in range(20)])
    outer = scores.layers["outer"].seqeval
    assert outer.micro.intervals["f1"] == pytest.approx((6 / 7, 6 / 7))
    assert outer.micro.intervals["precision"] == (1.0, 1.0)
    assert scores.nested.micro.intervals["recall"] == pytest.approx((0.8, 0.8))
    assert scores.partial["partial"][ALL].interval == pytest.approx((8 / 9, 8 / 9))


def test_the_interval_is_that_of_documents_drawn_anew():
    """Half of the documents are right, half are empty: recall is the share of right ones drawn."""
    from scipy.stats import binom

    gold = [document("[năm 2017]{DATE}", str(n)) for n in range(100)]
    predicted = [one if n % 2 else one.with_spans([]) for n, one in enumerate(gold)]
    low, high = score_documents(gold, predicted).nested.micro.intervals["recall"]
    assert low == pytest.approx(binom.ppf(0.025, 100, 0.5) / 100, abs=0.011)
    assert high == pytest.approx(binom.ppf(0.975, 100, 0.5) / 100, abs=0.011)


def test_what_stands_in_one_document_alone_has_no_interval():
    gold = [document("[Đảng]{ORG} và [năm 2017]{DATE}", "1"), document("[Đảng]{ORG} ta", "2")]
    nested = score_documents(gold, [gold[0].with_spans([]), gold[1]]).nested
    assert nested.labels["DATE"].intervals == {}
    assert set(nested.labels["ORG"].intervals) == {"precision", "recall", "f1"}
    assert set(nested.macro.intervals) == {"precision", "recall", "f1"}


def test_the_hash_tells_gold_apart_whatever_the_order():
    one, two = document(GOLD, "1"), document("[năm 2017]{DATE}", "2")
    assert hash_gold([one, two]) == hash_gold([two, replace(one, meta={"genre": "news"})])
    assert hash_gold([one, two]) != hash_gold([one, two.with_spans([])])


# --- seqeval against spans on long texts ------------------------------------------------------

WORDS = ["Đảng", "ủy", "13/10/2011", "215-QĐ/TW", "uỷ", ",", "TP.", "(", "đ/c", "Hà", "ký", "TT&TT"]


@st.composite
def aligned_documents(draw: st.DrawFn) -> tuple[Document, Document]:
    """One text of up to 400 tokens with two random labellings whose edges are token borders."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40))
    text = " ".join(words * draw(st.integers(1, 10)))
    tokens = tokenize(text)

    def spans() -> list[Span]:
        count = len(tokens)
        cuts = sorted(draw(st.sets(st.integers(0, count), max_size=24)))
        return [
            Span(tokens[left][0], tokens[right - 1][1], draw(st.sampled_from(LABEL_NAMES)))
            for left, right in pairwise(cuts)
            if draw(st.booleans())
        ]

    gold = Document("d", text).with_spans(spans())
    kept = [span for span in gold.spans if draw(st.booleans())]
    taken = {place for span in kept for place in range(span.start, span.end)}
    added = [span for span in spans() if taken.isdisjoint(range(span.start, span.end))]
    return gold, gold.with_spans([*kept, *added])


@settings(max_examples=60, deadline=None)
@given(st.lists(aligned_documents(), min_size=1, max_size=3))
def test_on_token_borders_seqeval_and_spans_agree(cases: list[tuple[Document, Document]]):
    gold = [Document(str(n), one.text, one.spans) for n, (one, _) in enumerate(cases)]
    predicted = [Document(str(n), one.text, one.spans) for n, (_, one) in enumerate(cases)]
    scores = score_documents(gold, predicted, resamples=0)
    assert scores.inexpressible == ()
    for layer in scores.layers.values():
        rows = [
            (layer.seqeval.micro, layer.spans.micro),
            (layer.seqeval.macro, layer.spans.macro),
            *((layer.seqeval.labels[name], layer.spans.labels[name]) for name in LABEL_NAMES),
        ]
        for ours, theirs in rows:
            assert (ours.support, ours.predicted, ours.correct) == (
                theirs.support, theirs.predicted, theirs.correct,
            )  # fmt: skip
            for one, other in (
                (ours.precision, theirs.precision),
                (ours.recall, theirs.recall),
                (ours.f1, theirs.f1),
            ):
                assert one == (None if other is None else pytest.approx(other))


@settings(max_examples=100, deadline=None)
@given(aligned_documents())
def test_every_wrong_span_is_in_one_mistake(case: tuple[Document, Document]):
    gold, predicted = case
    mistakes = list(find_mistakes([case]))
    right = {span.key for span in gold.spans} & {span.key for span in predicted.spans}
    wanted = sorted(span.key for span in gold.spans if span.key not in right)
    given_ = sorted(span.key for span in predicted.spans if span.key not in right)
    assert sorted(m.gold.key for m in mistakes if m.gold) == wanted
    assert sorted(m.predicted.key for m in mistakes if m.predicted) == given_


@pytest.mark.parametrize(
    ("gold", "predicted", "kinds"),
    [
        ("[Đảng]{ORG} ta", "[Đảng]{PERSON} ta", ["type"]),
        ("[Huyện ủy Sơn Hà]{ORG}", "[Huyện ủy]{ORG} Sơn Hà", ["border"]),
        ("[Huyện ủy Sơn Hà]{ORG}", "Huyện ủy [Sơn Hà]{PERSON}", ["both"]),
        ("[Huyện ủy Sơn Hà]{ORG}", "Huyện ủy Sơn Hà", ["missing"]),
        ("Huyện ủy Sơn Hà", "[Huyện ủy Sơn Hà]{ORG}", ["spurious"]),
        # one gold span, two that overlap it: the better fit is its partner
        ("[Huyện ủy Sơn Hà]{ORG}", "[Huyện]{ORG} [ủy Sơn Hà]{ORG}", ["spurious", "border"]),
        ("[Bí thư [Huyện ủy]{ORG}]{POSITION}", "[Bí thư Huyện ủy]{POSITION}", ["missing"]),
    ],
)
def test_kinds_of_mistakes(gold: str, predicted: str, kinds: list[str]):
    mistakes = list(find_mistakes([(document(gold), document(predicted))]))
    assert [mistake.kind for mistake in mistakes] == kinds


def test_confusions_count_label_pairs():
    mistakes = list(
        find_mistakes(
            [
                (document("[Đảng]{ORG} ta"), document("[Đảng]{PERSON} ta")),
                (document("[Huyện ủy Hà]{ORG}"), document("Huyện ủy [Hà]{PERSON}")),
                (document("[Huyện ủy Hà]{ORG}"), document("Huyện ủy [Hà]{ORG}")),
            ]
        )
    )
    assert count_confusions(mistakes) == {("ORG", "PERSON"): 2}
