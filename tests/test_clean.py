import json
import tomllib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.clean import clean_page, clean_text, normalise
from annotate.clean.furniture import furniture_kind
from annotate.errors import DataError
from annotate.markup import read_source
from annotate.readers import RawPage, read_pages

SAMPLE = Path(__file__).parents[1] / "datasets" / "vipol-sample"
SHARED = Path(__file__).parents[2] / "shared" / "corpus"
PAGES = sorted((SAMPLE / "raw").glob("*.txt"))
REAL_PAGES = sorted((SHARED / "raw").glob("*.txt"))
LINES = tomllib.loads((Path(__file__).parent / "cases" / "page_lines.toml").read_text("utf-8"))


def filled_lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_sample_page_gives_exactly_the_labelled_article(page: Path) -> None:
    """The labelled text was written apart from the page, so this is a full check of both."""
    source = read_source(SAMPLE / "source" / page.name)
    cleaned = clean_text(page.read_bytes().decode())
    assert cleaned.text == source.text
    assert cleaned.title == source.meta["title"]
    assert cleaned.byline == source.meta.get("byline")
    if cleaned.published:
        assert cleaned.published == source.meta["published"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_sample_page_loses_is_what_its_notes_call_furniture(page: Path) -> None:
    notes = json.loads(page.with_suffix(".json").read_text("utf-8"))
    cleaned = clean_text(page.read_bytes().decode())
    assert sorted({line.text for line in cleaned.removed}) == sorted(set(notes["furniture"]))
    assert (cleaned.title, cleaned.published, cleaned.byline) == (
        notes["title"],
        notes["published"],
        notes["byline"],
    )


def test_a_labelled_article_loses_nothing() -> None:
    """What is an article already stays whole, all its captions, sources and signatures too."""
    for source in sorted((SAMPLE / "source").glob("*.txt")):
        assert clean_text(read_source(source).text).removed == ()


@pytest.mark.parametrize(
    ("kind", "line"), [(kind, line) for kind, lines in LINES["furniture"].items() for line in lines]
)
def test_lines_of_furniture(kind: str, line: str) -> None:
    found = furniture_kind(line)
    assert found is not None
    assert found.value == kind


@pytest.mark.parametrize("gap", ["\n", "\n\n"], ids=["tight", "spaced"])
@pytest.mark.parametrize("line", LINES["article"]["lines"])
def test_lines_that_stay_inside_an_article(line: str, gap: str) -> None:
    text = gap.join([TITLE, LONG, line, LONG])
    assert clean_text(text).text == text


@pytest.mark.skipif(not REAL_PAGES, reason="../shared/corpus is not here")
@pytest.mark.parametrize("page", REAL_PAGES, ids=lambda page: page.stem)
def test_real_pages_lose_furniture_and_nothing_else(page: Path) -> None:
    wanted = json.loads((SHARED / "cleaning.json").read_text())[page.stem]
    raw = page.read_text()
    cleaned = clean_text(raw)
    furniture = set(wanted["furniture"])
    article = [line for line in filled_lines(normalise(raw)) if line not in furniture]
    kept = filled_lines(cleaned.text)
    assert [line for line in kept if line not in furniture] == article
    left = [line for line in kept if line in furniture]
    there = [line for line in filled_lines(normalise(raw)) if line in furniture]
    assert len(left) <= 0.1 * len(there)
    assert (cleaned.title, cleaned.published, cleaned.byline) == (
        wanted["title"],
        wanted["published"],
        wanted["byline"],
    )


def test_every_line_is_kept_or_reported() -> None:
    for page in PAGES:
        raw = page.read_bytes().decode()
        cleaned = clean_text(raw)
        removed = [line.text for line in cleaned.removed]
        assert sorted(filled_lines(cleaned.text) + removed) == sorted(filled_lines(normalise(raw)))


@given(st.text())
def test_any_text_comes_out_in_nfc_without_a_crash(raw: str) -> None:
    cleaned = clean_text(raw)
    assert unicodedata.is_normalized("NFC", cleaned.text)
    cleaned.text.encode()
    assert "\0" not in cleaned.text


@given(st.text())
def test_cleaning_characters_twice_changes_nothing(raw: str) -> None:
    assert normalise(normalise(raw)) == normalise(raw)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("u\u0309y ban", "ủy ban"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("Hà\u00a0Nội\u200b", "Hà Nội"),
        ("\ufeffMột", "Một"),
        ("co\u00adoperation", "cooperation"),
        ("Một\x00hai", "Mộthai"),
    ],
)
def test_characters(raw: str, text: str) -> None:
    assert normalise(raw) == text


TITLE = "Huyện Sơn Hà họp bàn việc xây cầu"
LONG = (
    "Sáng nay, hội nghị đã thảo luận nhiều nội dung quan trọng và thông qua chương trình hành động "
    "của năm tới với sự nhất trí cao của tất cả các đại biểu có mặt."
)
BODY = "Sáng nay, hội nghị đã thảo luận nhiều nội dung quan trọng và thông qua chương trình."


@pytest.mark.parametrize(
    ("line", "iso"),
    [
        ("Thứ ba, 18/10/2022 16:05", "2022-10-18T16:05"),
        ("Thứ Tư, 6/3/2019 07:15'(GMT+7)", "2019-03-06T07:15+07:00"),
        ("05-03-2019, 09:40", "2019-03-05T09:40"),
        ("Cập nhật lúc 09:05 ngày 5/3/2019", "2019-03-05T09:05"),
        ("2019-03-05 14:20", "2019-03-05T14:20"),
        ("Ngày 5 tháng 3 năm 2019", "2019-03-05"),
        ("10:32 | 13/10/2022", "2022-10-13T10:32"),
        ("13/10/2022 3:05 PM", "2022-10-13T15:05"),
        ("Ngày đăng: 21/04/2022 | Lượt xem: 3.417", "2022-04-21"),
        ("Lượt xem: 7370 | Gửi lúc: 05/12/2013 15:42:27", "2013-12-05T15:42"),
        ("Thứ Hai, 25/08/2014 09:16 - In bài viết", "2014-08-25T09:16"),
        ("SHO - Thứ Tư, 24/03/2010, 20:15", "2010-03-24T20:15"),
        ("Chính trị | 06/6/2024, 19:48 GMT+7", "2024-06-06T19:48+07:00"),
        ("Minh Lộc | Thứ Năm, 06/6/2024, 19:48", "2024-06-06T19:48"),
        ("13 Tháng 10, 2022 - 10:32", "2022-10-13T10:32"),
        ("13/10/2022 12:05 SA", "2022-10-13T00:05"),
        ("13/10/2022 10:32 UTC-3:30", "2022-10-13T10:32-03:30"),
        ("(Cập nhật: 29-07-2016)", "2016-07-29"),
        ("Đồng Mai, ngày 3 tháng 2 năm 2020", None),
        ("31/02/2022 10:00", None),
        ("Hội nghị ngày 13/10/2022 tại xã Đồng Mai bàn việc", None),
    ],
)
def test_date_lines(line: str, iso: str | None) -> None:
    cleaned = clean_text(f"Huyện Sơn Hà họp bàn việc xây cầu\n{line}\n{BODY}")
    assert cleaned.published == iso
    assert line in cleaned.text


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Thu Hà", "Thu Hà"),
        ("THU HÀ", "THU HÀ"),
        ("Tin, ảnh: Minh Lộc", "Minh Lộc"),
        ("Bài và ảnh: Minh Lộc", "Minh Lộc"),
        ("Minh Lộc/TTXVN", "Minh Lộc/TTXVN"),
        ("Minh Lộc - Thu Hà", "Minh Lộc - Thu Hà"),
        ("H.Y (tổng hợp)", "H.Y"),
        ("Đại Hồng Dương ghi", "Đại Hồng Dương"),
        ("Trần Lê (từ Sơn Hà)", "Trần Lê"),
        ("Hạnh Nguyên (TTXVN/Vietnam+)", "Hạnh Nguyên (TTXVN/Vietnam+)"),
        ("Hoàng Tú (Báo Sơn Hà)", "Hoàng Tú (Báo Sơn Hà)"),
        ("Vũ Hoài - Tấn Phong/TTXVN", "Vũ Hoài - Tấn Phong/TTXVN"),
        ("T.HẠ - N.ÂN", "T.HẠ - N.ÂN"),
        ("Y Krông", "Y Krông"),
        ("H'Yuôn Êba", "H'Yuôn Êba"),
        ("Trường Giang", "Trường Giang"),
        ("Theo Minh Lộc/TTXVN", "Minh Lộc/TTXVN"),
        ("P.V", "P.V"),
        ("Theo Nhân Dân", None),
        ("Đồng Mai (Sơn Hà)", None),
        ("UBND TỈNH SƠN HÀ", None),
        ("Quảng Trị", None),
        ("Kinh Tế", None),
        ("Ban Biên tập", None),
        ("Ảnh: Quang cảnh cuộc họp", None),
    ],
)
def test_bylines(line: str, name: str | None) -> None:
    assert clean_text(f"Huyện Sơn Hà họp bàn việc xây cầu\n{BODY}\n{line}").byline == name


@pytest.mark.parametrize(
    ("head", "title", "left"),
    [
        (f"{TITLE}\n05/3/2019 09:40", TITLE, f"{TITLE}\n05/3/2019 09:40"),
        (f"05/3/2019 09:40\n{TITLE}", TITLE, f"05/3/2019 09:40\n{TITLE}"),
        (f"Ban Dân vận huyện\n05/3/2019 09:40\n{TITLE}", TITLE, f"05/3/2019 09:40\n{TITLE}"),
        (f"Thứ hai, 9/9/2024\n05/3/2019 09:40\n{TITLE}", TITLE, f"05/3/2019 09:40\n{TITLE}"),
        (f"{TITLE} - Báo Sơn Hà\nThời sự\n{TITLE}", TITLE, TITLE),
        (f"Báo Sơn Hà Online\nThời sự > Huyện\n\n{TITLE}", TITLE, TITLE),
        (f"Tin nhanh trong ngày hôm nay của huyện\nTrang chủ > Huyện\n{TITLE}", TITLE, None),
        (TITLE.upper(), TITLE.upper(), TITLE.upper()),
        (
            "Vì sao xã Đồng Mai chưa có cầu qua sông?",
            "Vì sao xã Đồng Mai chưa có cầu qua sông?",
            None,
        ),
        (f"Chuyện bên sông:\n{TITLE}", TITLE, f"Chuyện bên sông:\n{TITLE}"),
        ("Trang chủ\nThời sự\n05/3/2019", None, "05/3/2019"),
    ],
)
def test_above_the_article(head: str, title: str | None, left: str | None) -> None:
    """`left` is what stays above the first sentence; None: all of it."""
    cleaned = clean_text(f"{head}\n\n{LONG}\n{LONG}")
    assert cleaned.title == title
    if left is not None:
        assert cleaned.text == f"{left}\n\n{LONG}\n{LONG}"


@pytest.mark.parametrize(
    "lines",
    [
        ["Huyện Sơn Hà tổng kết năm cũ,", "triển khai năm mới"],
        ["Huyện Sơn Hà tổng kết công tác", "của năm cũ và triển khai năm mới"],
        ["HUYỆN SƠN HÀ HỌP BÀN", "VIỆC XÂY CẦU VÀ LÀM ĐƯỜNG"],
    ],
)
def test_a_headline_of_two_lines(lines: list[str]) -> None:
    head = "\n".join(lines)
    cleaned = clean_text(f"Thời sự\nTrang chủ\n{head}\n05/3/2019 09:40\n{LONG}")
    assert cleaned.title == " ".join(lines)
    assert cleaned.text == f"{head}\n05/3/2019 09:40\n{LONG}"


@pytest.mark.parametrize(
    ("tail", "left"),
    [
        ("Minh Lộc\nBanner\nChính sách\ndành cho bạn đọc\nTop", "Minh Lộc"),
        ("Minh Lộc\nẢnh: Thu Hà\nChia sẻ\nTin nhanh", "Minh Lộc\nẢnh: Thu Hà"),
        ("Minh Lộc\nQuang cảnh hội nghị\nChia sẻ", "Minh Lộc\nQuang cảnh hội nghị"),
        ("Minh Lộc\nQuang cảnh hội nghị", "Minh Lộc\nQuang cảnh hội nghị"),
        (f"Minh Lộc\nTin liên quan\nTin A\n{LONG}", "Minh Lộc"),
        (f"Minh Lộc\nBình luận (2)\nhai_son: {LONG}\nTrả lời", "Minh Lộc"),
        ("Thu Hà\nCác tin khác:\n- Tin A (12/7)\n\n- Tin B (11/7)", "Thu Hà"),
        ("Tags: cầu\nTin A\nTin B", ""),
        (
            "TM. ỦY BAN NHÂN DÂN\nCHỦ TỊCH\nLê Tố Nga\nNơi nhận:\n- Như trên;\nIn trang\nQuay lại",
            "TM. ỦY BAN NHÂN DÂN\nCHỦ TỊCH\nLê Tố Nga\nNơi nhận:\n- Như trên;",
        ),
        ("Thu Hà\nĐăng ngày 12/3/2020\nChia sẻ", "Thu Hà\nĐăng ngày 12/3/2020"),
    ],
)
def test_below_the_article(tail: str, left: str) -> None:
    article = f"{TITLE}\n{LONG}\n{LONG}\n{LONG}"
    assert clean_text(f"{article}\n{tail}").text == f"{article}\n{left}".strip()


@pytest.mark.parametrize(
    ("inside", "left"),
    [
        ("Tin liên quan\nTin A về cây cầu mới\nTin B về con đường", ""),
        (">> Tin A\n>> Tin B", ""),
        ("Tin liên quan\n\nMột tiểu mục", "Một tiểu mục"),
        ("Quảng cáo\nVay ngay hôm nay\nHết quảng cáo", ""),
        ("Tin liên quan\n\n1. Về cây cầu", "1. Về cây cầu"),
        ("Tin liên quan\n- Tin A (12/7)\n\n- Tin B (11/7)", ""),
        (
            "Đọc thêm\n\nThu Hà: Dạ thưa ông, bao giờ thì xong?",
            "Thu Hà: Dạ thưa ông, bao giờ thì xong?",
        ),
    ],
)
def test_inside_the_article(inside: str, left: str) -> None:
    cleaned = clean_text(f"{TITLE}\n\n{LONG}\n\n{inside}\n\n{LONG}")
    wanted = [TITLE, LONG, left, LONG] if left else [TITLE, LONG, LONG]
    assert filled_lines(cleaned.text) == wanted


def test_a_byline_above_the_text_and_the_writer_beside_the_date() -> None:
    assert clean_text(f"{TITLE}\nThu Hà\n{LONG}\n{LONG}").byline == "Thu Hà"
    assert clean_text(f"{TITLE}\nThu Hà | 12/3/2020\n{LONG}\n{LONG}").byline == "Thu Hà"


def test_a_signature_and_a_speaker_are_no_authors() -> None:
    assert clean_text(f"{TITLE}\n{LONG}\nCHỦ TỊCH\nLê Tố Nga").byline is None
    assert clean_text(f"{TITLE}\n{LONG}\nLê Tố Nga\n{BODY}\n{BODY}").byline is None


@pytest.mark.parametrize("raw", ["", "\n\n", " \t\r\n ", "\ufeff"])
def test_nothing(raw: str) -> None:
    cleaned = clean_text(raw)
    assert (cleaned.text, cleaned.title, cleaned.removed) == ("", None, ())


def test_one_line_of_a_million_characters_stays() -> None:
    line = "Đảng bộ xã họp bàn việc nước sạch, bầu cử, thu chi và trường lớp. " * 16_000
    assert clean_text(line).text == line.rstrip()


def test_the_form_of_a_page_does_not_matter() -> None:
    page = f"Trang chủ\n{TITLE}\n05/3/2019 09:40\n{LONG}\nThu Hà\nChia sẻ\nTin A"
    plain = clean_text(page)
    assert plain.text == f"{TITLE}\n05/3/2019 09:40\n{LONG}\nThu Hà"
    assert clean_text(unicodedata.normalize("NFD", page)) == plain
    assert clean_text(page.replace("\n", "\r\n")) == plain
    assert clean_text("\ufeff" + page.replace("\n", " \t\n")) == plain


def test_tabs_inside_a_line_stay() -> None:
    table = "1\tLê Tố Nga\tChủ tịch"
    assert table in clean_text(f"{TITLE}\n{LONG}\n{table}\n{LONG}").text


def test_an_article_without_furniture_stays_whole() -> None:
    text = f"{BODY}\nMột tiểu mục\n{BODY}"
    assert clean_text(text).text == text


def test_a_formal_document_keeps_its_end() -> None:
    end = "Nơi nhận:\n- Như Điều 3;\n- Lưu: VT.\nTM. ỦY BAN NHÂN DÂN\nCHỦ TỊCH\nLê Tố Nga"
    text = f"THÔNG BÁO VỀ VIỆC NGHỈ TẾT\n\n{BODY}\n{end}"
    assert clean_text(text + "\nTrang chủ\nLiên hệ").text == text


def test_meta_of_the_page_wins() -> None:
    document, _ = clean_page(RawPage("d", BODY, {"title": "Tin", "source": "báo xã"}))
    assert document is not None
    assert document.meta == {"title": "Tin", "source": "báo xã"}


def test_a_page_of_furniture_gives_no_document() -> None:
    document, cleaned = clean_page(RawPage("d", "Trang chủ\nimg\n"))
    assert document is None
    assert [line.text for line in cleaned.removed] == ["Trang chủ", "img"]


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_reading_folders_and_encodings(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "Một".encode("utf-16"))
    write(tmp_path / "a.txt", "\ufeffHai")
    write(tmp_path / "c.jsonl", '{"id": "x", "text": "Ba", "meta": {"url": "u"}}\n')
    write(tmp_path / "skipped.png", b"")
    assert [(p.id, p.text, p.meta) for p in read_pages([tmp_path])] == [
        ("a", "Hai", {}),
        ("b", "Một", {}),
        ("x", "Ba", {"url": "u"}),
    ]


def test_many_articles_in_a_folder_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    names = [f"{number:04}" for number in range(500)]
    for name in reversed(names):
        write(tmp_path / f"{name}.txt", f"{TITLE} {name}\n{LONG}")
    documents = [clean_page(page)[0] for page in read_pages([tmp_path])]
    assert [document.id for document in documents if document] == names


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"\xb5\xe8\xff", "not UTF-8 at byte 0; convert"),
        ("a.pdf", b"x", "unknown kind of file '.pdf'"),
        ("a.jsonl", b"", "holds no documents"),
        ("a.jsonl", b"{", ":1: not JSON"),
        ("a.jsonl", b'{"id": "x"}', ":1: 'text' is missing"),
        ("a.jsonl", b'{"id": "x", "text": "a", "entities": [1]}', "has entities; cleaning would"),
    ],
)
def test_inputs_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DataError) as caught:
        list(read_pages([path]))
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_missing_empty_and_twice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(read_pages([tmp_path / "none.txt"]))
    with pytest.raises(DataError, match="holds no"):
        list(read_pages([tmp_path]))
    page = write(tmp_path / "a.txt", "Một")
    with pytest.raises(DataError, match="'a' stood already in"):
        list(read_pages([page, page]))


def test_a_tone_typed_before_the_mark_of_its_vowel_is_composed() -> None:
    """As in the text of some PDF files; NFC alone leaves the letter in two pieces."""
    page = "Đồng chí Nguyễn Tấn Dũng, Trần Văn Lực dự họp ở Huyện ủy Sơn Hà."
    typed = page.replace("ấ", "a\u0301\u0302").replace("ễ", "e\u0303\u0302")
    assert unicodedata.normalize("NFC", typed) != page
    assert clean_text(typed) == clean_text(page)
