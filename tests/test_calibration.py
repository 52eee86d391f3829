"""Observed precision against score, counted by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from annotate.document import Document, Span, write_documents
from annotate.errors import DataError
from baselines.calibration import (
    Calibration,
    calibration_to_dict,
    format_calibration,
    measure_calibration,
)

ROOT = Path(__file__).parents[1]


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
