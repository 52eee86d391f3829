import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import texts

from annotate.text import fold, fold_look_alikes


@given(st.one_of(texts(), st.text()))
def test_folding_keeps_every_offset(text: str) -> None:
    assert len(fold(text)) == len(text)
    assert len(fold_look_alikes(text)) == len(text)
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Uỷ ban", "ủy ban"),
        ("hoà bình", "HÒA BÌNH"),
        ("khoẻ", "khỏe"),
        ("Thuỷ", "thủy"),
        ("kỹ thuật", "kĩ thuật"),
        ("Mỹ", "mĩ"),
        ("lý luận", "lí luận"),
        ("tỷ lệ", "tỉ lệ"),
        ("Ðảng", "Đảng"),
        ("07–KH/TW", "07-kh/tw"),
        ("“a”", '"a"'),
        ("Hà\u00a0Nội", "hà nội"),
    ],
)
def test_variants_have_one_key(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hoàn", "hòan"),
        ("tài", "tại"),
        ("tay", "tai"),
        ("thuý", "thui"),
        ("y tế", "i tế"),
        ("quy", "qui"),
    ],
)
def test_different_words_keep_different_keys(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_the_text_stays_nfc() -> None:
    text = "Uỷ ban Kỹ thuật hoà bình Ðảng"
    assert unicodedata.is_normalized("NFC", fold(text))
