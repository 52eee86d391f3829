"""Places: never a span of their own, but the end of many names of bodies and offices."""

import re

from annotate.prelabel.chart import Chart

_NAME = re.compile(r"[^\W\d_][^\W_]*(?:'[^\W\d_]+)?")
_LEVEL_NUMBER = re.compile(r"\d{1,2}|[ivx]{1,4}")
_LONGEST_PLACE = 4
_NOT_IN_NAME = frozenset({"ông", "bà", "đồng", "ubnd", "hđnd"})


def is_name_word(chart: Chart, i: int) -> bool:
    """Whether token `i` may be part of a proper name: a word of letters with a capital."""
    return chart.is_capital(i) and bool(_NAME.fullmatch(chart.word(i)))


def run_end(chart: Chart, i: int, longest: int) -> int:
    """Token number after the run of at most `longest` capitalised words at token `i`."""
    j = i
    while j < i + longest and is_name_word(chart, j) and (j == i or not _begins_other(chart, j)):
        j += 1
    return j


def _begins_other(chart: Chart, i: int) -> bool:
    """Whether a title, a body of several words or a form of address begins at token `i`."""
    return (
        chart.at("title", i) > i
        or chart.at("title.rank", i) > i
        or chart.at("honorific", i) > i
        or chart.at("body", i) > i + 1
        or chart.at("head.place", i) > i
    )


def find_unit(chart: Chart, i: int) -> int:
    """Token number after a level word with its name or number at `i` (`huyện Sơn Hà`, `TP Huế`,
    `phường 5`, `tỉnh`); 0 for none."""
    named = chart.at("province", i)
    level = chart.at("level", i)
    if not level:
        return named
    end = named_place(chart, level)
    if end:
        return max(end, named)
    if level < len(chart) and _LEVEL_NUMBER.fullmatch(chart.word(level)) and not named:
        if chart.word(level).isdigit() or chart.text[chart.starts[level]].isupper():
            return level + 1
    return max(named, chart.at("level-alone", i))


def named_place(chart: Chart, i: int) -> int:
    """Token number after the name of a place at token `i`, known or not; 0 for none."""
    known = chart.place_end(i)
    run = run_end(chart, i, _LONGEST_PLACE + 4)
    if known and not (run > known and run - i <= 2):
        return known + _has_number(chart, known)
    if run == i:
        return 0
    cut = _cut_before_person(chart, i, run)
    if cut - i > _LONGEST_PLACE:
        cut = i + 2
    return cut + _has_number(chart, cut)


def _has_number(chart: Chart, i: int) -> int:
    """1 where token `i` is the number of a divided unit (`xã Sơn Kim 2`)."""
    return int(chart.word(i) in ("1", "2", "3", "i", "ii", "iii") and not chart.is_joined(i + 1))


def _cut_before_person(chart: Chart, i: int, end: int) -> int:
    """Where a place ends and the name of a person begins, in one run of capitals."""
    if end - i <= 3:
        return end
    for size in (2, 1, 3):
        rest = end - i - size
        if 2 <= rest <= 4 and chart.in_class("surname", i + size):
            return i + size
    return end


def find_place(chart: Chart, i: int) -> int:
    """Token number after a place with or without its level word at token `i`; 0 for none."""
    return max(find_unit(chart, i), chart.place_end(i))
