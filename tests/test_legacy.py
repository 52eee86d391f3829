"""What a text looks like: Vietnamese passes in silence, all else is named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotate.legacy import describe_text, is_syllable

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
    ("figures", "12/3/2020 – 45.000", None),
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
    ("Russian", "Президент принял вчера делегацию из нескольких областей", "Cyrillic"),
    ("Chinese", "主席 昨天 会见 了 代表团 成员", "Cjk"),
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
