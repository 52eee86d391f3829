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
_NEW_PLACEMENT = re.compile(f"(?:o[àáảãạèéẻẽẹ]|u[ỳýỷỹỵ])(?!{_LETTER})")

# i and y are spelling variants where they are the whole rhyme of a syllable that begins with a
# consonant: kỹ/kĩ, lý/lí, Mỹ/Mĩ, tỷ/tỉ. We fold to i.
_Y_TO_I = str.maketrans("yỳýỷỹỵ", "iìíỉĩị")
_RHYME_Y = re.compile(f"(?<=[bcdđghklmnprstvx])[yỳýỷỹỵ](?!{_LETTER})")

# Characters that look alike and are typed for one another, each folded to one code point.
_LOOK_ALIKE = str.maketrans(
    {
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
)


def fold_look_alikes(text: str) -> str:
    """Look-alike letters, dashes, slashes, quotes and spaces as one code point; case is kept."""
    return text.translate(_LOOK_ALIKE)


def fold(text: str) -> str:
    """The match key of a text: lower case, one tone placement, `i` for a variant `y`, one
    code point for look-alikes. `len(fold(text)) == len(text)` for any text."""
    folded = text.translate(_LOOK_ALIKE).lower()
    folded = _NEW_PLACEMENT.sub(lambda match: _TONE[match.group()], folded)
    return _RHYME_Y.sub(lambda match: match.group().translate(_Y_TO_I), folded)
