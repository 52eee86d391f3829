import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.clean import clean_page, clean_text, normalise
from annotate.errors import DataError
from annotate.markup import read_source
from annotate.readers import RawPage, read_pages

SAMPLE = Path(__file__).parents[1] / "datasets" / "vipol-sample"
SHARED = Path(__file__).parents[2] / "shared" / "corpus"
PAGES = sorted((SAMPLE / "raw").glob("*.txt"))
REAL_PAGES = sorted((SHARED / "raw").glob("*.txt"))


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
        assert cleaned.published[:10] == source.meta["published"][:10]


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


BODY = "Sáng nay, hội nghị đã thảo luận nhiều nội dung quan trọng và thông qua chương trình."


@pytest.mark.parametrize(
    ("line", "iso"),
    [
        ("Thứ năm, 13/10/2022 10:32", "2022-10-13T10:32"),
        ("Thứ Hai, 4/1/2021 18:59'(GMT+7)", "2021-01-04T18:59+07:00"),
        ("05-03-2019, 09:40", "2019-03-05T09:40"),
        ("Cập nhật lúc 09:05 ngày 5/3/2019", "2019-03-05T09:05"),
        ("2019-03-05 14:20", "2019-03-05T14:20"),
        ("Ngày 5 tháng 3 năm 2019", "2019-03-05"),
        ("10:32 | 13/10/2022", "2022-10-13T10:32"),
        ("13/10/2022 3:05 PM", "2022-10-13T15:05"),
        ("Ngày đăng: 21/04/2022 | Lượt xem: 3.417", "2022-04-21"),
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
        ("Ban Biên tập", None),
        ("Ảnh: Quang cảnh cuộc họp", None),
    ],
)
def test_bylines(line: str, name: str | None) -> None:
    assert clean_text(f"Huyện Sơn Hà họp bàn việc xây cầu\n{BODY}\n{line}").byline == name


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
