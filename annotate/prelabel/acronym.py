"""Abbreviations that a text defines in brackets behind a name: `Trung tâm ... (RHCC)`."""

import re

from annotate.prelabel.candidate import Candidate
from annotate.prelabel.chart import Chart, folded_words
from annotate.prelabel.person import VIETNAMESE

_LONGEST_GAP = 12
_RULE = {"ORG": "rule:org.acronym", "DOCUMENT_REF": "rule:document.acronym"}
_NOT_IN_NAME = folded_words(
    "là đã sẽ có được do tại từ đang vừa cũng không chưa khi nếu theo trong đến ra vào bởi này đó "
    "ông bà như giữa để rằng"
)
_CREDITS = folded_words("ảnh nguồn video clip tin theo _ảnh _nguồn")
_PAPERS = frozenset(
    {"news", "times", "post", "herald", "tribune", "daily", "journal", "magazine", "press"}
)
_DOMAINS = frozenset({"vn", "com", "net", "org", "gov", "edu", "info"})
_NOT_ACRONYM = frozenset(
    {
        "HN",
        "VN",
        "STT",
        "ĐT",
        "TEL",
        "FAX",
        "QĐ",
        "NQ",
        "CT",
        "KH",
        "TB",
        "KL",
        "CV",
        "NLĐ",
        "CTV",
        "PV",
        "USD",
        "VND",
        "GMT",
    }
)
_NO_SOURCE = _NOT_ACRONYM - {"NLĐ"}


def find_sources(chart: Chart) -> list[Candidate]:
    """Abbreviations of media where a report names its source: before the dash that opens it
    (`(PLVN) - `, `TTO - `), behind `Ảnh:`, `Nguồn:`; and the address of a site there."""
    found = []
    for i in chart.where(_PAPERS):
        if chart.is_name(i) and (start := _paper(chart, i)) < i:
            found.append(Candidate(start, i + 1, "ORG", "rule:org.media"))
    for i in chart.where(_CREDITS):
        if chart.word(i + 1) == ":":
            found += _source(chart, i + 2)
        elif chart.word(i) == "nguồn" and chart.opens_sentence(i):
            found += _source(chart, i + 1)
    for i in [0, *(k + 1 for k in chart.where({"\n"}))]:
        at = i + (chart.word(i) == "(")
        close = at + 1 + (at > i and chart.word(at + 1) == ")")
        if chart.word(close) == "-" and (at > i) == (close == at + 2):
            found += _source(chart, at)
    return found


def _paper(chart: Chart, i: int) -> int:
    """Token number of the first of at most two foreign words before `News`, `Times` ..."""
    start = i
    while (
        start > i - 2
        and chart.is_name(start - 1)
        and not VIETNAMESE.fullmatch(chart.word(start - 1))
    ):
        start -= 1
    return start


def _source(chart: Chart, i: int) -> list[Candidate]:
    end = i + 1
    while (
        end < i + 9 and chart.word(end) == "." and chart.is_joined(end) and chart.is_joined(end + 1)
    ):
        end += 2
    if end > i + 1 and chart.word(end - 1) in _DOMAINS:
        return [Candidate(i, end, "ORG", "rule:org.source")]
    surface = _surface(chart, i) if chart.is_upper(i) else ""
    letters = surface.replace("&", "")
    fits = 2 <= len(letters) <= 8 and letters.isalnum() and letters not in _NO_SOURCE
    fits = fits and not re.fullmatch("[IVXLC]+", letters)
    if not fits or chart.place_end(i) or chart.is_upper(i + 1) or chart.in_class("surname", i):
        return []
    return [Candidate(i, i + 1, "ORG", "rule:org.source")]


def find_defined(chart: Chart, candidates: list[Candidate]) -> list[Candidate]:
    """Abbreviations in brackets behind a body or a document, with the label of what they stand
    for, their other mentions in the text, and the name drawn out to the bracket."""
    ends: dict[int, Candidate] = {}
    by_start: dict[int, Candidate] = {}
    for candidate in candidates:
        if candidate.label in ("ORG", "DOCUMENT_REF"):
            known = ends.get(candidate.end)
            if known is None or candidate.start < known.start:
                ends[candidate.end] = candidate
            longest = by_start.get(candidate.start)
            if longest is None or candidate.end > longest.end:
                by_start[candidate.start] = candidate
    found: list[Candidate] = []
    defined: dict[str, str] = {}
    for i in chart.where({"("}):
        close = next((k for k in (i + 2, i + 3) if chart.word(k) == ")"), 0)
        if not close or not all(_is_acronym(chart, k) for k in range(i + 1, close)):
            continue
        name = ends.get(i)
        if name is None:
            name = _drawn_out(chart, by_start, i)
            if name is None:
                continue
            found.append(name)
        found.append(Candidate(i + 1, close, name.label, f"{_RULE[name.label]}-defined"))
        if close == i + 2:
            defined[_surface(chart, i + 1)] = name.label
    if defined:
        for i in chart.capital_numbers:
            if label := defined.get(_surface(chart, i)):
                found.append(Candidate(i, i + 1, label, f"{_RULE[label]}-repeated"))
    return found


def _surface(chart: Chart, i: int) -> str:
    return chart.text[chart.starts[i] : chart.ends[i]]


def _is_acronym(chart: Chart, i: int) -> bool:
    surface = _surface(chart, i)
    letters = [c for c in surface if c.isalpha()]
    return (
        2 <= len(surface) <= 12
        and len(letters) >= 1
        and surface[0].isupper()
        and sum(c.isupper() for c in letters) * 2 >= len(letters)
        and surface not in _NOT_ACRONYM
        and not (len(letters) > 1 and chart.is_capital(i - 3) and i in chart.shouting)
    )


def _drawn_out(chart: Chart, by_start: dict[int, Candidate], bracket: int) -> Candidate | None:
    """The nearest body before a bracket whose name may run up to it."""
    for i in range(bracket - 1, max(-1, bracket - _LONGEST_GAP - 8), -1):
        word = chart.word(i)
        if word in _NOT_IN_NAME or word in (".", ";", ":", "\n", "(", ")", '"'):
            return None
        candidate = by_start.get(i)
        if (
            candidate
            and chart.is_capital(i)
            and candidate.end < bracket
            and candidate.label == "ORG"
        ):
            if (
                candidate.source in ("rule:org.alone", "rule:org.field", "rule:org.open")
                and bracket - candidate.end <= _LONGEST_GAP
            ):
                return Candidate(i, bracket, "ORG", "rule:org.acronym-name")
            return None
    return None
