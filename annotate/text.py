"""Forms of a text that are computed beside it: folded keys for matching.

Every function here keeps the length of an NFC text, code point for code point, so an
offset in the folded form is the same offset in the text: the offset map is the identity.
"""

import re

_LETTER = r"[^\W\d_]"

# "Old" placement puts the tone of an open oa, oe, uy on the first vowel (hòa, khỏe, ủy), "new"
# placement on the second (hoà, khoẻ, uỷ); both are correct spelling. We fold to the old one.
_SECOND = {"a": "àáảãạ", "e": "èéẻẽẹ", "y": "ỳýỷỹỵ"}
_FIRST = {"o": "òóỏõọ", "u": "ùúủũụ"}
_TONE = {
    first + accented: _FIRST[first][tone] + second
    for first, second in (("o", "a"), ("o", "e"), ("u", "y"))
    for tone, accented in enumerate(_SECOND[second])
}

# i and y are spelling variants where they are the whole rhyme of a syllable that begins with a
# consonant: kỹ/kĩ, lý/lí, Mỹ/Mĩ, tỷ/tỉ. We fold to i.
_CONSONANTS = "bcdđghklmnprstvx"
_Y_TO_I = dict(zip("yỳýỷỹỵ", "iìíỉĩị", strict=True))

_FOLDED_PAIR = _TONE | {c + y: c + i for c in _CONSONANTS for y, i in _Y_TO_I.items()}
# Found by its second letter, which is the rarer one, and only then looked at from behind.
_SECOND_OF_PAIR = re.compile(
    f"[àáảãạèéẻẽẹyỳýỷỹỵ](?!{_LETTER})(?<=o[àáảãạèéẻẽẹ]|u[ỳýỷỹỵ]|[{_CONSONANTS}][yỳýỷỹỵ])"
)

# Characters that look alike and are typed for one another, each folded to one code point.
_LOOK_ALIKE = {
    "Ð": "Đ",  # U+00D0, the Icelandic letter, for U+0110
    "Ɖ": "Đ",
    "ð": "đ",
    "‐": "-",
    "‑": "-",
    "‒": "-",
    "–": "-",
    "—": "-",
    "−": "-",
    "⁄": "/",
    "∕": "/",
    "\u00a0": " ",
    "\u2009": " ",
    "\u202f": " ",
    "\t": " ",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
    "‘": "'",
    "’": "'",
    "İ": "I",  # the one letter whose lower case is two code points
}
_ANY_LOOK_ALIKE = re.compile(f"[{''.join(_LOOK_ALIKE)}]")


def fold_look_alikes(text: str) -> str:
    """Look-alike letters, dashes, slashes, quotes and spaces as one code point; case is kept."""
    if _ANY_LOOK_ALIKE.search(text):
        for found, wanted in _LOOK_ALIKE.items():  # most are absent: cheaper than str.translate
            text = text.replace(found, wanted)
    return text


def fold(text: str) -> str:
    """The match key of a text: lower case, one tone placement, `i` for a variant `y`, one
    code point for look-alikes. `len(fold(text)) == len(text)` for any text."""
    folded = fold_look_alikes(text).lower()
    pieces: list[str] = []
    done = 0
    for match in _SECOND_OF_PAIR.finditer(folded):
        end = match.end()
        pieces += (folded[done : end - 2], _FOLDED_PAIR[folded[end - 2 : end]])
        done = end
    return "".join(pieces) + folded[done:]
