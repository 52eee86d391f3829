"""Abbreviations that a text defines in brackets behind a name: `Trung tâm ... (RHCC)`."""

from annotate.prelabel.candidate import Candidate
from annotate.prelabel.chart import Chart, folded_words

_LONGEST_GAP = 12
_RULE = {"ORG": "rule:org.acronym", "DOCUMENT_REF": "rule:document.acronym"}
_NOT_IN_NAME = folded_words(
    "là đã sẽ có được do tại từ đang vừa cũng không chưa khi nếu theo trong đến ra vào bởi này đó "
    "ông bà như giữa để rằng"
)
_NOT_ACRONYM = frozenset({"NLĐ", "CTV", "PV", "USD", "VND", "GMT"})


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
        if chart.word(i + 2) != ")" or not _is_acronym(chart, i + 1):
            continue
        name = ends.get(i)
        if name is None:
            name = _drawn_out(chart, by_start, i)
            if name is None:
                continue
            found.append(name)
        found.append(Candidate(i + 1, i + 2, name.label, f"{_RULE[name.label]}-defined"))
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
        and sum(c.isupper() for c in letters) * 2 > len(letters)
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
