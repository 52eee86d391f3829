"""PERSON: named persons, by their family names, by what stands before them, by repetition."""

import re

from annotate.prelabel.candidate import Candidate
from annotate.prelabel.chart import Chart
from annotate.prelabel.lexicon import load_lexicon
from annotate.prelabel.org import find_body
from annotate.prelabel.place import find_place, is_apostrophe, is_name_word
from annotate.text import fold

_LONGEST = 6
_BEFORE_HOUSE = frozenset({"số", "tại", "ở", "nhà"})
_ADDRESS = frozenset({"ông", "bà", "anh", "chị", "cô", "chú", "bác", "ngài", "cụ"})
_PARTICLES = frozenset(
    {
        "bin",
        "al",
        "von",
        "der",
        "de",
        "di",
        "ibn",
        "el",
        "dos",
        "du",
        "ben",
        "del",
        "da",
        "van",
        "binti",
    }
)
# The shape of a Vietnamese syllable: onset, vowels with their tones, coda.
VIETNAMESE = re.compile(
    r"(?:ngh|ng|nh|ch|gh|gi|kh|ph|qu|th|tr|[bcdđghklmnprstvx])?"
    r"[aàáảãạăằắẳẵặâầấẩẫậeèéẻẽẹêềếểễệiìíỉĩịoòóỏõọôồốổỗộơờớởỡợuùúủũụưừứửữựyỳýỷỹỵ]{1,3}"
    r"(?:ng|nh|ch|[cmnpt])?"
)
_WORD = r"[A-ZÀ-ÝĂĐĨŨƠƯẠ-Ỹ][\w'’]*(?:\.\s?[A-ZÀ-ÝĂĐĨŨƠƯẠ-Ỹ][\w'’]*)*"
_NAMED = rf"{_WORD}(?:[ -]{_WORD}){{0,3}}"
_BETWEEN = r"(?:\s?[-–]\s|(?<=\w)[-–](?=[A-ZĐ]\w+ [A-ZĐ])|,\s|\svà\s|;\s)"
_BYLINE = re.compile(
    r"\s*(?P<lead>\(?(?:[Bb]ài|[Tt]in|[Ảả]nh|[Tt]in, ảnh|[Tt]in, bài|[Bb]ài, ảnh|[Bb]ài và ảnh"
    r"|[Tt]in và ảnh|[Tt]in ảnh|[Tt]hực hiện|[Tt]ác giả|PV|[Pp]hóng viên|[Tt]heo)\s?:?\s)?"
    rf"(?P<names>{_NAMED}(?:{_BETWEEN}{_NAMED}){{0,3}})"
    r"(?P<tail>\s*\([^()\n]{2,40}\)|\s?/\s?[\w.+ ]{2,20}"
    r"|\s(?:thực hiện|ghi|lược ghi|tổng hợp|dịch|biên dịch|lược dịch|thể hiện))?\)?\.?\s*\|?\s*"
)
_PART_OF_BYLINE = re.compile(rf"(?:^|(?<=\W))({_NAMED})(?={_BETWEEN}|$|\s*\(|\s?/|\s[a-zđ]|\)|\.)")
_CREDIT = re.compile(
    r"(?:Biên tập viên|BTV|Người viết|Trình bày|[Ảả]nh|ẢNH|[Tt]in|[Bb]ài"
    r"|[Nn]guồn|[Tt]hực hiện|[Vv]ideo|[Cc]lip|[Đđ]ồ họa|[Bb]iên dịch"
    r"|[Tt]ác giả|[Mm]inh họa|[Ảả]nh tư liệu|[Đđ]ã ký)(?: minh họa)?\)?\s?\Z"
)
_BEHIND_CREDIT = frozenset({":", "/"})
_LONGEST_CREDIT = 24
_CREDITED = re.compile(rf"({_NAMED})(?=\s?[-–/,.;)\n]|\s*$|\s?\()")
_REPORTER = re.compile(rf"^({_NAMED})\s?\([\w.+/ -]{{2,20}}\)\s?[-–]", re.MULTILINE)
_AGENCY = re.compile(r"[A-ZĐ][\w.]*[A-ZĐ][\w.+&]*\s?/\s?")
_JOINT = re.compile(r"\s?[-–,]\s?")
_LONGEST_BYLINE = 60


def find_persons(chart: Chart, taken: list[Candidate]) -> list[Candidate]:
    """All persons of a text; `taken` are offices and bodies, whose ends are cues."""
    inside: set[int] = set()
    after_office: set[int] = set()
    for candidate in taken:
        inside.update(range(candidate.start, candidate.end))
        if candidate.label == "POSITION":
            end = candidate.end
            after_office.add(end)
            if chart.word(end) == "phụ" and (name := _behind_charge(chart, end)):
                after_office.add(name)
            if chart.word(end) == "(" and chart.word(end + 2) == ")":
                after_office.add(end + 3)
            if chart.word(end) in ("tại", "ở"):
                after_office.add(find_body(chart, end + 1)[0] or find_place(chart, end + 1))
    cues = {
        end
        for i, end in chart.hits("honorific")
        if i not in chart.inside_places and chart.place_end(i) <= end
    }
    listed: set[int] = set()
    pairs: set[int] = set()
    offices = {candidate.start for candidate in taken if candidate.label == "POSITION"}
    found: dict[int, Candidate] = {}
    for i, end in _uncle_ho(chart):
        found[i] = Candidate(i, end, "PERSON", "lexicon:person.known")
    for i, end in chart.hits("known"):
        if not _is_place_name(chart, i) and not _is_street(chart, i):
            found[i] = Candidate(i, end, "PERSON", "lexicon:person.known")
    reach = 0
    for i in chart.capital_numbers:
        if i < reach or i in inside or not chart.names[i]:
            continue
        if i in found:
            reach = found[i].end
            continue
        end, rule = 0, ""
        if i in after_office:
            end, rule = _after_office(chart, i, inside)
        if not end and i in cues:
            end, rule = _after_cue(chart, i, inside)
        if not end and chart.in_class("surname", i):
            end, rule = _full_name(chart, i, inside)
        if not end and not chart.in_class("surname", i):
            end, rule = _before_office(chart, i, inside, offices)
        if not end and chart.in_class("given.foreign", i):
            end, rule = _foreign(chart, i, inside)
        if not end and i in pairs and (chart.in_class("given", i) or chart.in_class("surname", i)):
            end, rule = i + 1, "person.listed"
        if not end and i in listed:
            end, rule = _listed(chart, i, inside)
        if end:
            found[i] = Candidate(i, end, "PERSON", f"rule:{rule}")
            if chart.word(end) in ("và", ","):
                listed.add(end + 1)
                if end == i + 1 and (
                    i in pairs or chart.in_class("plural", i - 2) or _counts(chart, i - 2)
                ):
                    pairs.add(end + 1)
            reach = end
    persons = list(found.values())
    persons += _bylines(chart, found, inside)
    persons += _repeated(chart, persons, inside)
    return persons


def _name_end(chart: Chart, i: int, inside: set[int]) -> int:
    """Token number after the run of name words at `i`: spaces, hyphens inside foreign names,
    initials with a full stop; never over a title, a body or a line break."""
    j = i
    titles, honorifics = chart.sizes["title"], chart.sizes["honorific"]
    while j < i + _LONGEST + 2:
        if j > i and j in inside:
            break
        if chart.is_name(j):
            if j > i and (titles[j] > 1 or (honorifics[j] and chart.word(j) in ("ông", "bà"))):
                break
            j += 1
        elif j > i and (joint := _joint(chart, j)):
            j += joint
        else:
            break
    return min(j, i + _LONGEST + 4)


def _joint(chart: Chart, j: int) -> int:
    """How many tokens to go on by where token `j` joins two parts of a name: a hyphen or
    apostrophe inside it, the full stop of an initial, a particle; 0 where it joins nothing."""
    word = chart.word(j)
    if word == "-" and chart.is_joined(j) and chart.is_joined(j + 1):
        if chart.at("title", j + 1) > j + 2 or chart.at("title.rank", j + 1):
            return 0
        if chart.is_capital(j + 1) and chart.is_name(j - 2) and _are_vietnamese(chart, j):
            return 0
        return 2 if chart.word(j + 1).isalpha() else 0
    if is_apostrophe(chart, j) or (word in _PARTICLES and is_name_word(chart, j + 1)):
        return 2
    return int(word == "." and is_name_word(chart, j + 1) and _is_initial(chart, j))


def _are_vietnamese(chart: Chart, hyphen: int) -> bool:
    """Whether a hyphen stands between Vietnamese names, so that it parts two persons."""
    near = (hyphen - 2, hyphen - 1, hyphen + 1)
    return all(VIETNAMESE.fullmatch(chart.word(k)) for k in near)


def _is_initial(chart: Chart, stop: int) -> bool:
    """Whether the full stop `stop` ends an initial (`V. Putin`, `Ph.Ăngghen`)."""
    size = chart.ends[stop - 1] - chart.starts[stop - 1]
    return size == 1 or (size == 2 and chart.is_joined(stop + 1))


def _behind_charge(chart: Chart, i: int) -> int:
    """Token number of the first capital behind `phụ trách` and what an office is in charge of
    (`Phó Thủ tướng phụ trách an ninh | Somchai Vong`); 0 for none within six words."""
    k = i + 2
    while k < i + 8 and chart.word(k).isalpha() and not chart.is_capital(k):
        k += 1
    fits = chart.word(i + 1) == "trách" and i + 2 < k and chart.is_name(k) and chart.is_name(k + 1)
    return k if fits and not chart.place_end(k) and not find_body(chart, k)[0] else 0


def _uncle_ho(chart: Chart) -> list[tuple[int, int]]:
    """The name in `Hồ Chủ tịch`, where the title stands behind it."""
    titles = (i for i, end in chart.hits("title") if chart.words[i:end] == ["chủ", "tịch"])
    return [(i - 1, i) for i in titles if chart.word(i - 1) == "hồ" and chart.is_name(i - 1)]


def _is_place_name(chart: Chart, i: int) -> bool:
    """Whether the words before token `i` make a name into that of a place, prize or body."""
    if i > 2 and chart.words[i - 2 : i] == ["chủ", "tịch"]:
        i -= 2
    if chart.in_class("not-name", i - 1) or chart.words[max(0, i - 4) : i - 2] == ["tượng", "đài"]:
        return True
    for size in (2, 3):
        if i >= size and " ".join(chart.words[i - size : i]) in chart.lexicon.words["not-name"]:
            return True
    return False


def _after_office(chart: Chart, i: int, inside: set[int]) -> tuple[int, str]:
    end = _name_end(chart, i, inside)
    if chart.place_end(i) >= end and not chart.in_class("surname", i):
        return 0, ""
    if chart.place_end(i) >= end and end - i == 2:
        return 0, ""
    if chart.at("title.seat", i) and not chart.is_capital(i + 1):
        return 0, ""
    if chart.at("head.alone", i) and not (
        chart.in_class("surname", i) and is_name_word(chart, i + 1)
    ):
        return 0, ""
    if chart.at("doc.type", i) or chart.at("body.acronym", i) or chart.at("field", i) >= end:
        return 0, ""
    if end == i + 1 and chart.in_class("stop", i):
        return 0, ""
    if i in chart.shouting and not _is_shouted_name(chart, i, end):
        return 0, ""
    return end, "person.office"


def _after_cue(chart: Chart, i: int, inside: set[int]) -> tuple[int, str]:
    if chart.words[max(0, i - 4) : i - 2] == ["tượng", "đài"]:
        return 0, ""
    if chart.at("title", i) or (chart.at("title.prefix", i) and not chart.in_class("surname", i)):
        return 0, ""
    if chart.at("honorific", i):
        return 0, ""
    end = _name_end(chart, i, inside)
    before = chart.word(i - 1)
    if end == i + 1 and before not in _ADDRESS and _begins_word(chart, i):
        return 0, ""
    if (
        before in ("anh", "em", "mẹ", "má", "bạn", "tướng")
        and chart.is_capital(i - 1)
        and not chart.opens_sentence(i - 1)
    ):
        return 0, ""
    if i in chart.shouting and before not in _ADDRESS and not _is_shouted_name(chart, i, end):
        return 0, ""
    named = before not in ("ông", "bà") and chart.place_end(i) >= end
    if named and (chart.at("country", i) or not chart.in_class("surname", i)):
        return 0, ""
    if before not in ("ông", "bà") and (
        chart.at("field", i) >= end or chart.at("head.alone", i) >= end
    ):
        return 0, ""
    return end, "person.cue"


def _is_street(chart: Chart, i: int) -> bool:
    """Whether the name at token `i` stands behind the number of a house: `số 46 Trần Phú`."""
    return chart.word(i - 1).isdigit() and chart.word(i - 2) in _BEFORE_HOUSE


def _is_shouted_name(chart: Chart, i: int, end: int) -> bool:
    """Whether words in a line of capitals are a name: a family name with one to three behind it."""
    known = chart.in_class("surname", i) or chart.in_class("surname.rare", i)
    return known and 2 <= end - i <= 4


def _begins_word(chart: Chart, i: int) -> bool:
    """Whether token `i` is no name but a capital that opens a word (`Quốc dân`, `Tổ quốc`), or an
    abbreviation (`PV GAS`)."""
    if (
        chart.in_class("opens-word", i)
        and chart.word(i + 1).isalpha()
        and not chart.is_capital(i + 1)
    ):
        return True
    return chart.word(i - 1) == "pv" and chart.is_upper(i)


def _counts(chart: Chart, i: int) -> bool:
    """Whether a number stands before a form of address: `2 ông Tuấn và Huy`."""
    return chart.word(i).isdigit()


def _before_office(chart: Chart, i: int, inside: set[int], offices: set[int]) -> tuple[int, str]:
    """A name of two to four words before a comma or dash and an office: `Mark Cancian, Đại tá`."""
    end = _name_end(chart, i, inside)
    if not 2 <= end - i <= 4 or chart.word(end) not in (",", "-") or end + 1 not in offices:
        return 0, ""
    if all(VIETNAMESE.fullmatch(word) for word in chart.words[i:end]):
        return 0, ""
    if (
        chart.place_end(i)
        or find_body(chart, i)[0]
        or chart.at("doc.type", i)
        or i in chart.shouting
    ):
        return 0, ""
    if (
        chart.at("honorific", i)
        or is_name_word(chart, i - 1)
        or chart.at("field", i) >= end
        or _is_place_name(chart, i)
    ):
        return 0, ""
    return end, "person.before-office"


def _listed(chart: Chart, i: int, inside: set[int]) -> tuple[int, str]:
    """A name of two to four words that follows a person and `và` or a comma."""
    end = _name_end(chart, i, inside)
    if (
        not 2 <= end - i <= 4
        or chart.place_end(i)
        or find_body(chart, i)[0]
        or chart.at("doc.type", i)
    ):
        return 0, ""
    if chart.at("field", i) >= end or i in chart.shouting:
        return 0, ""
    return end, "person.listed"


def _foreign(chart: Chart, i: int, inside: set[int]) -> tuple[int, str]:
    """A given name of other countries with one to three words that are no Vietnamese syllables."""
    end = _name_end(chart, i, inside)
    if not 2 <= end - i <= 4 or chart.place_end(i) or find_body(chart, i)[0]:
        return 0, ""
    if is_name_word(chart, i - 1) and not chart.opens_sentence(i - 1):
        return 0, ""
    if (
        VIETNAMESE.fullmatch(chart.word(end - 1))
        or chart.place_end(end - 1)
        or _is_place_name(chart, i)
    ):
        return 0, ""
    return end, "person.foreign"


def _full_name(chart: Chart, i: int, inside: set[int]) -> tuple[int, str]:
    """A family name with one to four names behind it, not the name of a place."""
    end = _name_end(chart, i, inside)
    size = end - i
    if size < 2 or size > 5 or _is_place_name(chart, i):
        return 0, ""
    if (
        i > 0
        and is_name_word(chart, i - 1)
        and (i - 1) not in inside
        and not chart.opens_sentence(i - 1)
    ):
        return 0, ""
    place = chart.place_end(i)
    if size == 3 and place == i + 2 and (chart.at("province", i) or chart.at("city", i)):
        return 0, ""
    if chart.word(i - 1).isdigit() and chart.word(i - 2) in ("số", "-"):
        return 0, ""
    if chart.place_end(i + 1) >= end and size > 2 and chart.opens_sentence(i):
        return (0, "") if chart.word(i - 1) != ":" else (end, "person.full")
    if place >= end or chart.at("field", i) >= end:
        return 0, ""
    if i in chart.shouting and size > 4:
        return 0, ""
    if size == 2 and (
        i in chart.shouting or place or chart.opens_sentence(i) or chart.word(i - 1)[-1:].isdigit()
    ):
        return 0, ""
    if chart.at("honorific", i) and size < 4:
        return 0, ""
    if size == 2 and find_body(chart, i)[0]:
        return 0, ""
    return end, "person.full" if size > 2 else "person.short"


def _bylines(chart: Chart, found: dict[int, Candidate], inside: set[int]) -> list[Candidate]:
    """Names that stand alone on a line, and names behind `Ảnh:` and its like."""
    token_at, token_after = chart.first, chart.after
    names: list[Candidate] = []
    text = chart.text

    def take(start: int, end: int, rule: str) -> None:
        i, j = token_at.get(start), token_after.get(end)
        if i is None or j is None or j - i > 8 or any(k in inside for k in range(i, j)):
            return
        if any(chart.in_class("stop", k) and k in chart.shouting for k in range(i, j)):
            return
        if "." not in text[start:end] and find_place(chart, i) >= j:
            return
        if chart.at("field", i) >= j or chart.at("credit", i) >= j:
            return
        if (
            chart.at("doc.type", i)
            or chart.at("title", i)
            or chart.at("head.compound", i)
            or chart.at("body.acronym", i) >= j
        ):
            return
        names.append(Candidate(i, j, "PERSON", f"rule:{rule}"))

    offset = 0
    for number, line in enumerate(text.split("\n")):
        if (number or line.isupper()) and 3 <= len(line.strip()) <= _LONGEST_BYLINE:
            for start, end in _read_byline(line, offset * 5 > len(text) * 2):
                take(offset + start, offset + end, "person.byline")
        offset += len(line) + 1
    for match in _REPORTER.finditer(text):
        if _is_pen_name(match.group(1)):
            take(match.start(1), match.end(1), "person.byline")
    for k in chart.where(_BEHIND_CREDIT):
        at = chart.starts[k]
        if not _CREDIT.search(text, max(0, at - _LONGEST_CREDIT), at):
            continue
        at += 2 if text[at + 1 : at + 2].isspace() else 1
        agency = _AGENCY.match(text, at)
        at = agency.end() if agency else at
        while name := _CREDITED.match(text, at):
            if not name.group(1).isupper() or " " in name.group(1) or "." in name.group(1):
                take(name.start(1), name.end(1), "person.credit")
            joint = _JOINT.match(text, name.end())
            if not joint:
                break
            at = joint.end()
    return names


def _read_byline(line: str, late: bool) -> list[tuple[int, int]]:
    """Start and end of the names in a line that holds names only, with or without a remark."""
    match = _BYLINE.fullmatch(line)
    if not match or fold(match["names"].split()[0]) in load_lexicon().words["byline.not-name"]:
        return []
    parts = [
        piece
        for part in _PART_OF_BYLINE.finditer(line, match.start("names"), match.end("names"))
        for piece in _split_names(line, *part.span(1))
    ]
    named = bool(match["tail"] or match["lead"])
    if not (late or named or all(_is_pen_name(line[start:end]) for start, end in parts)):
        return []
    if not named and len(parts) == 1:
        start, end = parts[0]
        words = line[start:end].split()
        if len(words) < 2 and "." not in line[start:end]:
            return []
    return parts


def _split_names(line: str, start: int, end: int) -> list[tuple[int, int]]:
    """Start and end of two names with only a hyphen between them, or of the one name."""
    hyphen = line.find("-", start, end)
    if hyphen > 0 and _is_pen_name(line[start:hyphen]) and _is_pen_name(line[hyphen + 1 : end]):
        return [(start, hyphen), (hyphen + 1, end)]
    return [(start, end)]


def _is_pen_name(name: str) -> bool:
    """Whether a name is two to four given or family names and nothing else."""
    words = fold(name).split()
    known = load_lexicon().words
    return 2 <= len(words) <= 4 and all(w in known["given"] or w in known["surname"] for w in words)


def _repeated(chart: Chart, persons: list[Candidate], inside: set[int]) -> list[Candidate]:
    """Later mentions, without any cue, of a name that the text gives in full: the whole name,
    and of a foreign name its last word."""
    names: dict[str, set[tuple[str, ...]]] = {}
    for person in persons:
        words = tuple(chart.words[person.start : person.end])
        if len(words) > 1:
            names.setdefault(words[0], set()).add(words)
        last = words[-1]
        if len(last) > 3 and last.isalpha() and not VIETNAMESE.fullmatch(last):
            names.setdefault(last, set()).add((last,))
    taken = {k for person in persons for k in range(person.start, person.end)} | inside
    found: list[Candidate] = []
    for i in chart.capital_numbers:
        word = chart.words[i]
        if word not in names or i in taken:
            continue
        for words in sorted(names[word], key=len, reverse=True):
            end = i + len(words)
            if (
                _is_place_name(chart, i)
                or tuple(chart.words[i:end]) != words
                or any(k in taken for k in range(i, end))
            ):
                continue
            start = i
            if chart.word(i - 1) == "." and chart.is_joined(i) and _is_initial(chart, i - 1):
                start = i - 2
            elif (
                is_name_word(chart, i - 1)
                and i - 1 not in taken
                and not chart.opens_sentence(i - 1)
            ):
                break
            if not is_name_word(chart, end) or end in taken:
                found.append(Candidate(start, end, "PERSON", "rule:person.repeated"))
                taken.update(range(start, end))
            break
    return found
