"""A project's own rules: lexicons and patterns named in `vipol.toml`, with no code.

    [prelabel]
    lexicons = ["lexicons/units.txt"]          # paths from the folder of vipol.toml

    [[prelabel.pattern]]
    name = "team"                              # may be left out
    label = "ORG"
    pattern = 'Tổ công tác số \\d+'             # a Python regular expression
    # a group (?P<span>…) marks the span where the pattern also wants what stands around it

A pattern is matched as it stands, capitals and all, by the `regex` library, which reads what
Python's `re` reads. It looks for mentions of up to 500 characters in a window that moves over the
text, so its cost is linear in the text; one that is slow within a window (repeats inside
repeats) is refused, when it is read or, at the latest, where a text shows it.

A lexicon has the form of `annotate.prelabel.lexicon`. A section is a label in small letters
(`[org]`, `[document-ref]`): its entries are spans. With `.capital` (`[org.capital]`) the mention
must begin with a capital, with `.exact` it must have the capitals of the entry. A section with
a name of the built-in lexicons (`[district]`, `[surname]`) adds to them, and the built-in
rules use the entries as their own.

Where a project's rule and a built-in one cannot both stand, the project's wins; of two spans
of one label where one holds the other, the longer wins, as the scheme wants.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotate.document import Document, Span, sort_spans
from annotate.errors import DataError
from annotate.prelabel.candidate import Candidate
from annotate.prelabel.chart import Chart, build_chart
from annotate.prelabel.lexicon import (
    WORD_CLASSES,
    Case,
    Cased,
    Entry,
    Lexicon,
    has_capitals,
    load_lexicon,
    read_lexicon,
    read_lexicons,
    wanted_capitals,
)
from annotate.scheme import LABEL_NAMES, may_contain
from annotate.settings import PROJECT_FILE, Table, read_table
from annotate.text import fold

SOURCE_PREFIX = "project:"

_CASES: dict[str, Case] = {"": "any", "capital": "first", "exact": "exact"}
_LONGEST = 500
"""Most characters of what a pattern matches; a match that is longer does not count."""

_WINDOW = 1000
"""In how many characters at a time the beginning of a match is looked for."""

_SECONDS = 1.0
"""What a pattern may take for one window; it takes a thousandth of that unless it goes wrong."""

_PROBES = tuple(piece * (_WINDOW // len(piece)) + "!" for piece in ("a", "A", "1", "aA1 ", ", "))
"""Texts on which patterns that go wrong show it."""

_PROBE = "Ngày 1/2/2020, ông A (Bí thư Tỉnh ủy) họp.\n"
"""A text in which a pattern that may match nothing at all does."""

_PATTERN_KEYS = frozenset({"label", "pattern", "name"})
_HEADER = re.compile(r"^\s*\[\[\s*prelabel\s*\.\s*pattern\s*\]\]")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One `[[prelabel.pattern]]`, compiled; `where` is its file and line."""

    label: str
    expression: Any
    source: str
    where: str

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """The places it marks, each a start and an end, none of them empty.

        Raises DataError where it takes too long.
        """
        group = "span" if "span" in self.expression.groupindex else 0
        place = 0
        while place < len(text):
            match = self._search(text, place)
            if match is None or match.start() >= place + _WINDOW:
                place += _WINDOW
                continue
            start, end = match.span(group)
            if start < end and match.end() - match.start() <= _LONGEST:
                yield start, end
            place = max(match.end(), place + 1)

    def _search(self, text: str, place: int) -> Any:
        try:
            return self.expression.search(
                text, place, place + _WINDOW + _LONGEST, timeout=_SECONDS, concurrent=False
            )
        except TimeoutError:
            raise DataError(
                f"{self.where}: '{self.expression.pattern}' takes more than {_SECONDS:g} s for "
                f"{_WINDOW} characters of text; write it without repeats inside repeats, as "
                r"(\w+\s?)+"
            ) from None


class ProjectRules:
    """A project's lexicons and patterns, ready to label."""

    def __init__(self, entries: Sequence[Entry], patterns: Sequence[Pattern]) -> None:
        """`entries` are those of the project's lexicons, sections as their labels."""
        own = [entry for entry in entries if _label_and_case(entry.label)]
        added = [entry for entry in entries if not _label_and_case(entry.label)]
        self.entries = tuple(entries)
        self.patterns = tuple(patterns)
        self._lexicon = Lexicon([*read_lexicons(), *added]) if added else load_lexicon()
        self._automaton = _compile(own)

    def build_chart(self, text: str) -> Chart:
        """The chart of a text, with the entries that the project adds to built-in classes."""
        return build_chart(text, self._lexicon)

    def find(self, chart: Chart) -> list[Candidate]:
        """What the project's own rules propose, longest first at each place.

        A match counts only where it begins and ends with a token (`annotate.tokens`).
        """
        found: dict[Candidate, None] = {}
        for start, end, label, source in self._matches(chart):
            i, j = chart.first.get(start), chart.after.get(end)
            if i is not None and j is not None:
                found[Candidate(i, j, label, source)] = None
        return sorted(found, key=lambda c: (c.start, -c.end))

    def find_candidates(self, chart: Chart) -> list[Candidate]:
        """What all rules propose: the project's, and the built-in ones that may stand with them."""
        from annotate.prelabel import find_candidates

        return give_way(find_candidates(chart), self.find(chart))

    def label_document(self, document: Document) -> tuple[Span, ...]:
        """Spans of the project's and the built-in rules together (see
        `annotate.prelabel.label_document`); the project's have a source `project:…`."""
        from annotate.prelabel.resolve import resolve

        chart = self.build_chart(document.text)
        return sort_spans(resolve(chart, self.find_candidates(chart)))

    def _matches(self, chart: Chart) -> Iterator[tuple[int, int, str, str]]:
        if self._automaton is not None:
            for last, (length, found) in self._automaton.iter(chart.folded):
                start, end = last + 1 - length, last + 1
                for cased, source in found:
                    if has_capitals(chart.text, start, cased):
                        yield start, end, cased.label, source
        for pattern in self.patterns:
            for start, end in pattern.find(chart.text):
                yield start, end, pattern.label, pattern.source


def _compile(entries: Sequence[Entry]) -> Any:
    import ahocorasick

    keys: dict[str, list[tuple[Cased, str]]] = {}
    for entry in entries:
        label, case = _label_and_case(entry.label) or ("", "any")
        file = Path(entry.where.rpartition(":")[0]).name
        source = f"{SOURCE_PREFIX}{file}[{entry.label}]"
        keys.setdefault(fold(entry.text), []).append(
            (wanted_capitals(label, entry.text, case), source)
        )
    if not keys:
        return None
    automaton: Any = ahocorasick.Automaton()
    for key, found in keys.items():
        automaton.add_word(key, (len(key), tuple(dict.fromkeys(found))))
    automaton.make_automaton()
    return automaton


def _label_and_case(section: str) -> tuple[str, Case] | None:
    """The label that a section stands for and the capitals its entries want, or None."""
    name, _, case = section.partition(".")
    label = name.upper().replace("-", "_")
    return (label, _CASES[case]) if label in LABEL_NAMES and case in _CASES else None


def give_way(built_in: Sequence[Candidate], own: Sequence[Candidate]) -> list[Candidate]:
    """The project's candidates and those built-in ones that may stand with all of them.

    A built-in POSITION takes the project's candidates inside it among its inner spans, a POSITION
    of the project the built-in ones inside it.
    """
    if not own:
        return list(built_in)
    own = _without_shorter(own, built_in)
    near_own = _Places(own)
    kept = []
    for candidate in built_in:
        around = near_own.overlapping(candidate)
        if all(_may_stand_together(candidate, other) for other in around):
            kept.append(_with_guests(candidate, around))
    near_kept = _Places(kept)
    return [*(_with_guests(c, near_kept.overlapping(c)) for c in own), *kept]


class _Places:
    """Candidates by place."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._ordered = sorted(candidates, key=lambda c: c.start)
        self._starts = [c.start for c in self._ordered]
        self._longest = max((c.end - c.start for c in candidates), default=0)

    def overlapping(self, candidate: Candidate) -> list[Candidate]:
        """Those that share a token with a candidate, in the order of the text."""
        low = bisect_left(self._starts, candidate.start - self._longest)
        high = bisect_left(self._starts, candidate.end)
        return [c for c in self._ordered[low:high] if c.end > candidate.start]


def _without_shorter(own: Sequence[Candidate], built_in: Sequence[Candidate]) -> list[Candidate]:
    """The project's candidates but those that lie in a longer built-in one of their label."""
    reach: dict[str, list[tuple[int, int]]] = {}
    for label in {c.label for c in own}:
        furthest = 0
        table = reach.setdefault(label, [])
        for c in sorted((c for c in built_in if c.label == label), key=lambda c: c.start):
            furthest = max(furthest, c.end)
            table.append((c.start, furthest))

    def has_longer(c: Candidate) -> bool:
        table = reach[c.label]
        before, up_to = bisect_left(table, (c.start, 0)), bisect_left(table, (c.start + 1, 0))
        return bool(
            (before and table[before - 1][1] >= c.end) or (up_to and table[up_to - 1][1] > c.end)
        )

    return [c for c in own if not has_longer(c)]


def _may_stand_together(built_in: Candidate, own: Candidate) -> bool:
    if (built_in.start, built_in.end) == (own.start, own.end):
        return False
    if built_in.start <= own.start and own.end <= built_in.end:
        return may_contain(built_in.label, own.label)
    if own.start <= built_in.start and built_in.end <= own.end:
        return may_contain(own.label, built_in.label)
    return False


def _with_guests(host: Candidate, others: Sequence[Candidate]) -> Candidate:
    """A POSITION with those of `others` that may lie in it; its own guests give way to them."""
    if host.label != "POSITION":
        return host
    guests = [
        c
        for c in others
        if host.start <= c.start
        and c.end <= host.end
        and c.end - c.start < host.end - host.start
        and may_contain(host.label, c.label)
    ]
    if not guests:
        return host
    own = [g for g in host.inner if all(g.end <= c.start or c.end <= g.start for c in guests)]
    return host._replace(inner=(*guests, *own))


# --- reading vipol.toml -----------------------------------------------------------------------


def read_project_rules(path: str | Path = PROJECT_FILE) -> ProjectRules | None:
    """The rules that `vipol.toml` names; None where the file does not exist or names none.

    Raises DataError, with file and line, for TOML that cannot be read, an unknown setting, a
    label that the scheme does not know, a pattern that is no regular expression or matches
    nothing at all, and a bad line of a lexicon.
    """
    table = read_table("prelabel", path)
    if table is None:
        return None
    table.require_known({"lexicons", "pattern"})
    entries = list(_read_entries(table))
    patterns = list(_read_patterns(table))
    return ProjectRules(entries, patterns) if entries or patterns else None


def _read_entries(table: Table) -> Iterator[Entry]:
    names, folder = table.values.get("lexicons", []), table.path.parent
    where = table.where("lexicons")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f'{where}: lexicons must be a list of paths: lexicons = ["units.txt"]')
    known = set(load_lexicon().classes) | WORD_CLASSES
    seen: dict[tuple[str, str], str] = {}
    for name in names:
        file = folder / name
        if not file.is_file():
            raise DataError(f"{where}: {file}: no such lexicon; paths start at {folder}")
        entries = read_lexicon(file)
        if not entries:
            raise DataError(f"{file}: holds no entry; add one or take it out of {table.path}")
        for entry in entries:
            if not _label_and_case(entry.label) and entry.label not in known:
                raise DataError(
                    f"{entry.where}: an entry of the unknown section [{entry.label}]; wanted a "
                    "label ([org], [org.capital], [org.exact]) or a built-in class "
                    f"({', '.join(sorted(known)[:4])}, …)"
                )
            key = entry.label, entry.text
            if key in seen:
                raise DataError(
                    f"{entry.where}: {entry.text!r} stands in [{entry.label}] twice, first at "
                    f"{seen[key]}; take one out"
                )
            seen[key] = entry.where
            yield entry


def _read_patterns(prelabel: Table) -> Iterator[Pattern]:
    tables = prelabel.values.get("pattern", [])
    headers = [number for number, line in enumerate(prelabel.lines) if _HEADER.match(line)]
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        line = prelabel.line_of(r"^\s*(?:\[\s*prelabel\s*\.\s*)?pattern\b")
        raise DataError(
            f"{prelabel.path}:{line}: patterns must be tables; write [[prelabel.pattern]]"
        )
    seen: dict[str, str] = {}
    for number, table in enumerate(tables):
        start = headers[number] if number < len(headers) else 0
        pattern = _read_pattern(prelabel, table, start, number + 1)
        first = seen.setdefault(pattern.source, pattern.where)
        if first != pattern.where:
            raise DataError(
                f"{pattern.where}: a second pattern of the name {table.get('name', number + 1)!r}, "
                f"the first is at {first}; names tell rules apart"
            )
        yield pattern


def _read_pattern(prelabel: Table, table: dict[str, Any], start: int, number: int) -> Pattern:
    def at(key: str) -> str:
        line = prelabel.line_of(rf"^\s*{re.escape(key)}\s*=", start)
        return f"{prelabel.path}:{line}"

    here = f"{prelabel.path}:{start + 1}"
    for key in ("label", "pattern"):
        if key not in table:
            raise DataError(f"{here}: pattern {number} lacks {key!r}; add {key} = '…'")
    for key in sorted(table):
        if key not in _PATTERN_KEYS:
            raise DataError(
                f"{at(key)}: unknown setting {key!r} of a pattern; known: label, name, pattern"
            )
        if not isinstance(table[key], str) or not table[key]:
            raise DataError(f"{at(key)}: {key!r} must be a string that is not empty")
    label = table["label"]
    if label not in LABEL_NAMES:
        raise DataError(
            f"{at('label')}: the unknown label {label!r}; labels: {', '.join(LABEL_NAMES)}"
        )
    source = f"{SOURCE_PREFIX}pattern.{table.get('name', number)}"
    pattern = Pattern(
        label, _compile_pattern(table["pattern"], at("pattern")), source, at("pattern")
    )
    for probe in _PROBES:
        for _ in pattern.find(probe):
            pass
    return pattern


def _compile_pattern(text: str, where: str) -> Any:
    import regex

    try:
        expression = regex.compile(unicodedata.normalize("NFC", text), regex.VERSION0)
    except regex.error as error:
        raise DataError(
            f"{where}: '{text}' is no regular expression: {error.msg} at character {error.pos}"
        ) from None
    if any(match.start() == match.end() for match in expression.finditer(_PROBE, timeout=_SECONDS)):
        raise DataError(
            f"{where}: '{text}' also matches nothing at all; put + for *, or name a word that "
            "must be there"
        )
    return expression
