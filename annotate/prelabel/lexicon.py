"""Lexicons: named lists of strings, read from text files and matched in one pass.

A file holds comment lines (`#`), sections (`[class]`) and entries, one a line or between
semicolons. Each section needs a line `# Source: where its entries come from` above it; one
line may serve several sections. `{a|b|}` in an entry means one of these (the last of them:
nothing). Entries are matched through `annotate.text.fold`, so case, tone placement, i/y and
dashes do not matter.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from annotate.errors import DataError
from annotate.files import read_text
from annotate.text import fold, fold_look_alikes
from annotate.tokens import SYLLABLE

FOLDER = Path(__file__).parent / "lexicons"

Case = Literal["any", "first", "name", "exact"]
"""What the text's capitals must be: no matter; a capital at the start; a capital at the start of
the first and the last word wherever the entry has one; exactly those of the entry."""

CASE_OF_CLASS: Mapping[str, Case] = {
    "province": "name",
    "city": "name",
    "district": "name",
    "country": "name",
    "world-city": "name",
    "region": "name",
    "known": "name",
    "body.capital": "first",
    "body.acronym": "exact",
    "treaty.acronym": "exact",
    "centre": "first",
    "title.acronym": "exact",
}

WORD_CLASSES = frozenset(
    {
        "stop",
        "surname",
        "surname.rare",
        "plural",
        "outside",
        "not-name",
        "opens-word",
        "palace",
        "byline.not-name",
        "compound",
        "doc.rarely-numbered",
        "generic.after",
        "given",
        "given.foreign",
        "generic.before",
        "head.firm",
        "head.numbered",
        "head.open-small",
        "head.small",
        "law.not-name",
        "title.cue",
        "title.unique",
        "treaty.open",
        "treaty.subject",
        "unit.number",
        "verb.after-body",
    }
)
"""Classes of words that are looked up at a place already found, never searched for."""

LONGEST_ENTRY = 255
"""Most tokens of an entry."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_SECTION = re.compile(r"\[([a-z][a-z.-]*)\]")
_SOURCE = re.compile(r"#\s*Source:\s*\S")


@dataclass(frozen=True, slots=True)
class Entry:
    """One string of a lexicon with the class it belongs to and where it stands."""

    text: str
    label: str
    where: str


def expand_braces(pattern: str, where: str) -> Iterator[str]:
    """All strings that an entry with `{a|b}` stands for. Raises DataError for a lone brace."""
    parts = _BRACES.split(pattern)
    if any(brace in part for part in parts[::2] for brace in "{}"):
        raise DataError(f"{where}: a brace without its pair in {pattern!r}; write {{a|b}}")
    choices = [part.split("|") if n % 2 else [part] for n, part in enumerate(parts)]
    for chosen in itertools.product(*choices):
        yield " ".join("".join(chosen).split())


def read_lexicon(path: Path) -> list[Entry]:
    """The entries of one file. Raises DataError that names file and line."""
    entries: list[Entry] = []
    label, has_source = "", False
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        where = f"{path}:{number}"
        line = line.strip()
        if not line or line.startswith("#"):
            has_source = has_source or _SOURCE.match(line) is not None
            continue
        if line.startswith("["):
            section = _SECTION.fullmatch(line)
            if not section:
                raise DataError(f"{where}: {line!r} is no section; wanted [name] in small letters")
            if not has_source:
                raise DataError(
                    f"{where}: {line} does not say where its entries come from; put a line above "
                    "it: # Source: our list of communes, May 2026"
                )
            label = section.group(1)
            continue
        if not label:
            raise DataError(f"{where}: an entry before any section; begin with a line [name]")
        for pattern in line.split(";"):
            if not pattern.strip():
                continue
            for text in expand_braces(pattern.strip(), where):
                if not fold(text):
                    raise DataError(f"{where}: an empty entry in {pattern.strip()!r}")
                entries.append(Entry(text, label, where))
    return entries


def _read_text(path: Path) -> str:
    """The text of a file, with one kind of line end and letters composed."""
    return unicodedata.normalize("NFC", read_text(path).replace("\r\n", "\n"))


def read_lexicons(folder: Path = FOLDER) -> list[Entry]:
    """The entries of all `*.txt` of a folder. Raises DataError."""
    return [entry for path in sorted(folder.glob("*.txt")) for entry in read_lexicon(path)]


class Match(NamedTuple):
    """What an entry that the automaton found stands for.

    length: in code points. tokens: how many tokens of a chart it is. plain: the classes it is in
    whatever its capitals; cased: those that want capitals.
    """

    length: int
    tokens: int
    plain: tuple[str, ...]
    cased: tuple["Cased", ...]

    def classes(self, text: str, start: int) -> list[str]:
        """The classes of the match that begins at `start` of the text, by its capitals."""
        return [*self.plain, *(c.label for c in self.cased if has_capitals(text, start, c))]


class Cased(NamedTuple):
    """A class that wants capitals: at the start, at another place (0 for none), or everywhere as
    in `exact` (empty for none)."""

    label: str
    first: bool
    other: int
    exact: str


def has_capitals(text: str, start: int, cased: Cased) -> bool:
    """Whether the mention that begins at `start` has the capitals that a class wants."""
    _, first, other, exact = cased
    if exact:
        return (
            text.startswith(exact, start)
            or fold_look_alikes(text[start : start + len(exact)]) == exact
        )
    return (not first or text[start].isupper()) and (not other or text[start + other].isupper())


def wanted_capitals(label: str, entry: str, case: Case) -> Cased:
    """The capitals that `case` wants of the mentions of an entry."""
    if case in ("any", "exact"):
        return Cased(label, False, 0, fold_look_alikes(entry) if case == "exact" else "")
    if case == "first":
        return Cased(label, True, 0, "")
    last = entry.rfind(" ") + 1
    return Cased(label, entry[0].isupper(), last if entry[last].isupper() else 0, "")


class Lexicon:
    """All entries, compiled: an Aho-Corasick automaton over folded keys that holds a `Match` for
    each, and sets of words."""

    def __init__(self, entries: list[Entry]) -> None:
        import ahocorasick

        words: dict[str, set[str]] = {label: set() for label in WORD_CLASSES}
        keys: dict[str, dict[Cased, None]] = {}
        for entry in entries:
            key = fold(entry.text)
            if len(SYLLABLE.findall(key)) > LONGEST_ENTRY:
                raise DataError(f"{entry.where}: an entry of more than {LONGEST_ENTRY} words")
            if entry.label in WORD_CLASSES:
                words[entry.label].add(key)
                continue
            case = CASE_OF_CLASS.get(entry.label, "any")
            keys.setdefault(key, {})[wanted_capitals(entry.label, entry.text, case)] = None
        self.words = {label: frozenset(group) for label, group in words.items()}
        self.first_words = {
            label: frozenset(entry.split(" ")[0] for entry in group)
            for label, group in words.items()
        }
        self.classes = sorted({cased.label for found in keys.values() for cased in found})
        self.automaton: Any = ahocorasick.Automaton()
        for key, found in keys.items():
            plain = tuple(c.label for c in found if not (c.first or c.other or c.exact))
            cased = tuple(c for c in found if c.first or c.other or c.exact)
            match = Match(len(key), len(SYLLABLE.findall(key)), plain, cased)
            self.automaton.add_word(key, match)
        self.automaton.make_automaton()


@cache
def load_lexicon() -> Lexicon:
    """The lexicons that come with the package, read and compiled at first use."""
    return Lexicon(read_lexicons())
