"""Places: never a span of their own, but the end of many names of bodies and offices."""

import re

from annotate.prelabel.chart import Chart

_LEVEL_NUMBER = re.compile(r"\d{1,2}|[ivx]{1,4}")
_LONGEST_PLACE = 4
_ENDS_UNIT = frozenset({",", ".", ";", ")", "\n", ""})
_FORMS_OF_STATE = frozenset({"cộng", "vương", "liên", "hợp", "đại"})
_ADDRESSES = frozenset({"ông", "gs", "pgs", "ts", "ths", "bs", "ks", "ls"})


def is_name_word(chart: Chart, i: int) -> bool:
    """Whether token `i` may be part of a proper name: a word of letters with a capital."""
    return chart.is_name(i)


def run_end(chart: Chart, i: int, longest: int) -> int:
    """Token number after the run of at most `longest` capitalised words at token `i`."""
    j = i
    while j < i + longest and is_name_word(chart, j) and (j == i or not _begins_other(chart, j)):
        j += 1
        while is_apostrophe(chart, j) or is_hyphen(chart, j):
            j += 2
    return j


def is_hyphen(chart: Chart, i: int) -> bool:
    """Whether token `i` is a hyphen inside a foreign name in small syllables (`Ghê-va-ra`)."""
    inside = chart.word(i) == "-" and chart.is_joined(i) and chart.is_joined(i + 1)
    return inside and chart.word(i + 1).isalpha() and not chart.is_capital(i + 1)


def is_apostrophe(chart: Chart, i: int) -> bool:
    """Whether token `i` is an apostrophe inside a name (`H'Bia`)."""
    return (
        chart.word(i) == "'"
        and chart.is_joined(i)
        and chart.is_joined(i + 1)
        and chart.is_capital(i + 1)
    )


def _begins_other(chart: Chart, i: int) -> bool:
    """Whether a title, a body of several words or a form of address begins at token `i`."""
    return (
        chart.at("title", i) > i
        or chart.at("title.rank", i) > i
        or chart.at("honorific", i) > i + (chart.word(i) not in _ADDRESSES)
        or chart.at("body", i) > i + 1
        or (chart.at("head.place", i) > i and not _is_given(chart, i))
    )


def _is_given(chart: Chart, i: int) -> bool:
    """Whether two given names stand at `i` that are also a body in other capitals: Hải Quân."""
    return chart.in_class("given", i) and chart.is_name(i + 1) and chart.in_class("given", i + 1)


def find_unit(chart: Chart, i: int) -> int:
    """Token number after a level word with its name or number at `i` (`huyện Sơn Hà`, `TP Huế`,
    `phường 5`, `tỉnh`); 0 for none."""
    named = chart.at("province", i)
    if named:
        return max(named, chart.place_end(i))
    level = chart.at("level", i)
    if not level or chart.at("head.party", i) or chart.at("body.capital", i):
        return 0
    end = _name_of_unit(chart, i, level)
    if end:
        return end
    numbered = _LEVEL_NUMBER.fullmatch(chart.word(level))
    if numbered and (chart.word(level).isdigit() or chart.is_capital(level)):
        return level + 1
    alone = chart.at("level-alone", i)
    ends_sentence = chart.word(alone) in ("", "\n") or chart.is_capital(alone)
    return alone - 1 if chart.word(alone - 1) == "." and ends_sentence else alone


def _name_of_unit(chart: Chart, i: int, at: int) -> int:
    """Token number after the name behind a level word; 0 where a person's name stands there.

    Provinces are a closed list; smaller units are not, but a family name with two names
    behind it is a person (`Chủ tịch UBND xã Nguyễn Văn A`).
    """
    if at in chart.shouting and not chart.place_end(at):
        return 0
    if chart.word(i) == "tỉnh":
        return chart.place_end(at)
    if chart.word(i) == "nước":
        return chart.at("country", at) or state_name(chart, at)
    return proper_place(chart, at)


def state_name(chart: Chart, i: int) -> int:
    """Token number after the full name of a state that no lexicon holds, from its form to its
    country (`Cộng hòa Dân chủ Nhân dân Lào`); 0 for none."""
    if chart.word(i) not in _FORMS_OF_STATE or not chart.is_capital(i):
        return 0
    for k in range(i + 2, i + 9):
        if country := chart.at("country", k):
            return country
        if not chart.word(k).isalpha():
            return 0
    return 0


def proper_place(chart: Chart, at: int) -> int:
    """Token number after the name of a place at `at`; 0 for none and for a person's full name."""
    if not chart.place_end(at) and is_person(chart, at):
        return 0
    return named_place(chart, at)


def is_person(chart: Chart, at: int) -> bool:
    """Whether a run of three to five capitals at `at` begins with a family name."""
    if not (chart.in_class("surname", at) or chart.in_class("surname.rare", at)):
        return False
    run = run_end(chart, at, 6)
    if run - at >= 5 and cut_before_person(chart, at, run) < run:
        return False
    return run - at >= 3 or any(chart.word(k) == "'" for k in range(at, run))


def named_place(chart: Chart, i: int) -> int:
    """Token number after the name of a place at token `i`, known or not; 0 for none."""
    known = chart.place_end(i)
    run = run_end(chart, i, _LONGEST_PLACE + 4)
    if known == i + 2 and run == i + 3 and chart.in_class("surname", i):
        return 0
    if known and run == known + 1 and not chart.in_class("surname", known):
        return run
    if known:
        return known + _has_number(chart, known)
    if run == i:
        return 0
    cut = cut_before_person(chart, i, run)
    if cut - i > _LONGEST_PLACE:
        cut = i + 2
    return cut + _has_number(chart, cut)


def _has_number(chart: Chart, i: int) -> int:
    """1 where token `i` is the number of a divided unit (`xã Sơn Kim 2`)."""
    number = chart.word(i)
    if number in ("1", "2", "3", "i", "ii", "iii"):
        return int(not chart.is_joined(i + 1))
    return int(len(number) == 1 and number.isdigit() and chart.word(i + 1) in _ENDS_UNIT)


def cut_before_person(chart: Chart, i: int, end: int) -> int:
    """Where a place ends and the name of a person begins, in one run of capitals."""
    if end - i <= 3:
        return end
    for size in (2, 1, 3):
        rest = end - i - size
        if 2 <= rest <= 4 and chart.in_class("surname", i + size):
            return i + size
    for size in (2, 1, 3):
        if 3 <= end - i - size <= 4 and chart.in_class("surname.rare", i + size):
            return i + size
    return end


def find_place(chart: Chart, i: int) -> int:
    """Token number after a place with or without its level word at token `i`; 0 for none."""
    return max(find_unit(chart, i), chart.place_end(i))
