"""Agreement: published worked examples, independent libraries, and rules worked by hand."""

import json
import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import documents
from test_cli import vipol

from annotate.agreement import (
    agreement_to_dict,
    agreement_to_html,
    cohen_kappa,
    format_agreement,
    krippendorff_alpha,
    measure_agreement,
)
from annotate.document import Document, Span, find_illegal, split_layers, write_documents
from annotate.errors import DataError
from annotate.scheme import LABEL_NAMES, LABELS, LAYERS
from annotate.tokens import tokenize

TEXT = "Bí thư Huyện ủy Sơn Hà Trần Quốc Minh họp ngày 5/3/2019."
POSITION = Span(0, 22, "POSITION")
ORG = Span(7, 22, "ORG")
PERSON = Span(23, 37, "PERSON")
DATE = Span(42, 55, "DATE")
GOLD = (POSITION, ORG, PERSON, DATE)
COLOURS = {label.name: label.colour for label in LABELS}


def annotation(
    annotator: str, spans: Sequence[Span] = GOLD, id: str = "a", text: str = TEXT, **meta: Any
) -> Document:
    return Document(id, text, (), {"annotator": annotator, **meta}).with_spans(spans)


def one_token(id: str, annotator: str, label: str | None) -> Document:
    """A document of one token, so that a document is a unit of a worked example."""
    return annotation(annotator, [Span(0, 3, label)] if label else [], id, "Lan")


# --- Published worked examples --------------------------------------------------------------

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability": four observers, twelve
# units, missing values, nominal alpha = 0.743; two observers, ten binary units, 0.095; two
# observers, twelve units, five values, 0.692.
FOUR_OBSERVERS = ("123321412...", "1233224125.3", ".3332342251.", "1233244125 1.".replace(" ", ""))
MEG_OWEN = ("0100000010", "1110010000")
BEN_GERRY = ("aabbdcccedda", "babbbcccеddd".replace("е", "e"))


@pytest.mark.parametrize(
    ("observers", "alpha"),
    [(FOUR_OBSERVERS, 0.743), (MEG_OWEN, 0.095), (BEN_GERRY, 0.692)],
)
def test_alpha_is_krippendorffs(observers: Sequence[str], alpha: float) -> None:
    values = sorted({value for row in observers for value in row} - {"."})
    label = dict(zip(values, LABEL_NAMES, strict=False))
    documents = [
        one_token(f"unit-{unit}", f"observer-{number}", label[value])
        for number, row in enumerate(observers)
        for unit, value in enumerate(row)
        if value != "."
    ]
    found = measure_agreement(documents, resamples=0).overall.alpha.value
    assert found is not None
    assert round(found, 3) == alpha


# Cohen 1960, table 1: 200 cases, three diagnoses; kappa = .29 / .59.
COHEN = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]


def test_kappa_is_cohens() -> None:
    documents = []
    for first, row in enumerate(COHEN):
        for second, count in enumerate(row):
            for number in range(count):
                id = f"{first}-{second}-{number}"
                documents.append(one_token(id, "first", LABEL_NAMES[first]))
                documents.append(one_token(id, "second", LABEL_NAMES[second]))
    found = measure_agreement(documents, resamples=0).overall.kappa.value
    assert found == pytest.approx(0.29 / 0.59)


# --- Independent libraries --------------------------------------------------------------------

ratings = st.integers(1, 4).flatmap(
    lambda classes: st.lists(st.tuples(*[st.integers(0, classes)] * 3), min_size=2, max_size=30)
)


@given(ratings)
@settings(max_examples=60, deadline=None)
def test_kappa_equals_scikit_learn(rows: list[tuple[int, int, int]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    table = np.zeros((5, 5))
    for first, second, _ in rows:
        table[first, second] += 1
    ours = float(cohen_kappa(table))
    if math.isnan(ours):
        assert len({value for row in rows for value in row[:2]}) == 1
        return
    theirs = cohen_kappa_score([row[0] for row in rows], [row[1] for row in rows])
    assert ours == pytest.approx(theirs)


@given(ratings)
@settings(max_examples=60, deadline=None)
def test_alpha_equals_nltk(rows: list[tuple[int, int, int]]) -> None:
    from nltk.metrics.agreement import AnnotationTask

    table = np.zeros((5, 5))
    for row in rows:
        for first, second in combinations(row, 2):
            table[first, second] += 1 / 2
            table[second, first] += 1 / 2
    ours = float(krippendorff_alpha(table))
    if math.isnan(ours):
        assert len({value for row in rows for value in row}) == 1
        return
    task = AnnotationTask(
        data=[
            (f"coder-{coder}", str(unit), value)
            for unit, row in enumerate(rows)
            for coder, value in enumerate(row)
        ]
    )
    assert ours == pytest.approx(task.alpha())


# --- By hand --------------------------------------------------------------------------------


def test_the_same_annotations_agree_wholly() -> None:
    agreement = measure_agreement([annotation("an"), annotation("binh")])
    overall = agreement.overall
    assert [
        estimate.value
        for estimate in (
            overall.strict,
            overall.relaxed,
            overall.position,
            overall.kappa,
            overall.alpha,
        )
    ] == [1.0] * 5
    assert overall.spans == 8
    assert agreement.disputes == ()
    assert agreement.confusion == {
        (label, label): 1 for label in sorted(["POSITION", "ORG", "PERSON", "DATE"])
    }


def test_each_measure_on_slips_worked_by_hand() -> None:
    slips = [POSITION, ORG, Span(23, 33, "PERSON"), Span(42, 55, "DOCUMENT_REF")]
    agreement = measure_agreement([annotation("an"), annotation("binh", slips)])
    overall = agreement.overall
    assert overall.strict.value == 2 * 2 / 8  # POSITION and ORG
    assert overall.relaxed.value == 2 * 3 / 8  # and the shorter PERSON
    assert overall.position.value == 2 * 3 / 8  # and the DATE of another label
    assert agreement.by_label["DATE"].strict.value == 0
    assert agreement.by_label["DATE"].position.value == 1
    assert agreement.by_label["PERSON"].relaxed.value == 1
    assert agreement.by_layer["inner"].strict.value == 1
    assert agreement.by_layer["outer"].strict.value == 2 * 1 / 6
    assert agreement.confusion == {
        ("DATE", "DOCUMENT_REF"): 1,
        ("ORG", "ORG"): 1,
        ("PERSON", "PERSON"): 1,
        ("POSITION", "POSITION"): 1,
    }
    # 13 tokens: the last syllable of PERSON and the two of DATE differ.
    assert agreement.tokens == 13
    assert overall.strict.low is None  # one document: no interval


def test_a_span_in_another_layer_is_the_same_span_but_not_the_same_layer() -> None:
    agreement = measure_agreement(
        [annotation("an"), annotation("binh", [ORG, PERSON, DATE])], resamples=0
    )
    assert agreement.overall.strict.value == 2 * 3 / 7
    assert agreement.by_layer["outer"].strict.value == 2 * 2 / 6
    assert agreement.by_layer["inner"].strict.value == 0
    assert agreement.confusion[("POSITION", "O")] == 1
    [dispute] = agreement.disputes
    assert dispute.mention == "Bí thư Huyện ủy Sơn Hà"
    assert dispute.readings == {
        "[Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION}": 1,
        "Bí thư [Huyện ủy Sơn Hà]{ORG}": 1,
    }


def test_labels_that_nobody_used_have_no_value() -> None:
    scores = measure_agreement([annotation("an"), annotation("binh")]).by_label["DOCUMENT_REF"]
    assert scores.strict.value is None
    assert scores.kappa.value is None
    assert scores.alpha.value is None
    assert scores.spans == 0


def test_pairs_are_compared_on_what_both_annotated() -> None:
    documents = [
        annotation("an", id="a"),
        annotation("binh", id="a"),
        annotation("binh", [PERSON], id="b"),
        annotation("chi", [DATE], id="b"),
        annotation("chi", id="c"),
    ]
    agreement = measure_agreement(documents, resamples=0)
    assert agreement.annotators == ("an", "binh", "chi")
    assert agreement.documents == 2
    assert agreement.single == 1
    assert agreement.by_pair["an", "binh"].strict.value == 1
    assert agreement.by_pair["binh", "chi"].strict.value == 0
    assert set(agreement.by_pair) == {("an", "binh"), ("binh", "chi")}
    assert agreement.overall.strict.value == 8 / 10
    kappas = [scores.kappa.value or 0 for scores in agreement.by_pair.values()]
    assert agreement.overall.kappa.value == pytest.approx(sum(kappas) / 2)


def test_skipped_annotations_are_left_out_and_counted() -> None:
    documents = [
        annotation("an"),
        annotation("binh"),
        annotation("chi", [], skipped=True),
    ]
    agreement = measure_agreement(documents, resamples=0)
    assert agreement.skipped == 1
    assert agreement.annotators == ("an", "binh")


def test_disputes_are_counted_by_string_and_lead_to_their_tasks() -> None:
    documents = []
    for id in ("a", "b", "c"):
        documents.append(annotation("an", id=id, task_url=f"http://127.0.0.1/tasks/{id}"))
        documents.append(annotation("binh", [POSITION, ORG, PERSON], id=id))
    documents += [annotation("an", id="d"), annotation("binh", [POSITION, ORG, DATE], id="d")]
    first, second = measure_agreement(documents, resamples=0).disputes
    assert (first.mention, first.count) == ("ngày 5/3/2019", 3)
    assert [place.url for place in first.places] == [
        f"http://127.0.0.1/tasks/{id}" for id in ("a", "b", "c")
    ]
    assert (second.mention, second.count) == ("Trần Quốc Minh", 1)


def test_intervals_hold_the_value_and_come_back_with_the_seed() -> None:
    documents = []
    for number in range(12):
        spans = GOLD if number % 3 else (POSITION, ORG, PERSON)
        documents.append(annotation("an", id=str(number)))
        documents.append(annotation("binh", spans, id=str(number)))
    agreement = measure_agreement(documents, seed=5)
    for name in ("strict", "relaxed", "position", "kappa", "alpha"):
        estimate = getattr(agreement.overall, name)
        assert estimate.low < estimate.value < estimate.high
    assert measure_agreement(documents, seed=5) == agreement


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([annotation("an")], "none of the 1 documents was annotated by two people"),
        ([], "none of the 0 documents"),
        ([Document("a", TEXT)], r"document a\): no 'annotator'"),
        ([annotation("an"), annotation("an")], "two annotations by an"),
        ([annotation("an"), annotation("binh", (), text="khác")], "different texts"),
        ([annotation("an"), annotation("binh", skipped=True)], "none of the 1 documents"),
    ],
)
def test_what_cannot_be_measured_is_refused(documents: list[Document], message: str) -> None:
    with pytest.raises(DataError, match=message):
        measure_agreement(documents)


# --- Properties -----------------------------------------------------------------------------

people = st.sets(st.sampled_from(GOLD))
sets_of_spans = st.lists(st.tuples(people, people), min_size=1, max_size=6)


@given(sets_of_spans)
@settings(max_examples=40, deadline=None)
def test_the_order_of_annotators_does_not_matter(versions: list[tuple[Any, Any]]) -> None:
    def measure(first: str, second: str) -> dict[str, float | None]:
        documents = []
        for number, (left, right) in enumerate(versions):
            documents.append(annotation(first, sorted(left, key=str), id=str(number)))
            documents.append(annotation(second, sorted(right, key=str), id=str(number)))
        scores = measure_agreement(documents, resamples=0).overall
        return {
            name: getattr(scores, name).value
            for name in ("strict", "relaxed", "position", "kappa", "alpha")
        }

    one, other = measure("an", "binh"), measure("binh", "an")
    assert one == pytest.approx(other)
    if one["strict"] is not None and one["relaxed"] is not None:
        assert one["strict"] <= one["relaxed"]
        assert one["strict"] <= (one["position"] or 0)


# --- Out ------------------------------------------------------------------------------------


def slips_in_three() -> list[Document]:
    documents = []
    for number in range(5):
        documents.append(annotation("người chú giải thứ nhất", id=str(number)))
        documents.append(annotation("binh@example.org", [POSITION, PERSON], id=str(number)))
        documents.append(annotation("chi", [Span(23, 33, "ORG"), DATE], id=str(number)))
    return documents


def test_the_text_fits_eighty_columns_and_leads_with_the_answer() -> None:
    text = format_agreement(measure_agreement(slips_in_three()))
    assert text.startswith("Agreement 0.3")
    assert max(map(len, text.splitlines())) <= 80
    for word in ("by label", "by layer", "by pair", "DOCUMENT_REF", "most disputed"):
        assert word in text


def test_the_dict_is_json_and_holds_everything() -> None:
    record = json.loads(json.dumps(agreement_to_dict(measure_agreement(slips_in_three()))))
    assert record["documents"] == 5
    assert {tuple(row["annotators"]) for row in record["by_pair"]} == {
        ("binh@example.org", "chi"),
        ("binh@example.org", "người chú giải thứ nhất"),
        ("chi", "người chú giải thứ nhất"),
    }
    assert record["by_label"]["DATE"]["strict"]["value"] == 0.5
    assert record["disputes"][0]["places"][0]["document"] == "0"


# --- More independent references ----------------------------------------------------------------


@given(
    st.lists(
        st.lists(st.sampled_from([None, *LABEL_NAMES]), min_size=3, max_size=3),
        min_size=2,
        max_size=20,
    ),
    st.data(),
)
@settings(max_examples=40, deadline=None)
def test_alpha_with_missing_values_equals_krippendorff(
    rows: list[list[str | None]], data: st.DataObject
) -> None:
    """Three annotators of which any may be missing: through the whole measurement."""
    import krippendorff

    codes: dict[str | None, int] = {None: 0, **{name: n for n, name in enumerate(LABEL_NAMES, 1)}}
    table = np.full((3, len(rows)), np.nan)
    made = []
    for unit, row in enumerate(rows):
        for coder, label in enumerate(row):
            if data.draw(st.integers(0, 3)):
                table[coder, unit] = codes[label]
                made.append(one_token(f"u{unit}", f"coder-{coder}", label))
    comparable = (~np.isnan(table)).sum(0) > 1
    if not comparable.any():
        return
    ours = measure_agreement(made, resamples=0).overall.alpha.value
    if len(set(table[:, comparable][~np.isnan(table[:, comparable])])) < 2:
        assert ours is None
        return
    theirs = krippendorff.alpha(reliability_data=table, level_of_measurement="nominal")
    assert ours == pytest.approx(float(theirs))


def reference_scores(left: Sequence[Span], right: Sequence[Span]) -> dict[str, float]:
    """The three F1 as their definitions say, without any index; relaxed by trying all pairings."""
    from scipy.optimize import linear_sum_assignment

    overlap = np.array(
        [
            [
                one.label == two.label and one.start < two.end and two.start < one.end
                for two in right
            ]
            for one in left
        ],
        dtype=float,
    ).reshape(len(left), len(right))
    rows, columns = linear_sum_assignment(-overlap)
    total = len(left) + len(right)
    same = sum(one.key == two.key for one in left for two in right)
    place = sum((one.start, one.end) == (two.start, two.end) for one in left for two in right)
    return {
        "strict": 2 * same / total,
        "relaxed": 2 * overlap[rows, columns].sum() / total,
        "position": 2 * place / total,
    }


@st.composite
def two_versions(draw: st.DrawFn) -> tuple[Document, Document]:
    """A random legal nested annotation, and the same with borders moved and labels changed."""
    first = draw(documents())
    spans: list[Span] = []
    for span in first.spans:
        moved = Span(
            max(0, span.start + draw(st.integers(-2, 2))),
            min(len(first.text), span.end + draw(st.integers(-2, 2))),
            draw(st.sampled_from([span.label, *LABEL_NAMES])),
        )
        if moved.start < moved.end and not find_illegal(first.text, [*spans, moved]):
            spans.append(moved)
    return (
        annotation("an", first.spans, text=first.text),
        annotation("binh", spans, text=first.text),
    )


@given(two_versions())
@settings(max_examples=80, deadline=None)
def test_span_measures_equal_a_plain_reference(versions: tuple[Document, Document]) -> None:
    """Over random legal nested versions of one text, in every view."""
    first, second = versions
    agreement = measure_agreement(versions)
    layers = (split_layers(first.spans), split_layers(second.spans))
    views = {
        **{
            label: tuple([s for s in d.spans if s.label == label] for d in (first, second))
            for label in LABEL_NAMES
        },
        **{layer: (layers[0][layer], layers[1][layer]) for layer in LAYERS},
        "all": (first.spans, second.spans),
    }
    found = {**agreement.by_label, **agreement.by_layer, "all": agreement.overall}
    for view, (left, right) in views.items():
        assert found[view].spans == len(left) + len(right)
        if not left and not right:
            assert found[view].strict.value is None
            continue
        expected = reference_scores(left, right)
        assert found[view].strict.value == pytest.approx(expected["strict"])
        assert found[view].relaxed.value == pytest.approx(expected["relaxed"])
        if view not in LABEL_NAMES:  # there the other's place may have any label
            assert found[view].position.value == pytest.approx(expected["position"])
    assert sum(agreement.kinds.values()) == sum(agreement.confusion.values())
    assert agreement.kinds["same"] * 2 == pytest.approx(
        (agreement.overall.strict.value or 0) * agreement.overall.spans
    )


@given(two_versions())
@settings(max_examples=60, deadline=None)
def test_kappa_over_tokens_equals_scikit_learn(versions: tuple[Document, Document]) -> None:
    """From spans: each token's pair of labels, outer and inner, is its class."""
    from sklearn.metrics import cohen_kappa_score

    def classes(version: Document) -> list[str]:
        layers = split_layers(version.spans)
        return [
            "/".join(
                next((s.label for s in layers[layer] if s.start < end and start < s.end), "O")
                for layer in LAYERS
            )
            for start, end in tokenize(version.text)
        ]

    found = measure_agreement(versions).overall.kappa.value
    left, right = map(classes, versions)
    if len({*left, *right}) == 1:
        assert found is None
    else:
        assert found == pytest.approx(cohen_kappa_score(left, right))


# --- Degenerate cases ------------------------------------------------------------------------


def test_no_spans_at_all_is_perfect_agreement_about_nothing() -> None:
    agreement = measure_agreement([annotation("an", ()), annotation("binh", ())])
    assert agreement.overall.strict.value is None
    assert agreement.overall.kappa.value is None
    assert agreement.kinds == dict.fromkeys(agreement.kinds, 0)
    assert format_agreement(agreement).startswith("Agreement - (strict span F1)")
    page = agreement_to_html(agreement)
    assert "Nobody drew a span." in page
    assert "Nothing: the annotators drew the same spans." in page


def test_only_one_found_anything() -> None:
    agreement = measure_agreement([annotation("an"), annotation("binh", ())])
    assert agreement.overall.strict.value == 0
    assert agreement.overall.kappa.value == 0
    assert agreement.kinds["missing"] == 4


def test_what_is_left_out_is_counted_and_said() -> None:
    made = [
        annotation("an"),
        annotation("binh"),
        annotation("chi", [], skipped=True),
        annotation("an", id="b"),
        annotation("chi", id="c"),
        annotation("binh", [], id="c", skipped=True),
    ]
    agreement = measure_agreement(made)
    assert (agreement.skipped, agreement.single, agreement.documents) == (2, 2, 1)
    assert agreement.annotators == ("an", "binh")
    said = "left out: 2 skipped annotations, 2 documents by one annotator only"
    assert said in format_agreement(agreement).splitlines()
    assert said.capitalize() in agreement_to_html(agreement)


# --- The page ----------------------------------------------------------------------------------


def test_the_page_shows_each_reading_in_its_context_and_leads_to_the_task() -> None:
    text = f"<b>Tin</b> & [x]\n{TEXT}"
    shift = len(text) - len(TEXT)
    spans = [Span(s.start + shift, s.end + shift, s.label) for s in GOLD]
    made = [
        annotation("an@example.org", spans, "a", text, task_url="http://127.0.0.1:1/data?task=7"),
        annotation("binh@example.org", [spans[0], *spans[2:]], "a", text),
        annotation("chi@example.org", spans[2:], "a", text),
    ]
    page = agreement_to_html(measure_agreement(made))
    assert page.startswith("<!doctype html>")
    assert page.count("<article>") == 1
    assert f'<a href="http://127.0.0.1:1/data?task=7">a {shift}–{shift + 22}</a>' in page
    org = f'<mark style="--c:{COLOURS["ORG"]}">Huyện ủy Sơn Hà<b>ORG</b></mark>'
    position = f'<mark style="--c:{COLOURS["POSITION"]}">Bí thư {{}}<b>POSITION</b></mark>'
    before = '…&lt;b&gt;Tin&lt;/b&gt; &amp; [x] <span class="stretch">'
    for name, reading in (
        ("an", position.format(org)),
        ("binh", position.format("Huyện ủy Sơn Hà")),
        ("chi", "Bí thư Huyện ủy Sơn Hà"),
    ):
        assert (
            f'<span class="who">{name}</span><span class="text" lang="vi">{before}{reading}' in page
        )
    for fetched in ("<script", "src=", "@import", "url(", "<link"):
        assert fetched not in page


def test_the_command_writes_text_json_and_page(tmp_path: Path) -> None:
    write_documents(tmp_path / "a.jsonl", slips_in_three())
    page = tmp_path / "page.html"
    run = vipol("agreement", tmp_path / "a.jsonl", "--html", page)
    assert run.returncode == 0, run.stderr
    assert run.stderr == f"wrote the page to {page}\n"
    agreement = measure_agreement(slips_in_three())
    assert run.stdout == format_agreement(agreement) + "\n"
    assert page.read_text() == agreement_to_html(agreement)
    run = vipol("agreement", tmp_path / "a.jsonl", "--json")
    assert json.loads(run.stdout) == json.loads(json.dumps(agreement_to_dict(agreement)))
