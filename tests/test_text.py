import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import texts

from annotate.text import fold, fold_look_alikes

LETTERS = "aàáảãạeèéẻẽẹiìíỉĩịyỳýỷỹỵoòóỏõọuùúủũụbcdđghklmnprstvx"
LOOK_ALIKES = dict(
    zip("ÐƉð‐‑‒–—−⁄∕\u00a0\u2009\u202f\t“”„«»‘’İ", 'ĐĐđ------//    """""\'\'I', strict=True)
)
OLD = dict(
    zip(
        [f + s for f, t in (("o", "àáảãạ"), ("o", "èéẻẽẹ"), ("u", "ỳýỷỹỵ")) for s in t],
        [f + s for t, s in (("òóỏõọ", "a"), ("òóỏõọ", "e"), ("ùúủũụ", "y")) for f in t],
        strict=True,
    )
)


def fold_slowly(text: str) -> str:
    """What `fold` says it does, one character after the other."""
    folded = "".join(LOOK_ALIKES.get(c, c) for c in text).lower()
    out = list(folded)
    for k in range(1, len(folded)):
        before, here, behind = folded[k - 1], folded[k], folded[k + 1 : k + 2]
        if behind.isalnum() and not behind.isdecimal() and re.fullmatch(r"[^\W\d_]", behind):
            continue
        if before + here in OLD:
            out[k - 1 : k + 1] = OLD[before + here]
        elif before in "bcdđghklmnprstvx" and here in "yỳýỷỹỵ":
            out[k] = "iìíỉĩị"["yỳýỷỹỵ".index(here)]
    return "".join(out)


@given(
    st.one_of(
        st.text(LETTERS + LETTERS.upper() + " .-7" + "".join(LOOK_ALIKES), max_size=60),
        texts(),
        st.text(),
    )
)
def test_folding_is_what_it_says(text: str) -> None:
    assert fold(text) == fold_slowly(text)


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
