"""The rules of pre-labelling: cases, laws that hold for any text, and the lexicons."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from counting import count_calls
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import texts

from annotate.document import Document, find_edge_problem, find_illegal, sort_spans
from annotate.errors import DataError
from annotate.markup import format_markup, parse_markup
from annotate.prelabel import RULES_VERSION, label_document
from annotate.prelabel.chart import build_chart, join_wrapped
from annotate.prelabel.lexicon import (
    FOLDER,
    WORD_CLASSES,
    expand_braces,
    load_lexicon,
    read_lexicon,
    read_lexicons,
)
from annotate.prelabel.org import find_orgs
from annotate.prelabel.score import load_scores
from annotate.text import fold

CASES = Path(__file__).parent / "cases" / "prelabel.txt"


def read_cases() -> Iterator[tuple[int, str, bool]]:
    """Line number, mark-up and whether the case is a known failure."""
    for number, line in enumerate(CASES.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line.removeprefix("! ").replace("\\n", "\n"), line.startswith("! ")


def label(text: str) -> str:
    return format_markup(text, label_document(Document("case", text)))


@pytest.mark.parametrize(
    ("markup", "fails"), [pytest.param(m, f, id=f"line-{n}") for n, m, f in read_cases()]
)
def test_case(markup: str, fails: bool) -> None:
    text, spans = parse_markup(markup, str(CASES))
    if fails:
        assert label(text) != format_markup(text, spans), "a known failure is solved: drop its mark"
    else:
        assert label(text) == format_markup(text, spans)


def check_legal(text: str) -> None:
    spans = label_document(Document("any", text))
    assert find_illegal(text, spans) is None
    assert spans == sort_spans(spans)
    for span in spans:
        assert find_edge_problem(text, span) is None
        assert span.source and span.source.split(":")[0] in ("rule", "lexicon")
        assert span.score is not None and 0 <= span.score <= 1
        assert "\n" not in join_wrapped(text)[span.start : span.end]


@given(texts())
def test_spans_of_any_text_are_legal(text: str) -> None:
    check_legal(text)


@given(st.text(max_size=200))
def test_spans_of_any_characters_are_legal(text: str) -> None:
    check_legal(text)


HEADS = st.sampled_from(sorted({entry.text for entry in read_lexicons()}))
GLUE = st.sampled_from([" ", " ", " ", ", ", " và ", " của ", "\n", " - ", "/", " (", ") ", ". "])


@settings(max_examples=300)
@given(st.lists(st.tuples(HEADS, GLUE), min_size=1, max_size=12))
def test_spans_of_lexicon_entries_in_any_order_are_legal(pieces: list[tuple[str, str]]) -> None:
    check_legal("".join(entry + glue for entry, glue in pieces))


@given(texts())
def test_labels_do_not_depend_on_incoming_spans_or_look_alikes(text: str) -> None:
    spans = label_document(Document("a", text))
    assert label_document(Document("b", text, spans)) == spans
    lookalike = text.replace("Đ", "Ð")
    assert [s.key for s in label_document(Document("c", lookalike))] == [s.key for s in spans]


def test_other_text_gets_no_spans() -> None:
    for text in (
        "Η Βουλή συνεδριάζει σήμερα.",
        "国务院总理发表讲话。",
        "lorem ipsum dolor sit amet " * 20,
        "\x01\x02\ufffd\x7f" * 100,
        "TÝnh ®Õn nay, §¶ng bé x· ®· kÕt n¹p",
        " \n\t ",
    ):
        assert label_document(Document("other", text)) == ()


@pytest.mark.parametrize(
    "piece",
    [
        ", ",
        "(",
        "[]()",
        "Nguyễn ",
        "Hội đồng ",
        "Đảng ủy Khối ",
        "Bộ Tài chính và ",
        "Chủ tịch Ban của ",
        "Luật ",
        "Điều 1, ",
        "cuốn sách “",
        "1/1/",
        "Việt Nam - ",
        "A.",
        "H'",
        "Bộ A (AB) ",
        "TRƯỞNG CÁC PHÒNG ",
        "năm 2019, ",
    ],
)
def test_cost_is_linear(piece: str) -> None:
    label_document(Document("warm", "Đảng"))
    small, large = (
        count_calls(lambda n=n: label_document(Document("cost", piece * n))) for n in (400, 1600)
    )
    assert large < 4.4 * small


def test_matching_is_linear_in_nested_entries() -> None:
    text = "Ban Chấp hành Trung ương Đảng Cộng sản Việt Nam " * 200
    chart = build_chart(text)
    assert sum(map(len, chart.begun.values())) < 12 * len(chart)


def test_deep_chain_of_bodies_needs_no_recursion() -> None:
    label_document(Document("deep", "Văn phòng " * 5000))


def test_version_and_scores() -> None:
    assert RULES_VERSION
    scores = load_scores()
    assert all(0 <= value <= 1 for value in scores.values())
    assert {"PERSON", "POSITION", "ORG", "DOCUMENT_REF", "DATE", "rule:date.day"} <= scores.keys()


# --- lexicons ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_lexicon_file_loads_and_can_be_read_by_people(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert not [line for line in lines if len(line) > 120 and ";" in line and line[0] != "#"]
    assert read_lexicon(path)


SINCE_2025 = """An Giang; Bắc Ninh; Cà Mau; Cao Bằng; Cần Thơ; Đà Nẵng; Đắk Lắk; Điện Biên;
Đồng Nai; Đồng Tháp; Gia Lai; Hà Nội; Hà Tĩnh; Hải Phòng; Huế; Hưng Yên; Khánh Hòa; Lai Châu;
Lạng Sơn; Lào Cai; Lâm Đồng; Nghệ An; Ninh Bình; Phú Thọ; Quảng Ngãi; Quảng Ninh; Quảng Trị; Sơn La;
Tây Ninh; Thái Nguyên; Thanh Hóa; thành phố Hồ Chí Minh; Tuyên Quang; Vĩnh Long"""
UNTIL_2025 = """Bà Rịa - Vũng Tàu; Bạc Liêu; Bắc Giang; Bắc Kạn; Bến Tre; Bình Dương; Bình Định;
Bình Phước; Bình Thuận; Đắk Nông; Hà Giang; Hà Nam; Hải Dương; Hậu Giang; Hòa Bình; Kiên Giang;
Kon Tum; Long An; Nam Định; Ninh Thuận; Phú Yên; Quảng Bình; Quảng Nam; Sóc Trăng; Thái Bình;
Tiền Giang; Trà Vinh; Vĩnh Phúc; Yên Bái"""


@pytest.mark.parametrize(
    ("names", "number", "place"), [(SINCE_2025, 34, 0), (UNTIL_2025, 29, 1)], ids=["since", "until"]
)
def test_provinces_since_and_until_july_2025_are_lists_of_their_own(
    names: str, number: int, place: int
) -> None:
    wanted = {" ".join(name.split()) for name in names.split(";")}
    sections = (FOLDER / "places.txt").read_text(encoding="utf-8").split("[province]\n")[1:]
    patterns = sections[place].split("\n\n")[0].replace("\n", ";").split(";")
    found = {text for one in patterns for text in expand_braces(one.strip(), "here")}
    assert len(wanted) == number
    assert wanted <= found


def test_lexicon_is_compiled_with_every_class() -> None:
    lexicon = load_lexicon()
    classes = {entry.label for entry in read_lexicons()}
    assert classes == set(lexicon.classes) | WORD_CLASSES


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("# Source: x\n[body]\nBan {a|b\n", 3, "a brace without its pair"),
        ("# Source: x\nBan Bí thư\n", 2, "an entry before any section"),
        ("# Source: x\n[Body 1]\nBan\n", 2, "is no section"),
        ("# Source: x\n[body]\nBan; {|}\n", 3, "an empty entry"),
        ("# x\n\n[body]\nBan\n", 3, "[body] does not say where its entries come from"),
        ("# Source:\n[body]\nBan\n", 2, "[body] does not say where its entries come from"),
    ],
)
def test_lexicon_error_names_file_and_line(
    tmp_path: Path, content: str, line: int, reason: str
) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_lexicon(path)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert reason in str(error.value)


def test_lexicon_that_is_no_utf8_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "old.txt"
    path.write_bytes(b"# x\n[body]\n\xc7\xe5\n")
    with pytest.raises(DataError, match=r"old\.txt:3: not UTF-8 at byte 11"):
        read_lexicon(path)
    with pytest.raises(DataError, match=r"none\.txt: cannot be read"):
        read_lexicon(tmp_path / "none.txt")


def test_braces_expand_to_all_choices() -> None:
    assert list(expand_braces("{a|b} c{ d|}", "x")) == ["a c d", "a c", "b c d", "b c"]


@given(st.sampled_from(sorted({e.text for e in read_lexicons() if e.label == "body"})))
def test_every_named_body_is_found_where_it_stands(name: str) -> None:
    text = f"Theo {name}."
    start = len("Theo ")
    assert fold(text)[start : start + len(name)] == fold(name)
    places = [(s.start, s.end) for s in label_document(Document("body", text)) if s.label == "ORG"]
    assert (start, start + len(name)) in places


def test_a_chain_of_bodies_without_end_is_cut() -> None:
    orgs = find_orgs(build_chart("BAN CHẤP HÀNH TRUNG ƯƠNG " * 200))
    assert orgs
    assert max(org.end - org.start for org in orgs) <= 80


def test_laws_that_amend_laws_need_no_recursion_without_end() -> None:
    text = "Luật sửa đổi, bổ sung một số điều của " * 1500 + "Luật Đất đai"
    assert label_document(Document("amended", text))
