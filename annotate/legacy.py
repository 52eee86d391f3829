"""What a text looks like that the rules cannot read: another language, a legacy encoding, binary.

Words with a letter beyond ASCII are asked whether they are Vietnamese syllables, as they stand and
as each legacy encoding would read them. Vietnamese syllables are few: an onset, a rhyme and a
tone of closed lists (Đoàn Thiện Thuật 1977, "Ngữ âm tiếng Việt"), so text that was read in
the wrong encoding does not pass for it.
"""

import re
import unicodedata
from collections import Counter

_ENOUGH = 20_000
"""Characters looked at: the first of a text show what it is."""

_FIRST_LOOK = 2_000
_PLAINLY_VIETNAMESE = re.compile("[\u1ea0-\u1ef9\u0103\u0111\u01a1\u01b0]")
"""Letters of no other language (but Ă and Đ) and of no legacy encoding. About one letter in six of
Vietnamese text is one of them; one in twenty settles the matter at once."""

_FEW_WORDS = 10
"""Below this many words nothing is said of the language: a caption may be all names."""

_FEW_LETTERS = 8
"""Below this many letters nothing is said of the script."""

_LONG = 500
"""In a text of so many characters one word at least should be Vietnamese."""

_SCRIPTS = {"CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}

_ONSET = r"(?:ngh|ng|nh|th|tr|ch|gh|gi|kh|ph|qu|[bcdđghklmnprstvx])?"
_RHYME = (
    r"(?:uyê[nt]|uya|uyu|uy(?:nh|ch|[npt])?|iê(?:ng|[ucmnpt])|yê(?:ng|[umnt])"
    r"|ươ(?:ng|[iucmnpt])|uô(?:ng|[icmnpt])|oa(?:ng|nh|ch|[iyocmnpt])?|oă(?:ng|[cmnt])"
    r"|oe[ont]?|uê(?:nh|ch)?|uâ(?:ng|[ynt])|uơ|o{2}(?:ng|c)"
    r"|a(?:ng|nh|ch|[iuyocmnpt])?|ă(?:ng|[cmnpt])|â(?:ng|[uycmnpt])|e(?:ng|[ocmnpt])?"
    r"|ê(?:nh|ch|[umnpt])?|i(?:nh|ch|[aumnpt])?|o(?:ng|[icmnpt])?|ô(?:ng|[icmnpt])?"
    r"|ơ[imnpt]?|u(?:ng|[aicmnpt])?|ư(?:ng|[aiucmnt])?|y|ia)"
)
_SYLLABLE = re.compile(_ONSET + _RHYME)
_TONES = dict.fromkeys(map(ord, "\u0300\u0301\u0303\u0309\u0323"))

_TCVN3 = str.maketrans(
    "µ¸¶·¹¨»¾¼½Æ©ÇÊÈÉË®ÌÐÎÏÑªÒÕÓÔÖ×ÝØÜÞßãáâä«åèæçé¬êíëìîïóñòô\u00adõøö÷ùúýûüþ¡¢£¤¥¦§",
    "àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵĂÂÊÔƠƯĐ",
)
"""TCVN 5712:1993 VN3 (`.VnTime` fonts) read as windows-1252."""

_VNI_MARKS = {
    "ù": "\u0301", "ø": "\u0300", "û": "\u0309", "õ": "\u0303", "ï": "\u0323",
    "â": "\u0302", "á": "\u0302\u0301", "à": "\u0302\u0300", "å": "\u0302\u0309",
    "ã": "\u0302\u0303", "ä": "\u0302\u0323",
    "ê": "\u0306", "é": "\u0306\u0301", "è": "\u0306\u0300", "ú": "\u0306\u0309",
    "ü": "\u0306\u0303", "ë": "\u0306\u0323",
}  # fmt: skip
_VNI_LETTERS = {"ñ": "đ", "ô": "ơ", "ö": "ư", "î": "ỵ", "æ": "ỉ", "ó": "ĩ", "ò": "ị"}
_VNI_PIECE = re.compile(
    f"([aeouyôö])([{''.join(_VNI_MARKS)}])|[{''.join(_VNI_LETTERS)}]", re.IGNORECASE
)

_CP1258 = str.maketrans("ÌìÒÞòõÕýÝðÐãÃ", "\u0300\u0301\u0309\u0303\u0323ơƠưƯđĐăĂ")
"""windows-1258 read as windows-1252: tones stand behind their letter."""

_VIQR_MARKS = {
    "`": "\u0300", "'": "\u0301", "?": "\u0309", "~": "\u0303", ".": "\u0323",
    "^": "\u0302", "(": "\u0306", "+": "\u031b", "*": "\u031b",
}  # fmt: skip
_VIQR_PIECE = re.compile(r"[Dd][Dd]|([aeiouyAEIOUY])([\^(+*]?[`'?~.]|[\^(+*])(?=[^\W\d_]|\W|$)")
"""RFC 1456: marks typed behind their letter."""

_WORD = re.compile(r"[^\W\d_]+")


def describe_text(text: str) -> str | None:
    """What keeps a text from being Vietnamese in Unicode, in words for a warning; None where
    nothing does, and where the text has too few words (under ten) to tell.

    Looks at the first 20,000 characters. Such text should be given no spans.
    """
    start = text[:_FIRST_LOOK]
    if len(_PLAINLY_VIETNAMESE.findall(start)) * 20 > len(start):
        return None
    text = text[:_ENOUGH]
    if not text.strip():
        return "is empty"
    return _describe_encoding(text) or _describe_bytes(text) or _describe_language(text)


def _describe_bytes(text: str) -> str | None:
    odd = sum(
        1
        for char in text
        if char == "\ufffd"
        or "\u2500" <= char <= "\u259f"
        or (unicodedata.category(char) in ("Cc", "Co", "Cn", "Cs") and char not in "\n\t\r")
    )
    if odd * 20 > len(text):
        return "looks like binary data or text in an unknown encoding; name a text file"
    if len(text) >= _LONG and not any(map(is_syllable, _WORD.findall(text))):
        if len(max(_WORD.findall(text), key=len, default="")) * 2 > len(text):
            return "looks like data, not text: one long run of letters"
        if not any(char.isalpha() for char in text):
            return "looks like figures and marks, not text: it has no letter"
    return None


def _describe_encoding(text: str) -> str | None:
    readings = {
        "TCVN3 (.VnTime fonts)": _read_tcvn3,
        "VNI": _read_vni,
        "windows-1258": _read_cp1258,
    }
    found, as_utf8 = map(_PLAINLY_VIETNAMESE.findall, (text, _read_mojibake(text)))
    if len(as_utf8) >= 2 and len(as_utf8) > len(found):
        return (
            "looks like Vietnamese in UTF-8 that was read as Latin-1 or windows-1252; read it anew"
        )
    if _share_of_viqr(text) > 0.25:
        return "looks like Vietnamese in VIQR, not Unicode; convert it to UTF-8 first"
    as_it_is, marked = _share_of_syllables(text)
    if not marked or as_it_is > 0.8:
        return None
    shares = {name: _share_of_syllables(read(text)) for name, read in readings.items()}
    best = max(shares, key=lambda name: shares[name])
    share, words = shares[best]
    if words >= 2 and share > max(0.6, as_it_is + 0.15):
        return f"looks like Vietnamese in {best}, not Unicode; convert it to UTF-8 first"
    return None


def _describe_language(text: str) -> str | None:
    words = _WORD.findall(text)
    if sum(map(len, words)) < _FEW_LETTERS:
        return None
    script = _main_script(words)
    if script != "LATIN":
        name = _SCRIPTS.get(script, script.capitalize())
        return f"looks like text in {name} script, not Vietnamese"
    if len(words) < _FEW_WORDS:
        return None
    # Names of others may fill a Vietnamese text, but they begin with capitals.
    words = [word for word in words if word.islower()] or words
    marked = sum(1 for word in words if not word.isascii() and is_syllable(word))
    if marked * 6 > len(words):
        return None
    plain = sum(1 for word in words if word.isascii() and is_syllable(word))
    if plain + marked > 0.65 * len(words):
        return "looks like Vietnamese typed without tone marks; put them back first"
    return "looks like text in another language than Vietnamese"


def _main_script(words: list[str]) -> str:
    """The first word of the Unicode names of most letters: LATIN, CYRILLIC, CJK, HANGUL."""
    scripts: Counter[str] = Counter()
    for char, number in Counter("".join(words)).items():
        scripts[unicodedata.name(char, "UNKNOWN").split()[0]] += number
    return scripts.most_common(1)[0][0]


def is_syllable(word: str) -> bool:
    """Whether a word is built like a Vietnamese syllable: onset, rhyme, at most one tone."""
    decomposed = unicodedata.normalize("NFD", word.lower())
    bare = decomposed.translate(_TONES)
    if len(decomposed) - len(bare) > 1:
        return False
    return _SYLLABLE.fullmatch(unicodedata.normalize("NFC", bare)) is not None


def _share_of_syllables(text: str) -> tuple[float, int]:
    """Of the words with a letter beyond ASCII: the share that are syllables, and how many."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    found = sum(map(is_syllable, words))
    return (found / len(words), len(words)) if words else (0.0, 0)


def _read_tcvn3(text: str) -> str:
    return text.translate(_TCVN3)


def _read_vni(text: str) -> str:
    return _VNI_PIECE.sub(_join_vni, text.lower())


def _join_vni(match: re.Match[str]) -> str:
    base = match.group(1) or match.group()
    base = _VNI_LETTERS.get(base, base)
    return unicodedata.normalize("NFC", base + _VNI_MARKS.get(match.group(2) or "", ""))


def _read_cp1258(text: str) -> str:
    return unicodedata.normalize("NFC", text.translate(_CP1258))


def _share_of_viqr(text: str) -> float:
    """The share of words that are Vietnamese syllables with marks only when read as VIQR."""
    words = _WORD.findall(text)
    if len(words) < _FEW_WORDS or not _VIQR_PIECE.search(text):
        return 0.0
    found = [word for word in _WORD.findall(_read_viqr(text)) if not word.isascii()]
    return (sum(map(is_syllable, found)) - sum(not w.isascii() for w in words)) / len(words)


def _read_viqr(text: str) -> str:
    def join(match: re.Match[str]) -> str:
        base, marks = match.groups()
        if base is None:
            return "Đ" if match.group()[0] == "D" else "đ"
        return unicodedata.normalize("NFC", base + "".join(_VIQR_MARKS[mark] for mark in marks))

    return _VIQR_PIECE.sub(join, text)


def _read_mojibake(text: str) -> str:
    raw = b"".join(_byte_of(char) for char in text)
    return raw.decode("utf-8", errors="ignore")


def _byte_of(char: str) -> bytes:
    for encoding in ("cp1252", "latin-1"):
        try:
            return char.encode(encoding)
        except UnicodeEncodeError:
            continue
    return b""
