"""Rules and a CRF as one labeller: legal, no worse than what it was fitted on, saved and loaded."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotate.document import Document, Span, find_illegal
from annotate.errors import DataError
from annotate.markup import read_source_folder
from annotate.prelabel import label_document
from annotate.scheme import LABEL_NAMES
from baselines.compare import compare_documents
from baselines.crf import CrfSettings, train_crf
from baselines.ensemble import (
    CARD_NAME,
    CRF_FOLDER,
    FEWEST_DOCUMENTS,
    THRESHOLD,
    Retraining,
    choose_spans,
    combine,
    cross_validate,
    fit_weights,
    format_retraining,
    is_ensemble_folder,
    load_ensemble,
    retrain,
    retraining_to_dict,
)
from baselines.foreign import load_labeller
from baselines.score import score_documents

SAMPLE = Path(__file__).parents[1] / "datasets" / "vipol-sample" / "source"
FAST = CrfSettings(max_iterations=20)


@pytest.fixture(scope="module")
def gold() -> list[Document]:
    return read_source_folder(SAMPLE)[:12]


@pytest.fixture(scope="module")
def report(gold: list[Document]) -> Retraining:
    return retrain(gold, folds=2, settings=FAST)


@pytest.fixture(scope="module")
def folder(report: Retraining, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ensemble") / "model"
    report.save(place)
    return place


# --- choosing --------------------------------------------------------------------------------

SPANS = st.builds(
    lambda start, length, label, score: Span(start, start + length, label, "x", score),
    st.integers(0, 12),
    st.integers(1, 6),
    st.sampled_from(LABEL_NAMES),
    st.sampled_from([0.5, 0.6, 0.75, 0.9, 0.99]),
)
LINE = "abcdefghijklmnopqrstuvwxyz"


def value(spans: tuple[Span, ...] | list[Span]) -> float:
    return sum((span.score or 0.0) - THRESHOLD for span in spans)


@settings(max_examples=150, deadline=None)
@given(st.lists(SPANS, max_size=8, unique_by=lambda span: span.key))
def test_the_choice_is_legal_and_the_best_of_all(spans: list[Span]):
    chosen = choose_spans(spans)
    assert find_illegal(LINE, chosen) is None
    best = max(
        value(subset)
        for size in range(len(spans) + 1)
        for subset in itertools.combinations(spans, size)
        if find_illegal(LINE, subset) is None
    )
    assert value(chosen) == pytest.approx(best)


def test_ten_thousand_spans_in_a_chain():
    chain = [Span(n, n + 2, "ORG", "x", 0.9) for n in range(10_000)]
    assert len(choose_spans(chain)) == 5_000


# --- combining -------------------------------------------------------------------------------

WEIGHTS = {
    "": -0.5,
    "rules=yes crf=yes": 3.0,
    "rules=yes crf=rival rules score": 1.0,
    "rules=rival crf=yes crf score": 1.0,
}


def test_what_both_parts_have_is_kept():
    org = Span(0, 5, "ORG", "rule:org.named", 0.9)
    (one,) = combine({"rules": [org], "crf": [Span(0, 5, "ORG", "crf", 0.9)]}, WEIGHTS)
    assert one.key == org.key
    assert one.source == "rule:org.named+crf"
    assert one.score is not None and one.score > 0.9


def test_the_surer_of_two_rivals_wins():
    sure, unsure = Span(0, 9, "ORG", "rule:a", 0.99), Span(0, 5, "ORG", "crf", 0.4)
    chosen = combine({"rules": [sure], "crf": [unsure]}, WEIGHTS)
    assert [span.key for span in chosen] == [sure.key]
    sure, unsure = Span(0, 9, "ORG", "crf", 0.99), Span(0, 5, "ORG", "rule:a", 0.5)
    chosen = combine({"rules": [unsure], "crf": [sure]}, WEIGHTS)
    assert [span.key for span in chosen] == [sure.key]


def test_nothing_from_nothing():
    assert combine({"rules": [], "crf": []}, WEIGHTS) == ()


def test_weights_find_who_is_right():
    examples = [({"": 1.0, "a": 1.0}, True)] * 90 + [({"": 1.0, "a": 1.0}, False)] * 10
    examples += [({"": 1.0, "b": 1.0}, False)] * 100
    weights = fit_weights(examples)
    assert weights["a"] > 0 > weights["b"]
    assert fit_weights(examples) == weights
    with pytest.raises(DataError, match="nothing to combine"):
        fit_weights([])


# --- retraining ------------------------------------------------------------------------------


def test_the_report_says_what_held_out_documents_gain(report: Retraining, gold: list[Document]):
    spans = sum(len(document.spans) for document in gold)
    tables = {name: scores.nested.micro for name, scores in report.held_out.models.items()}
    assert list(tables) == ["rules", "crf", "ensemble"]
    assert {table.support for table in tables.values()} == {spans}
    before, after = tables["rules"].f1, tables["ensemble"].f1
    assert before is not None and after is not None
    assert report.gain.difference == pytest.approx(after - before)
    low, high = report.gain.interval or (1, 0)
    assert low <= report.gain.difference <= high
    text = format_retraining(report)
    assert max(map(len, text.splitlines())) <= 80
    assert "trained on 12 documents" in text
    assert f"gain over the rules: {report.gain.difference:+.4f} F1 (95 %" in text
    as_json = json.loads(json.dumps(retraining_to_dict(report)))
    assert as_json["held_out"]["rules"]["f1"] == before
    assert as_json["gain"]["p"] == report.gain.p


def test_the_rules_figures_are_those_of_the_rules(report: Retraining, gold: list[Document]):
    right = sum(
        len({s.key for s in one.spans} & {s.key for s in label_document(one)}) for one in gold
    )
    assert report.held_out.models["rules"].nested.micro.correct == right


def test_the_ensemble_beats_both_parts_on_held_out_documents(gold: list[Document]):
    """Rules that are blind to two labels, which the CRF that reads them learns."""

    def half_blind(document: Document) -> tuple[Span, ...]:
        return tuple(s for s in label_document(document) if s.label not in ("DATE", "PERSON"))

    crossed = cross_validate(gold, folds=2, settings=FAST, rules=half_blind)
    scores = compare_documents(gold, crossed.answers).models
    f1 = {name: of.nested.micro.f1 or 0.0 for name, of in scores.items()}
    assert f1["ensemble"] > f1["crf"] > f1["rules"] + 0.05


def test_a_crf_that_reads_the_rules_knows_what_they_say(gold: list[Document]):
    """Of what only the rules can know, the gold itself, the plain CRF learns far less."""
    truth = {one.text: one.spans for one in gold}
    seen, unseen = gold[:6], gold[6:]
    scores = {}
    for name, hints in (("plain", None), ("reads", lambda one: truth[one.text])):
        model = train_crf(seen, settings=FAST, hints=hints)
        scores[name] = score_documents(unseen, model.label_documents(unseen)).nested.micro.f1
    assert scores["reads"] > 0.95 > 0.9 > scores["plain"]


def test_the_crf_of_an_ensemble_is_of_no_use_alone(folder: Path):
    with pytest.raises(DataError, match="part of an ensemble, no use without the rules"):
        load_labeller(f"crf:{folder / CRF_FOLDER}")


def test_a_saved_ensemble_labels_as_before(report: Retraining, folder: Path, gold: list[Document]):
    assert is_ensemble_folder(folder)
    before = [report.ensemble.label_document(one) for one in gold[:3]]
    for name in (str(folder), f"ensemble:{folder}"):
        label = load_labeller(name)
        assert [label(one) for one in gold[:3]] == before
    for one, spans in zip(gold, before, strict=False):
        assert find_illegal(one.text, spans) is None


def test_saving_again_replaces_and_spares_other_folders(report: Retraining, tmp_path: Path):
    report.save(tmp_path / "model")
    report.save(tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="is no ensemble"):
        report.save(tmp_path / "mine")


BAD = ["", "rules", "no/such/folder"]


@pytest.mark.parametrize("spec", BAD)
def test_no_such_ensemble(spec: str):
    with pytest.raises(DataError):
        load_ensemble(spec)


def test_an_ensemble_of_another_format(folder: Path, tmp_path: Path):
    card = json.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
    (tmp_path / CARD_NAME).write_text(json.dumps({**card, "format": 99}), encoding="utf-8")
    with pytest.raises(DataError, match="another format"):
        load_ensemble(str(tmp_path))


def test_too_few_documents(gold: list[Document]):
    with pytest.raises(DataError, match="7 gold documents; at least 8"):
        retrain(gold[: FEWEST_DOCUMENTS - 1])
