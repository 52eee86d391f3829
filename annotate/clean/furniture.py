"""What a line alone says: is it page furniture, and of which kind?

The words and patterns stand in `annotate/furniture.toml`. Both are compared with the folded
line (`annotate.text.fold`), so capitals and the two tone placements do not matter.
"""

import re
import tomllib
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

from annotate.text import fold


class Kind(Enum):
    """The kinds of furniture, by what they say about the place where they stand."""

    INSIDE = "inside"  # placeholders, advertisements, players: stands in the midst of an article
    AROUND = "around"  # sharing, printing, counters, tags: stands above or below an article
    RELATED = "related"  # opens a list of other articles
    COMMENTS = "comments"  # opens what readers say; nothing of the article follows
    FOOTER = "footer"  # imprint, copyright, visitors: nothing of the article follows


# No line of furniture is longer (code points). It keeps every pattern off whole paragraphs.
MAX_LENGTH = 300

_EDGES = " .,:;|•·*+->…<«[]()!?\"'"
_ARROWS = str.maketrans(dict.fromkeys("»›→▶►▸▹❯", ">") | dict.fromkeys("«‹←◀◄", "<"))
_MENU_PARTS = re.compile(r"\s{2,}|\s*\|\s*|\s[-•·/>]\s|\s*>+\s*")


@lru_cache(maxsize=1024)
def match_key(line: str) -> str:
    """A line as the lists know it: folded, arrows as `>` and `<`, no space at the ends."""
    return fold(line.translate(_ARROWS)).strip()


@lru_cache(maxsize=1024)
def bare_key(line: str) -> str:
    """The match key without punctuation at its ends, with single spaces."""
    return " ".join(match_key(line).strip(_EDGES).split())


_ESCAPE = re.compile(r"(\\.)")


def _compile(patterns: list[str]) -> re.Pattern[str]:
    """One expression of many, folded as the lines are that it is compared with."""
    folded = (
        "".join(part if part.startswith("\\") else fold(part) for part in _ESCAPE.split(pattern))
        for pattern in patterns
    )
    return re.compile("|".join(f"(?:{pattern})" for pattern in folded))


class _Lexicon:
    """The lists of `furniture.toml`, compiled."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.kind_of: dict[str, Kind] = {}
        self.patterns: list[tuple[Kind, re.Pattern[str]]] = []
        for kind in Kind:
            for words in table[kind.value]["words"].values():
                self.kind_of.update((bare_key(word), kind) for word in words)
            self.patterns.append((kind, _compile(table[kind.value]["patterns"])))
        self.sections = frozenset(bare_key(word) for word in table["sections"]["words"])
        self.doubtful = frozenset(bare_key(word) for word in table["doubtful"]["words"])
        self.edge_patterns = _compile(table["edges"]["patterns"])
        self.site_names = _compile(table["sites"]["patterns"])


_LEXICON = _Lexicon(
    tomllib.loads((Path(__file__).parents[1] / "furniture.toml").read_text(encoding="utf-8"))
)


@lru_cache(maxsize=4096)
def furniture_kind(line: str) -> Kind | None:
    """The kind of a line that is furniture wherever it stands, or None."""
    if len(line) > MAX_LENGTH:
        return None
    key = match_key(line)
    bare = bare_key(line)
    if not bare:
        return Kind.INSIDE if key else None
    if bare in _LEXICON.kind_of:
        return _LEXICON.kind_of[bare]
    for kind, pattern in _LEXICON.patterns:
        if pattern.match(key):
            return kind
    return Kind.AROUND if _is_menu(key) else None


def _is_menu(key: str) -> bool:
    """Two parts or more, set apart by bars, dashes or wide gaps: half of them words of
    furniture, or all of them words of furniture and names of sections."""
    parts = _parts(key)
    if len(parts) < 2:
        return False
    known = sum(part in _LEXICON.kind_of for part in parts)
    sections = sum(part in _LEXICON.sections for part in parts)
    return 2 * known >= len(parts) or (known > 0 and known + sections == len(parts))


def _parts(key: str) -> list[str]:
    return [part for part in (bare_key(part) for part in _MENU_PARTS.split(key)) if part]


def is_doubtful(line: str, kind: Kind) -> bool:
    """Whether a line of that kind may belong to an article if it stands between two of its
    paragraphs: a sub-heading, an address in a notice."""
    if kind is Kind.FOOTER:
        return True
    return bare_key(line) in _LEXICON.doubtful and not set("<>|") & set(match_key(line))


def is_section(line: str) -> bool:
    """Whether the line is the name of a part of a news site, which an article may use too."""
    return len(line) <= MAX_LENGTH and bare_key(line) in _LEXICON.sections


def is_edge_furniture(line: str) -> bool:
    """Whether a line is furniture if it stands above the first sentence: menus, bread crumbs,
    sections. In an article the same may be a row of a table or a sub-heading."""
    if len(line) > MAX_LENGTH:
        return False
    key = match_key(line)
    parts = _parts(key)
    sections = sum(part in _LEXICON.sections or part in _LEXICON.kind_of for part in parts)
    if len(parts) >= 3 and 2 * sections >= len(parts):
        return True
    return is_section(line) or bool(_LEXICON.edge_patterns.match(key))


def is_crumbs(line: str) -> bool:
    """Whether the line shows the way through the site to this page: the headline is near."""
    if len(line) > MAX_LENGTH:
        return False
    key = match_key(line)
    return ">" in key[1:] or key.startswith("trang chủ")


def is_site_name(line: str) -> bool:
    """Whether the line reads as the name, owner or greeting of a site, if above a headline."""
    return len(line) <= MAX_LENGTH and bool(_LEXICON.site_names.search(match_key(line)))
