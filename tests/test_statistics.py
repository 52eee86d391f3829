"""Figures of the rules, checked against spans counted by hand and by the scorer."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from annotate.cli import app
from annotate.document import Document, Span, write_documents
from annotate.errors import DataError
from annotate.prelabel import label_document
from annotate.prelabel.statistics import (
    Error,
    RuleReport,
    format_rule_report,
    measure_rules,
    rule_report_to_dict,
)

TEXTS = [
    "Đồng chí Lò Văn Thưởng, Bí thư Tỉnh ủy, ký Quyết định số 15-QĐ/TU ngày 12/3/2019.",
    "Ngày 3/2/2020, Bộ trưởng Bộ Tài chính gặp bà Hà Thị Lượt.",
]
RIGHT = [Document(f"d{n}", text) for n, text in enumerate(TEXTS)]
GOLD = [document.with_spans(label_document(document)) for document in RIGHT]


def measure(gold: list[Document]) -> RuleReport:
    return measure_rules(gold, {document.id: document for document in gold})


def test_what_is_kept_is_what_the_rules_give():
    report = measure(GOLD)
    assert report.documents == 2
    assert report.spans == sum(len(document.spans) for document in GOLD)
    assert all(one.proposed == one.kept + one.lost for one in report.rules)


def test_rules_are_never_wrong_about_their_own_output():
    report = measure(GOLD)
    assert report.missed == 0
    assert all(one.wrong == one.cost == one.lost_right == 0 for one in report.rules)
    assert all(one.precision == 1.0 for one in report.rules if one.kept)


def test_a_wrong_rule_comes_first_with_what_it_costs():
    document = GOLD[0]
    (symbol,) = [s for s in document.spans if s.label == "DOCUMENT_REF"]
    shorter = Span(symbol.start + len("Quyết định số "), symbol.end, "DOCUMENT_REF")
    truth = [s for s in document.spans if s != symbol] + [shorter]
    report = measure([document.with_spans(truth)])
    first = report.rules[0]
    assert first.source == symbol.source
    assert (first.right, first.wrong, first.precision, first.cost) == (0, 1, 0.0, 1)
    shown = document.text[symbol.start : symbol.end]
    wanted = ("DOCUMENT_REF", document.text[shorter.start : shorter.end])
    assert first.errors == (Error("d0", symbol.start, symbol.end, shown, wanted),)
    table = format_rule_report(report)
    assert "rule:document.numbered DOCUMENT_REF  in annotate/prelabel/document_ref.py" in table
    assert f"took  DOCUMENT_REF {shown}\n    gold  DOCUMENT_REF {wanted[1]}\n" in table
    (loser,) = [o for o in report.rules if o.source == "rule:document.symbol"]
    assert (loser.kept, loser.lost, loser.lost_right, loser.conflicts) == (0, 1, 1, 1)
    assert loser.precision is None


def test_what_no_rule_proposes_is_missed():
    document = Document("x", "hôm qua trời mưa", (Span(0, 7, "ORG"),))
    assert measure([document]).missed == 1


def test_without_gold_there_are_no_such_figures():
    report = measure_rules(RIGHT)
    assert report.missed is None is report.gold_documents
    assert all(one.precision is None and one.wrong is None for one in report.rules)
    assert "precision" not in json.dumps(rule_report_to_dict(report))
    assert "prec" not in format_rule_report(report)
    conflicts = [one.conflicts for one in report.rules]
    assert conflicts == sorted(conflicts, reverse=True)


@pytest.mark.parametrize("has_gold", [True, False])
def test_the_table_keeps_to_eighty_columns(has_gold: bool):
    table = format_rule_report(measure_rules(GOLD, {d.id: d for d in GOLD} if has_gold else None))
    assert max(map(len, table.splitlines())) <= 80
    assert table.startswith("2 documents, ")


def test_json_round_trips():
    report = rule_report_to_dict(measure(GOLD))
    assert json.loads(json.dumps(report)) == report
    assert {one["source"] for one in report["rules"]} >= {"rule:date.day"}


def test_a_call_for_each_document():
    seen: list[str] = []
    measure_rules(RIGHT, on_document=lambda d: seen.append(d.id))
    assert seen == ["d0", "d1"]


def test_text_that_gets_no_pre_labels_has_none_here():
    text = "The committee met on Monday 12/3/2020 to discuss the budget of the whole province."
    report = measure_rules([Document("x", text)])
    assert (report.documents, report.spans, report.rules) == (1, 0, ())


def test_precision_is_of_the_documents_with_gold():
    """Twice as many documents, the second half without gold: the same precision."""
    more = [Document(f"more-{d.id}", d.text) for d in RIGHT]
    report = measure_rules([*RIGHT, *more], {d.id: d for d in GOLD})
    assert (report.documents, report.gold_documents) == (4, 2)
    day = next(one for one in report.rules if one.source == "rule:date.day")
    assert (day.kept, day.right, day.wrong, day.precision) == (4, 2, 0, 1.0)


def test_a_wrong_span_where_gold_has_nothing():
    (first, *_) = measure([RIGHT[0]]).rules
    assert first.errors[0].gold is None


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        (Document("d0", "khác"), "document d0: its text is not that of the gold document"),
        (Document("d9", "khác"), "none of the 2 documents is among the gold ones"),
    ],
)
def test_gold_of_other_texts_is_refused(gold: Document, message: str):
    with pytest.raises(DataError, match=message):
        measure_rules(RIGHT, {gold.id: gold})


def test_long_mentions_keep_the_table_in_its_columns():
    name = "tài liệu-" * 30
    document = Document(name, RIGHT[0].text, (Span(0, 70, "PERSON"),))
    assert max(map(len, format_rule_report(measure([document])).splitlines())) <= 80


def test_the_command_takes_gold_from_a_file(tmp_path: Path):
    documents, gold = tmp_path / "docs.jsonl", tmp_path / "gold.jsonl"
    write_documents(documents, RIGHT)
    write_documents(gold, GOLD[:1])
    run = CliRunner().invoke(app, ["rules", str(documents), "--gold", str(gold)])
    assert run.exit_code == 0, run.output
    assert "2 documents, " in run.output
    assert "gold for 1: 0 of its spans no rule proposed" in run.output
