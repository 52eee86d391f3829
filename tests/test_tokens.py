import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import texts

from annotate.text import fold
from annotate.tokens import SYLLABLE, read_syllables, split_sentences, tokenize


def pieces(text: str) -> list[str]:
    return [text[start:end] for start, end in tokenize(text)]


@pytest.mark.parametrize(
    "token",
    [
        "215-QĐ/TW",
        "13/10/2011",
        "43/2014/TT-BGDĐT",
        "07-KH/TW",
        "100/2015/QH13",
        "1234/VPCP-KTTH",
        "16-1",
        "2020-2025",
        "7/11/1948-7/11/2018",
        "2.439",
        "1,5",
        "18:59",
        "16h15",
        "QH13",
        "TT&TT",
        "UBTVQH",
        "uỷ",
    ],
)
def test_one_token(token: str) -> None:
    assert pieces(token) == [token]
    assert pieces(f"({token}),") == ["(", token, ")", ","]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Thu Hà/TTXVN", ["Thu", "Hà", "/", "TTXVN"]),
        ("Mác-Lênin", ["Mác", "-", "Lênin"]),
        ("số 05- CT/TW", ["số", "05", "-", "CT", "/", "TW"]),
        ("năm 2019.", ["năm", "2019", "."]),
        ("TP. Huế", ["TP", ".", "Huế"]),
        ("T.Ư", ["T", ".", "Ư"]),
        ("2017 - 2022", ["2017", "-", "2022"]),
        ("100%", ["100", "%"]),
        ("a😀b", ["a", "😀", "b"]),
    ],
)
def test_several_tokens(text: str, tokens: list[str]) -> None:
    assert pieces(text) == tokens


@given(st.one_of(texts(), st.text()))
def test_every_character_but_white_space_is_in_one_token(text: str) -> None:
    covered = [place for start, end in tokenize(text) for place in range(start, end)]
    assert covered == [place for place, c in enumerate(text) if not c.isspace()]


@given(st.one_of(texts(), st.text()))
def test_sentences_lose_nothing(text: str) -> None:
    sentences = split_sentences(text)
    assert all(text[s:e] == text[s:e].strip() and s < e for s, e in sentences)
    assert [p for s, e in sentences for p in range(s, e) if not text[p].isspace()] == [
        place for place, c in enumerate(text) if not c.isspace()
    ]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Một. Hai! Ba? Bốn…", 4),
        ("Một\nHai\n\nBa", 3),
        ("Về TP. Huế và GS. Minh.", 1),
        ("Ban Tổ chức T.Ư họp. Ông H. Y nói.", 2),
        ("Điều 5. Hiệu lực", 1),
        ("1. Mục đầu", 1),
        ("Ông nói: “Được.” Rồi đi.", 2),
        ("Ngày 16.1 họp.", 1),
        ("Hết năm 2019. Sang năm mới", 2),
        ("Lúc 5 giờ... chưa ai đến. Sau đó", 2),
    ],
)
def test_sentence_borders(text: str, count: int) -> None:
    assert len(split_sentences(text)) == count, [text[s:e] for s, e in split_sentences(text)]


TOKENS_AND_BREAKS = re.compile(SYLLABLE.pattern.replace(r"|\S", r"|\n|\S"))
UGLY = st.text("aĐß_1²٣&-/–.,: \n\r\u00a0\u3000😀é'“中ÐÀ", max_size=40)


@given(st.one_of(UGLY, texts(), st.text(max_size=80)))
def test_tokens_of_a_chart_are_those_of_tokenize(text: str) -> None:
    folded = fold(text)
    found = [match.span() for match in TOKENS_AND_BREAKS.finditer(folded)]
    read = read_syllables(text, folded)
    assert list(zip(read.starts, read.ends, strict=True)) == found
    assert read.words == [folded[start:end] for start, end in found]
    assert read.capitals == [text[start].isupper() for start, _ in found]
    assert read.numbers == [i for i, word in enumerate(read.words) if word[0].isdecimal()]
