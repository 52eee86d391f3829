"""The account of what the rules did: complete, in the terminal and as a page."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from annotate.cli import app
from annotate.document import Document, Span, write_documents
from annotate.prelabel import label_document
from annotate.prelabel.explain import (
    Judge,
    explain_document,
    explanation_to_html,
    format_explanation,
    home_of,
)
from annotate.prelabel.score import load_scores
from annotate.scheme import LABELS

TEXT = (
    "Ngày 12/3/2019, đồng chí Lò Văn Thưởng, Phó Trưởng Ban Tổ chức Tỉnh ủy, ký Quyết định số "
    "15-QĐ/TU.\nThủ tướng <b>gặp</b> bà Hà Thị Lượt & Bộ trưởng Bộ Tài chính."
)
DOCUMENT = Document("doc-1", TEXT)


def test_every_span_is_explained():
    explanation = explain_document(DOCUMENT)
    assert tuple(one.span for one in explanation.kept) == label_document(DOCUMENT)
    assert all(TEXT[o.span.start : o.span.end] == o.mention for o in explanation.kept)
    assert all(one.span.source and one.span.score is not None for one in explanation.kept)


def test_every_loser_has_a_reason_and_a_winner():
    explanation = explain_document(DOCUMENT)
    kept = {one.span.key for one in explanation.kept}
    assert explanation.lost
    for lost in explanation.lost:
        assert lost.span.key not in kept
        assert lost.reason
        assert lost.winner is None or lost.winner.key in kept


def test_the_losing_symbol_names_its_number():
    lost = [o for o in explain_document(DOCUMENT).lost if o.mention == "15-QĐ/TU"]
    assert [(o.span.label, o.winner and TEXT[o.winner.start : o.winner.end]) for o in lost] == [
        ("DOCUMENT_REF", "Quyết định số 15-QĐ/TU")
    ]
    assert lost[0].reason == "lies in the DOCUMENT_REF, which may hold no DOCUMENT_REF"


def test_evidence_names_file_and_line():
    explanation = explain_document(DOCUMENT)
    (one,) = [o for o in explanation.kept if o.mention == "Quyết định số 15-QĐ/TU"]
    assert any(
        re.fullmatch(r"documents\.txt:\d+ \[doc\.type\] Quyết định", e) for e in one.evidence
    )


def test_evidence_of_a_person_is_the_word_before_it_and_the_family_name():
    explanation = explain_document(DOCUMENT)
    (one,) = [o for o in explanation.kept if o.mention == "Hà Thị Lượt"]
    found = [re.sub(r":\d+", "", entry) for entry in one.evidence]
    assert found == ["persons.txt [honorific] bà", "persons.txt [surname] Hà"]


def test_evidence_is_of_the_kind_of_the_label():
    for one in explain_document(DOCUMENT).kept:
        if one.span.label in ("ORG", "DATE"):
            assert not [e for e in one.evidence if re.search(r"\[(title|doc|treaty|statute)", e)]


def test_the_account_ends_with_the_files_of_the_rules():
    *_, end = shown = format_explanation(explain_document(DOCUMENT)).splitlines()
    assert any(line.startswith("annotate/prelabel/person.py: rule:person.") for line in shown)
    assert end.startswith("lexicons: annotate/prelabel/lexicons/; ")
    folder = Path(__file__).parents[1]
    for rule in load_scores():
        if ":" in rule:
            assert (folder / home_of(rule)).is_file(), rule


def test_every_line_of_the_text_stands_above_its_spans():
    text = "Hôm qua trời mưa.\n\nThủ tướng gặp bà Hà Thị Lượt.\nKhông có gì."
    shown = format_explanation(explain_document(Document("x", text))).split("\n\n")[1:-1]
    first, second, third = shown
    assert first == "Hôm qua trời mưa."
    assert second.splitlines()[0] == "Thủ tướng gặp bà Hà Thị Lượt."
    assert "  PERSON Hà Thị Lượt  rule:person." in second
    assert third == "Không có gì."


def test_text_that_gets_no_pre_labels_is_named():
    text = "The committee met on Monday 12/3/2020 to discuss the budget of the whole province."
    explanation = explain_document(Document("x", text))
    warning = "looks like text in another language than Vietnamese. vipol prelabel gives it no"
    assert warning in " ".join(format_explanation(explanation).split())
    assert warning in explanation_to_html(explanation)
    assert "role=" not in explanation_to_html(explain_document(DOCUMENT))


SPANS = (Span(0, 10, "POSITION"), Span(4, 10, "ORG"), Span(20, 30, "ORG"))
REASONS = [
    (Span(0, 10, "ORG"), "the same place, taken as POSITION", SPANS[0]),
    (Span(0, 10, "POSITION"), "the same span by another rule", SPANS[0]),
    (Span(5, 15, "ORG"), "crosses the POSITION", SPANS[0]),
    (Span(15, 40, "ORG"), "holds the ORG that was kept", SPANS[2]),
    (Span(22, 25, "ORG"), "lies in the ORG, which may hold no ORG", SPANS[2]),
    (Span(5, 9, "ORG"), "overlaps the inner ORG", SPANS[1]),
    (Span(0, 3, "ORG"), "lies in the POSITION, whose rule found no ORG", SPANS[0]),
    (Span(12, 15, "DATE"), "put aside by another rule", None),
    (Span(10, 15, "DATE"), "begins or ends with white space", None),
]


@pytest.mark.parametrize(("span", "reason", "winner"), REASONS)
def test_reasons(span: Span, reason: str, winner: Span | None):
    text = "abcdefghij klmnopqrs tuvwxyzabcdefghijklmno"
    assert Judge(text, SPANS).why_lost(span) == (reason, winner)


def test_the_terminal_gets_eighty_columns_and_no_colour_unless_asked():
    plain = format_explanation(explain_document(DOCUMENT))
    assert max(map(len, plain.splitlines())) <= 80
    assert "\x1b" not in plain
    assert plain.startswith("doc-1: ")
    coloured = format_explanation(explain_document(DOCUMENT), colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.titles, self.loads, self.depth = "", [], [], 0
        self._inside = 0

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.loads += [named[key] for key in ("src", "href") if key in named]
        if tag == "div" and named.get("class") == "text":
            self._inside = 1
        if tag == "mark":
            self.titles.append(named["title"])
            self.depth += 1

    def handle_endtag(self, tag):
        self._inside -= tag == "div"
        self.depth -= tag == "mark"

    def handle_data(self, data):
        if self._inside == 1:
            self.text += data


def test_the_page_holds_the_text_the_spans_and_nothing_from_elsewhere():
    explanation = explain_document(DOCUMENT)
    source = explanation_to_html(explanation)
    page = _Page()
    page.feed(source)
    assert page.text == TEXT
    assert page.depth == 0
    assert len(page.titles) == len(explanation.kept)
    assert not page.loads
    assert all(label.colour in source for label in LABELS)
    for one, title in zip(explanation.kept, page.titles, strict=True):
        assert one.span.source and one.span.source in title


WORDS = st.sampled_from(
    ["Bí thư", "Tỉnh ủy", "Ban", "Lò Văn Thưởng", "ngày 3/2", "số 5-NQ/TW", "và", "<", "&", "\n"]
)


@settings(max_examples=50, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=30).map(" ".join))
def test_any_text_is_explained_whole(text: str):
    explanation = explain_document(Document("x", text))
    assert tuple(one.span for one in explanation.kept) == label_document(Document("x", text))
    page = _Page()
    page.feed(explanation_to_html(explanation))
    assert page.text == text
    assert max(map(len, format_explanation(explanation).splitlines())) <= 80


def test_the_command_names_documents_that_there_are(tmp_path: Path):
    path = tmp_path / "docs.jsonl"
    write_documents(path, [DOCUMENT])
    run = CliRunner().invoke(app, ["explain", str(path), "--document", "doc-1"])
    assert run.output == format_explanation(explain_document(DOCUMENT))
    run = CliRunner().invoke(app, ["explain", str(path), "--document", "none"])
    assert str(run.exception) == f"{path}: holds no document 'none'; it has doc-1"
