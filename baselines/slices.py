"""What kinds of spans a score is looked at by: length, capitals, seen in training, genre.

A span belongs to one bin of each slice by what it is, in gold and predictions alike, so that a
bin has precision, recall and F1 as a label has.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from annotate.document import Document

Slice = str
Mentions = Collection[tuple[str, str]]
"""Label and mention, character for character, of the spans that a model was trained on."""

BINS: Mapping[Slice, tuple[str, ...]] = {
    "length in tokens": ("1", "2", "3-4", "5-8", "9 or more"),
    "capitals": ("ALL CAPITALS", "Every Word", "Some words", "no capital", "no letter"),
    "in training": ("seen", "seen as another label", "unseen"),
}
"""The slices with fixed bins, in order; `genre` has what `meta` has."""

GENRE: Slice = "genre"
NO_GENRE = "not known"


def collect_mentions(documents: Iterable[Document]) -> frozenset[tuple[str, str]]:
    """Label and mention of every span of training documents."""
    return frozenset(
        (span.label, document.text[span.start : span.end])
        for document in documents
        for span in document.spans
    )


def bin_length(tokens: int) -> str:
    """The bin of a span of so many tokens (one that is cut inside counts whole)."""
    if tokens <= 2:
        return str(max(1, tokens))
    return "3-4" if tokens <= 4 else "5-8" if tokens <= 8 else "9 or more"


@lru_cache(maxsize=100_000)
def bin_capitals(mention: str) -> str:
    """The bin of a mention by the first letters of those words that have one."""
    words = [w for w in mention.replace("_", " ").split() if any(c.isalpha() for c in w)]
    if not words:
        return "no letter"
    if all(word == word.upper() for word in words) and any(len(word) > 1 for word in words):
        return "ALL CAPITALS"
    raised = [next(c for c in word if c.isalpha()).isupper() for word in words]
    return "Every Word" if all(raised) else "Some words" if any(raised) else "no capital"


def make_seen_bin(mentions: Mentions) -> Callable[[str, str], str]:
    """From label and mention to the bin of `in training`."""
    known = {mention for _, mention in mentions}

    def bin_seen(label: str, mention: str) -> str:
        if (label, mention) in mentions:
            return "seen"
        return "seen as another label" if mention in known else "unseen"

    return bin_seen


def bin_genre(meta: Mapping[str, Any]) -> str:
    """The genre that `meta` names."""
    genre = meta.get("genre")
    return genre if isinstance(genre, str) and genre else NO_GENRE
