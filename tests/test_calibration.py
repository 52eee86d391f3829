"""Observed precision against score, counted by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from annotate.document import Document, Span, read_documents, write_documents
from annotate.errors import DataError
from annotate.markup import read_source_folder
from annotate.prelabel import label_document
from baselines.calibration import (
    Calibration,
    calibration_to_dict,
    cross_validate_scores,
    fit_source_scores,
    format_calibration,
    measure_calibration,
)

ROOT = Path(__file__).parents[1]
DEVELOPMENT = ROOT.parent / "shared" / "corpus" / "dev.jsonl"


def measure(spans: list[tuple[float | None, bool]]) -> Calibration:
    """Calibration of one-letter spans with these scores, right or wrong."""
    text = "ab" * len(spans)
    gold = [Span(2 * n, 2 * n + 1, "ORG") for n, (_, right) in enumerate(spans) if right]
    found = [Span(2 * n, 2 * n + 1, "ORG", "x", score) for n, (score, _) in enumerate(spans)]
    document = Document("d", text)
    return measure_calibration([document.with_spans(gold)], [document.with_spans(found)])


def test_bins_count_spans_scores_and_hits():
    result = measure([(0.92, True), (0.94, False), (1.0, True), (0.5, False), (None, True)])
    assert [(b.low, b.high, b.spans, b.right) for b in result.bins] == [
        (0.0, 0.5, 1, 0),
        (0.9, 0.95, 2, 1),
        (0.95, 1.0, 1, 1),
    ]
    assert result.bins[1].mean_score == pytest.approx(0.93)
    assert result.bins[1].precision == 0.5
    assert result.unscored == 1
    assert result.error == pytest.approx((0.5 + 2 * 0.43 + 0) / 4)


def test_a_bin_is_off_only_with_fifty_spans():
    assert measure([(0.9, False)] * 50).bins[0].is_off
    assert not measure([(0.9, False)] * 49).bins[0].is_off
    assert not measure([(0.9, True)] * 45 + [(0.9, False)] * 5).bins[0].is_off


def test_nothing_scored():
    result = measure([(None, True)])
    assert result.bins == () and result.error is None
    assert "1 spans have no score" in format_calibration(result)


def test_forms():
    result = measure([(0.9, False)] * 50)
    table = format_calibration(result)
    assert max(map(len, table.splitlines())) <= 80
    assert "off" in table.splitlines()[1]
    assert json.loads(json.dumps(calibration_to_dict(result)))["bins"][0]["is_off"] is True


def test_other_documents_are_refused():
    with pytest.raises(DataError):
        measure_calibration([Document("a", "x")], [Document("b", "x")])


def test_the_script(tmp_path: Path):
    text = "Ngày 12/3/2019 trời mưa."
    write_documents(tmp_path / "gold.jsonl", [Document("a", text, (Span(0, 14, "DATE"),))])
    command = [sys.executable, str(ROOT / "scripts" / "check_scores")]
    done = subprocess.run([*command, str(tmp_path / "gold.jsonl")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "expected calibration error" in done.stdout
    done = subprocess.run([*command, "no.jsonl"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "check_scores: no.jsonl: no such file; check the path\n"


def test_scores_of_sources_are_smoothed_towards_their_label():
    text = "ab" * 10
    gold = Document("d", text, tuple(Span(2 * n, 2 * n + 1, "ORG") for n in range(9)))
    found = [Span(2 * n, 2 * n + 1, "ORG", "often" if n < 8 else "rare") for n in range(10)]
    scores = fit_source_scores([gold], [gold.with_spans(found)])
    assert scores.label == {"ORG": 0.9}
    assert scores.source["often"] == pytest.approx((8 + 5 * 0.9) / 13)
    assert scores.source["rare"] == pytest.approx((1 + 5 * 0.9) / 7)
    unseen = gold.with_spans([Span(0, 1, "ORG", "new"), Span(2, 3, "DATE", "new")])
    assert [span.score for span in scores.rescore(unseen).spans] == [0.9, 0.5]


def test_scores_of_the_rules_mean_what_they_say():
    """Fitted on four fifths of the sample and checked on the last, five times."""
    gold = read_source_folder(ROOT / "datasets" / "vipol-sample" / "source")
    predicted = [one.with_spans(label_document(one)) for one in gold]
    result = cross_validate_scores(gold, predicted)
    assert sum(one.spans for one in result.bins) == sum(len(one.spans) for one in predicted)
    assert not any(one.is_off for one in result.bins)


@pytest.mark.skipif(not DEVELOPMENT.exists(), reason="../shared/corpus is absent")
def test_scores_of_the_rules_hold_on_real_texts():
    gold = list(read_documents(DEVELOPMENT, labelled=True))
    result = measure_calibration(gold, [one.with_spans(label_document(one)) for one in gold])
    assert not any(one.is_off for one in result.bins)
