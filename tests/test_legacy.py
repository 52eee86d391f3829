"""What a text looks like: Vietnamese passes in silence, all else is named."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotate.document import Document, read_documents
from annotate.legacy import describe_text, is_syllable
from annotate.markup import read_source_folder

VIETNAMESE = (
    "Sáng 12/3, tại trụ sở huyện, đồng chí Lò Văn Thưởng, Bí thư Huyện ủy, đã chủ trì hội nghị "
    "sơ kết; nhiều ý kiến đề nghị tỉnh sớm cấp thêm vốn cho các xã vùng cao. Ông Lò Văn Thưởng "
    "khuyên thuở ấy quyết nghiệm thu, nguệch ngoạc, khuya khoắt, xoong, yêu, giếng, quốc, gìn."
)

TCVN3 = (
    "µ¸¶·¹¨»¾¼½Æ©ÇÊÈÉË®ÌÐÎÏÑªÒÕÓÔÖ×ÝØÜÞßãáâä«åèæçé¬êíëìîïóñòô\u00adõøö÷ùúýûüþ",
    "àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ",
)

CASES = [
    ("Vietnamese", VIETNAMESE, None),
    ("capitals", VIETNAMESE.upper(), None),
    ("Vietnamese with foreign names", "Tổng thống Pháp Jean Dupont gặp Chủ tịch nước.", None),
    ("few words", "UBND", None),
    ("a line of figures", "12/3/2020 – 45.000", None),
    ("a line of marks", ",,,,,,,,", None),
    ("empty", "", "empty"),
    ("white space", " \n\t ", "empty"),
    ("TCVN3", VIETNAMESE.lower().translate(str.maketrans(TCVN3[1], TCVN3[0])), "TCVN3"),
    ("TCVN3, short", "Céng hßa x· héi chñ nghÜa ViÖt Nam", "TCVN3"),
    ("VNI", "Coäng hoøa xaõ hoäi chuû nghóa Vieät Nam, ñöôïc thaønh laäp", "VNI"),
    ("mojibake", VIETNAMESE.encode().decode("latin-1"), "read as Latin-1"),
    ("mojibake, cp1252", "BÃ\xad thÆ° Huyá»‡n á»§y Ä‘Ã£ chá»§ trÃ¬", "as Latin-1"),
    ("binary", "".join(map(chr, range(1, 32))) * 4 + "abc", "binary"),
    ("unknown encoding", "Bi thu \ufffd\ufffd Huy\ufffdn \ufffdy", "binary"),
    ("English", "The committee met on Monday to discuss the budget of the province.", "another"),
    ("French", "Le Président a été reçu hier à l'Élysée par une délégation étrangère.", "another"),
    ("no tone marks", "Tong Bi thu da chu tri hoi nghi so ket tai tru so huyen", "tone marks"),
    ("Chinese without spaces", "国务院总理昨天会见了代表团。", "Chinese"),
    ("Thai", "นายกรัฐมนตรีพบประธานาธิบดี", "Thai"),
    ("VIQR", "Ca^n bo^. dda~ ho.p ta.i tru. so+? huye^.n ve^` vie^.c na`y", "VIQR"),
    ("names of others", "Jean Dupont, John Smith, Anna Schmidt, Olga Ivanov và Lò Thị Bé", None),
    ("a table", "Lò A 12/3/2020 5.000.000\n" * 50, None),
    ("one letter", "a" * 1_000_000, "one long run"),
    ("figures", "0123456789 " * 100, "has no letter"),
    ("emoji", "😀" * 600, "has no letter"),
    ("letters in capitals", "ABCDEF GHIJ " * 50, "another"),
    ("Russian", "Президент принял вчера делегацию из нескольких областей", "Cyrillic"),
    ("Chinese", "主席 昨天 会见 了 代表团 成员", "Chinese"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "part"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_a_text_looks_like(text: str, part: str | None):
    found = describe_text(text)
    assert found is None if part is None else found is not None and part in found


def test_only_the_first_characters_are_looked_at():
    assert describe_text(VIETNAMESE * 200 + "English words only. " * 10_000) is None


@pytest.mark.parametrize("word", VIETNAMESE.replace(",", " ").replace(".", " ").split())
def test_vietnamese_words_are_syllables(word: str):
    word = word.strip(";:")
    assert not word.isalpha() or is_syllable(word)


@pytest.mark.parametrize("word", ["été", "Élysée", "über", "huyÖn", "nghóóa", "strasse", "thàá"])
def test_other_words_are_not(word: str):
    assert not is_syllable(word)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_described_without_a_crash(text: str):
    found = describe_text(text)
    assert found is None or found


# --- every paragraph of the sample, as legacy encodings show it ---------------------------------

ROOT = Path(__file__).parents[1]
DEVELOPMENT = ROOT.parent / "shared" / "corpus" / "dev.jsonl"
SAMPLE = read_source_folder(ROOT / "datasets" / "vipol-sample" / "source")
PARAGRAPHS = [
    paragraph
    for document in SAMPLE
    for paragraph in document.text.splitlines()
    if len(paragraph.split()) >= 12 and not paragraph.isupper()
]
TONES = "\u0301\u0300\u0309\u0303\u0323"
VNI_MARKS = (
    dict(zip(TONES, "ùøûõï", strict=True))
    | {"\u0302" + tone: mark for tone, mark in zip(["", *TONES], "âáàåãä", strict=True)}
    | {"\u0306" + tone: mark for tone, mark in zip(["", *TONES], "êéèúüë", strict=True)}
)
VNI_LETTERS = {
    "đ": "ñ",
    "ơ": "ô",
    "ư": "ö",
    "ỵ": "î",
    "ỉ": "æ",
    "ĩ": "ó",
    "ị": "ò",
    "í": "í",
    "ì": "ì",
}
VIQR_MARKS = dict(zip(TONES, "'`?~.", strict=True)) | {"\u0302": "^", "\u0306": "(", "\u031b": "+"}


def split_tone(char: str) -> tuple[str, str]:
    """A letter without its tone, composed, and the tone."""
    parts = unicodedata.normalize("NFD", char)
    tone = "".join(part for part in parts if part in TONES)
    bare = "".join(part for part in parts if part not in TONES)
    return unicodedata.normalize("NFC", bare), tone


def to_tcvn3(text: str) -> str:
    return text.lower().translate(str.maketrans(TCVN3[1], TCVN3[0]))


def to_vni(text: str) -> str:
    def one(char: str) -> str:
        if char in VNI_LETTERS:
            return VNI_LETTERS[char]
        bare, tone = split_tone(char)
        base, *mark = unicodedata.normalize("NFD", bare)
        if bare in VNI_LETTERS:
            return VNI_LETTERS[bare] + VNI_MARKS.get(tone, "")
        return base + VNI_MARKS.get("".join(mark) + tone, "")

    return "".join(map(one, text.lower()))


def to_viqr(text: str) -> str:
    parts = unicodedata.normalize("NFD", text.replace("đ", "dd").replace("Đ", "DD"))
    return "".join(VIQR_MARKS.get(part, part) for part in parts)


def to_cp1258(text: str) -> str:
    raw = "".join("".join(split_tone(char)) for char in text).encode("cp1258", "replace")
    return raw.decode("cp1252", "replace")


def without_marks(text: str) -> str:
    parts = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(part for part in parts if not unicodedata.combining(part))


SPOILERS = {
    "TCVN3": to_tcvn3,
    "VNI": to_vni,
    "VIQR": to_viqr,
    "windows-1258": to_cp1258,
    "UTF-8 that was read": lambda text: text.encode().decode("latin-1"),
    "tone marks": without_marks,
}


@pytest.mark.parametrize("name", SPOILERS)
def test_every_paragraph_is_known_in_every_encoding(name: str):
    wrong = [p for p in PARAGRAPHS if name not in (describe_text(SPOILERS[name](p)) or "")]
    assert len(PARAGRAPHS) > 500
    assert len(wrong) <= (len(PARAGRAPHS) // 10 if name == "tone marks" else 0), wrong[:3]
    unseen = [p for p in wrong if describe_text(SPOILERS[name](p)) is None]
    assert not unseen, unseen[:3]


def pieces(documents: list[Document]) -> Iterator[str]:
    """Whole texts, lines, sentences, mentions, and all of these in capitals."""
    for document in documents:
        text = document.text
        found = [text, *text.splitlines(), *re.split(r"(?<=[.;:]) ", text)]
        for piece in [*found, *(text[span.start : span.end] for span in document.spans)]:
            if piece.strip():
                yield piece
                yield piece.upper()


def test_no_piece_of_the_sample_is_called_anything_else():
    assert not [piece for piece in pieces(SAMPLE) if describe_text(piece)]


@pytest.mark.skipif(not DEVELOPMENT.exists(), reason="../shared/corpus is absent")
def test_no_piece_of_real_texts_is_called_anything_else():
    documents = list(read_documents(DEVELOPMENT, labelled=True))
    assert not [piece for piece in pieces(documents) if describe_text(piece)]
