"""ORG: named bodies, from their head word over field, place and parent body."""

import re
from collections.abc import Callable, Sequence

from annotate.prelabel.candidate import Candidate
from annotate.prelabel.chart import Chart, folded_words
from annotate.prelabel.place import (
    cut_before_person,
    find_place,
    find_unit,
    is_name_word,
    is_person,
    named_place,
    proper_place,
    run_end,
    state_name,
)

Body = tuple[int, str]
"""Token number after a body, and the rule that found it; a rule in `org.alone` needs context."""

Reader = Callable[[Chart, int], Body]

_HOLDS = folded_words("trưởng phó chánh tịch thư đốc nhiệm")
_NONE: Body = (0, "")
_AND = frozenset({"và", "&", "-"})
_LONGEST_FIELD = 14
_LONGEST_PARENT = 40
_LONGEST_BODY = 80
_LOCAL_PARTY = folded_words("huyện quận thị thành")
_HEADS = ("head.place", "head.party", "head.organ", "body.capital")
_SMALL_WITH_PARENT = folded_words("ban sở phòng ủy văn hội")
_LOOSE_HEADS = folded_words("ban hội tổ đoàn trung văn tiểu ủy nhóm quỹ")
_NUMBERED_HEADS = folded_words("phòng vụ ban đội cục tổ đồn trạm")
_NAMED_AFTER = folded_words("trường quỹ nhà bảo bệnh đại")
_REACHING = folded_words("hội hiệp liên quỹ trung trường công hợp đoàn câu nhà bảo tổng xí ủy")
_SUFFIXES = frozenset({("quốc", "gia"), ("quốc", "tế"), ("nhân", "dân")})
_PALACES = folded_words("điện nhà lầu phủ")
_AT = folded_words("tại đến tới trong ở thăm ngoài vào gần trước quanh rời khỏi")
_SUBJECT_HEADS = folded_words("ban tiểu tổ hội ủy")
_FORMS_OF_FIRM = folded_words("phần hạn viên tnhh mtv")
_NATIONS = folded_words("việt nhật hàn trung ấn nga xô mĩ")
_BETWEEN = folded_words("hội nhóm ủy diễn liên phòng hiệp tổ quỹ")
_ABROAD = folded_words("đại lãnh tổng phái thương cơ đoàn sứ")
_NEVER_OPEN = folded_words("tổ cơ đoàn đội nhóm thường thanh")
_CENTRE_BEFORE = folded_words(
    "của cáo quyết trình với thị định luận dẫn viên xin được kiến trước theo giúp đạo lệ"
)
_CENTRE_VERBS = folded_words(
    "còn triệu phát chủ nhận xác khẳng đánh đã sẽ đang cũng có cần yêu đề vừa mới tiếp luôn cho "
    "giao chỉ ban quyết"
)
_CENTRE_AFTER = folded_words("hội đoàn đảng cục")
_NUMBERS_NOT = folded_words("tháng năm ngày quý thứ khóa số lần kỳ điều khoản")
_PARTY_CONTINUES = folded_words("viên bộ ủy đoàn phí tính phái tịch sâm cử vụ")


def find_body(chart: Chart, i: int) -> Body:
    """The longest body that begins at token `i`; `(0, "")` for none.

    `find_orgs` reads the bodies of a chart from right to left, so that the parent body that ends
    a name is known before the name: no recursion, each token is read once.
    """
    return chart.bodies.get(i, _NONE)


def _find_body(chart: Chart, i: int, readers: Sequence[Reader]) -> Body:
    best = _NONE
    if chart.words[i : i + 3] == ["bộ", "quy", "tắc"]:
        return _NONE
    compound = chart.at("head.compound", i)
    shouting = i in chart.shouting
    if compound and (
        shouting or chart.is_upper(i + 1) or not any(chart.capitals[i + 1 : compound])
    ):
        longest_head = max(chart.at(label, i) for label in _HEADS)
        if longest_head <= compound:
            return _named_body(chart, i)
    if (shouting or not chart.is_capital(i)) and is_compound(chart, i):
        return _NONE
    for reader in readers:
        body = reader(chart, i)
        if body[0] > best[0]:
            best = body
    if best[0] and (more := _region(chart, best[0])):
        return (more, best[1] if best[1] != "org.alone" else "org.region")
    return best


def _region(chart: Chart, at: int) -> int:
    """Token number after a region or number that ends the name of a body: `khu vực XII`,
    `khu vực huyện Phù Ninh`, `số 3`; 0 for none."""
    if chart.word(at) == "số" and re.fullmatch(r"\d{1,3}", chart.word(at + 1)):
        return at + 2
    if chart.word(at) == "cấp" and chart.word(at + 1) == "cao" and chart.word(at + 2) == "tại":
        return find_place(chart, at + 3) or at + 2
    if chart.word(at) == "vùng" and chart.word(at + 1).isdigit():
        return at + 2
    if chart.word(at) == "tại" and chart.word(at - 1) == "cao" and chart.word(at - 2) == "cấp":
        return find_place(chart, at + 1)
    if chart.word(at) == "khu" and chart.word(at + 1) == "vực":
        if re.fullmatch(r"\d{1,2}|[ivx]+", chart.word(at + 2)):
            return at + 3
        return find_place(chart, at + 2)
    return 0


def _named_body(chart: Chart, i: int) -> Body:
    end = chart.at("body", i)
    if end:
        end = chart.at("country", end) or end
        parent, rule = find_body(chart, end)
        joins = rule in ("org.named", "org.field") or (
            rule == "org.state" and chart.word(end) == "quốc" and chart.word(i) in _SUBJECT_HEADS
        )
        return (parent if joins else end, "org.named")
    end = chart.at("body.acronym", i)
    if end and i not in chart.shouting and not chart.at("head.place", i):
        if (
            chart.word(end) == "."
            and chart.is_joined(end)
            and chart.word(end + 1) in ("vn", "com", "net", "org")
        ):
            end += 2
        return (end, "org.acronym")
    return _NONE


def _parent(chart: Chart, i: int, *, strict: bool = False) -> int:
    """Token number after the parent body, place or level that completes a name; 0 for none."""
    unit = find_unit(chart, i)
    end, rule = find_body(chart, i)
    if (
        rule == "org.alone"
        and end == i + 1
        and is_name_word(chart, end)
        and chart.word(i) == "đoàn"
    ):
        end = 0
    if rule in ("org.party-alone", "org.centre") or (
        rule == "org.alone" and not chart.is_capital(i)
    ):
        end = 0
    if end > i + _LONGEST_PARENT:
        end = 0
    if strict and rule == "org.alone" and end == i + 1:
        end = 0
    return max(unit, end)


def _party_body(chart: Chart, i: int) -> Body:
    head = chart.at("head.party", i)
    if not head:
        return _NONE
    at = _provisional(chart, head)
    if chart.word(at) == "cơ" and chart.word(at + 1) == "quan":
        at += 2
    if chart.word(i) == "khối" and not chart.is_capital(i):
        end = chart.at("field", at)
        return (end, "org.party") if end == at + 1 and chart.is_upper(at) else _NONE
    end = _parent(chart, at) or chart.place_end(at) or _party_field(chart, i, at)
    if not end and chart.is_capital(at) and chart.word(at) != "đảng":
        end = proper_place(chart, at) if chart.word(i) in _LOCAL_PARTY else 0
    if not end and at == head:
        return _NONE
    if not end and chart.word(head) == "lâm":
        return (head, "org.alone") if chart.is_capital(i) else _NONE
    if not end:
        return (at, "org.party") if chart.is_capital(i) else _NONE
    end = _tail(chart, end)
    return _if_named(chart, i, at, end, "org.party")


def _provisional(chart: Chart, at: int) -> int:
    """Token number after `lâm thời` between a committee and its place, or `at`."""
    return at + 2 if chart.word(at) == "lâm" and chart.word(at + 1) == "thời" else at


def _party_field(chart: Chart, i: int, at: int) -> int:
    """A field that completes a committee: `Khối doanh nghiệp`, `Đảng ủy Quân sự`."""
    if chart.word(i) not in ("khối", "đảng", "công", "chi", "đoàn"):
        return 0
    field = _field(chart, at)
    if chart.words[at:field] == ["cơ", "sở"]:
        return 0
    return field if field > at + 1 or chart.is_capital(at) else 0


def _tail(chart: Chart, end: int) -> int:
    """Extends a body over a centre, level or place that still follows it."""
    centre = chart.at("centre", end)
    if centre:
        end = centre
    unit = find_unit(chart, end)
    if unit:
        end = unit
    return end


def _if_named(chart: Chart, i: int, at: int, end: int, rule: str) -> Body:
    """The body, unless it is all in small letters but for nothing that names it."""
    if any(chart.is_capital(k) for k in range(i, end)):
        return (end, rule)
    return _NONE


def _organ(chart: Chart, i: int) -> Body:
    head = chart.at("head.organ", i)
    if not head or (chart.word(i) == "cơ" and not chart.is_capital(i)):
        return _NONE
    centre = chart.at("centre", head)
    named = chart.at("body", head)
    if named > centre:
        return (find_unit(chart, named) or named, "org.organ")
    if centre and chart.word(i) not in ("trung", "cơ"):
        parent, rule = find_body(chart, centre)
        if parent and rule != "org.alone":
            return (parent, "org.organ")
        if chart.word(centre) == "đảng" and chart.word(centre + 1) not in _PARTY_CONTINUES:
            return (centre + 1, "org.organ")
        return (centre, "org.organ")
    at = head
    if chart.word(at) == "đảng" and chart.at("head.party", at + 1):
        at += 1
    end = _parent(chart, at)
    if not end and chart.word(i) not in ("thường", "trung", "tt", "cơ"):
        end = chart.at("province", at)
    if not end or (chart.word(i) in ("trung", "tt") and find_body(chart, at)[0] != end):
        return _NONE
    return _if_named(chart, i, at, end, "org.organ")


def _placed_body(chart: Chart, i: int) -> Body:
    head = chart.at("head.place", i)
    if not head:
        return _NONE
    centre = chart.at("centre", head)
    end = centre or _parent(chart, head)
    if not end and chart.place_end(head):
        end = named_place(chart, head)
    if not end and chart.word(head) == "cấp":
        end = chart.at("level-alone", head)
    if centre:
        end = max(end, _parent(chart, centre), chart.at("country", centre))
    if not end and chart.word(i) in ("hạt", "đồn", "báo", "đài"):
        end = _proper_name(chart, head)
    if not end:
        return _NONE
    if chart.word(i) in _ABROAD:
        end = max(end, _countries(chart, i, head))
    if chart.word(i) in ("quốc", "nhà") and not chart.at("country", head):
        return _NONE
    if chart.word(i) == "chính" and not chart.at("country", head):
        return _NONE
    end = max(end, find_unit(chart, end))
    return _if_named(chart, i, head, end, "org.placed")


def _proper_name(chart: Chart, i: int) -> int:
    if i in chart.shouting or not is_name_word(chart, i):
        return 0
    if chart.at("title", i):
        return 0
    end = proper_place(chart, i)
    return end if end > i + 1 or not chart.word(i + 1).isalpha() else 0


def _field(chart: Chart, i: int) -> int:
    return chart.at("field", i)


def _field_body(chart: Chart, i: int) -> Body:
    best = _NONE
    if chart.at("body", i):
        return best
    for head in chart.every["head.field"].get(i, ()):
        body = _field_body_at(chart, i, head)
        if body[0] > best[0] or (body[0] == best[0] and body[1] == "org.field"):
            best = body
    return best


def _field_body_at(chart: Chart, i: int, head: int) -> Body:
    if head == i + 1 and (i in chart.inside_places or chart.place_end(i) > i + 1):
        return _NONE
    if chart.word(i) == "tổ" and chart.word(i - 1) in ("luật", "lệnh"):
        return _NONE
    if not chart.is_capital(i) and not _small_head_fits(chart, i, head):
        return _NONE
    at = head
    end = _field(chart, at)
    if (
        end
        and not chart.is_capital(at)
        and not (
            chart.word(i) in _LOOSE_HEADS
            or end > at + 2
            or (chart.word(i) in ("bộ", "sở", "phòng") and end > at + 1)
            or (chart.in_class("head.firm", i) and end > at + 1 and is_name_word(chart, end))
        )
    ):
        end = 0
    named = bool(end)
    if not end and chart.word(at - 1) in ("án", "qlda") and chart.word(i) in ("ban", "bqlda"):
        end = _project(chart, at)
    if not end and chart.word(at) == "về" and chart.word(i) in _SUBJECT_HEADS and at > i + 1:
        end = _subject(chart, at + 1)
    if not end:
        end = _open_name(chart, i, at)
    if not end and chart.word(i) == "hợp":
        end = _reach(chart, i, at)
    if not end:
        end = _parent(chart, at, strict=True)
        if not end:
            if (
                head > i + 1
                and chart.is_capital(i)
                and any(chart.is_capital(k) for k in range(i + 1, head))
            ):
                return _NONE if i in chart.shouting else (head, "org.alone")
            return _NONE
        return _if_named(chart, i, at, end, "org.field")
    rule = "org.field" if named else "org.open"
    end = _more_field(chart, i, end)
    if (chart.word(end), chart.word(end + 1)) in _SUFFIXES:
        end += 2
    if numbered := _numbered_end(chart, i, end):
        return (numbered, rule)
    if (
        chart.word(end) == "chi"
        and chart.word(end + 1) == "nhánh"
        and (branch := find_place(chart, end + 2))
    ):
        return (branch, rule)
    centre = chart.at("centre", end)
    if centre:
        ends_party = chart.word(centre) == "đảng" and find_body(chart, centre)[0] == centre + 1
        end = centre + (ends_party and chart.word(centre + 1) not in _PARTY_CONTINUES)
    if chart.words[end : end + 3] == ["hồ", "chí", "minh"] and chart.word(i) in (
        "học",
        "trường",
        "đại",
    ):
        end += 3
    if acronym := chart.at("body.acronym", end):
        end = chart.at("country", acronym) or end
    end = _countries(chart, i, end)
    parent = _parent(chart, end) or _reach(chart, i, end)
    if parent:
        end = parent
    elif chart.place_end(end):
        end = named_place(chart, end) or end
    if end > at + _LONGEST_FIELD + 10:
        return _NONE
    if chart.word(end) == "-" and chart.word(end + 1) in ("ctcp", "tnhh"):
        end += 2
    return _if_named(chart, i, at, end, rule)


def _project(chart: Chart, i: int) -> int:
    """Token number after the name of the project that a board manages, up to punctuation or a word
    that ends names; 0 for a known field or where nothing stands."""
    k = i
    while k < i + 14 and (chart.word(k).isalpha() or (chart.word(k) == "-" and k > i)):
        if chart.in_class("stop", k) and not chart.is_capital(k):
            break
        k += 1
    while k > i and not chart.word(k - 1).isalpha():
        k -= 1
    return k if k > i + 1 else 0


def _subject(chart: Chart, i: int) -> int:
    """Token number after what a committee is about: `về (an ninh lương thực)`; 0 for a known field
    or where no two small words stand."""
    k = i
    while k < i + 12 and chart.word(k).isalpha() and not chart.is_capital(k):
        if (field := chart.at("field", k)) > k + 1:
            k = field
            continue
        if chart.in_class("stop", k) and not (chart.word(k) == "và" and k > i):
            break
        k += 1
        if chart.word(k) == "," and chart.word(k - 1) in ("phòng", "tham", "lãng", "nhũng", "phí"):
            k += 1
    while k > i and chart.word(k - 1) in ("và", ","):
        k -= 1
    return k if k > i + 1 else 0


def _reach(chart: Chart, i: int, end: int) -> int:
    """Token number after a few small words and the place that closes the name of an association,
    fund, school or firm behind them: `Hội Đoàn kết sư sãi yêu nước tỉnh`; 0 for none."""
    if chart.word(i) not in _REACHING:
        return 0
    k = end
    while (
        k < end + 5
        and (chart.word(k).isalpha() or chart.word(k) == "-")
        and not chart.is_capital(k)
    ):
        loyal = chart.word(k) == "yêu" and chart.word(k + 1) == "nước"
        if not loyal and (chart.in_class("stop", k) or chart.at("level", k)):
            break
        k += 1 + loyal
    if k == end:
        return 0
    if chart.word(i) == "hợp" and chart.is_name(k) and not is_person(chart, k):
        return named_place(chart, k)
    return find_unit(chart, k) or (named_place(chart, k) if chart.place_end(k) else 0)


def _numbered_end(chart: Chart, i: int, end: int) -> int:
    """Token number after the number of a unit behind its field: `phòng Nghiệp vụ 2`,
    `Ban bầu cử đơn vị số 3`; 0 for none."""
    if chart.is_phrase("unit.number", end, end + 3) and chart.word(end + 3).isdigit():
        return end + 4
    if chart.word(i) not in _NUMBERED_HEADS:
        return 0
    if chart.word(i) == "đồn" and re.fullmatch(r"\d{3}", chart.word(end)):
        return end + 1
    if re.fullmatch("[ivx]{1,4}", chart.word(end)) and chart.is_upper(end):
        return end + 1
    if not re.fullmatch(r"\d{1,3}", chart.word(end)):
        return 0
    follows = chart.word(end + 1)
    return end + 1 if chart.is_capital(end + 1) or not follows.isalpha() else 0


def _small_head_fits(chart: Chart, i: int, head: int) -> bool:
    """Whether a head in small letters may open a name: `bộ Tài chính`, but not `trụ sở Bộ ...`
    or `tổ chức Hội nghị`, where it is part of another word."""
    if chart.word(i) == "vùng":
        return False
    if chart.word(head - 1) in ("án", "qlda"):
        return True
    if not chart.is_capital(head):
        return chart.at("field", head) > head + 1 and chart.word(i) in _SMALL_WITH_PARENT
    if chart.at("field", head):
        return chart.word(i) != "tổ"
    if chart.word(i - 1) in ("trưởng", "phó") and chart.word(i) in ("phòng", "ban", "khoa"):
        return True
    return chart.is_phrase("head.open-small", i, head)


def _countries(chart: Chart, i: int, end: int) -> int:
    """Extends a body over the countries it belongs to and, abroad, over where it sits:
    `Hội Hữu nghị Việt Nam - Lào`, `Đại sứ quán Việt Nam tại Lào`."""
    if chart.word(end + 1) == "-" and _is_nation(chart, i, end):
        end += 2
    while country := chart.at("country", end):
        if is_person(chart, end) and country == end + 2:
            break
        end = country
        if (
            chart.word(end) in ("-", "và")
            and chart.at("country", end + 1)
            and chart.word(i) in _BETWEEN
        ):
            end += 1
        elif chart.word(end) == "-" and _is_nation(chart, i, end + 1):
            return end + 2
    if chart.word(i) in _ABROAD and chart.word(end) in ("tại", "ở"):
        seat, rule = find_body(chart, end + 1)
        return (
            (seat if rule in ("org.named", "org.acronym") else 0)
            or chart.place_end(end + 1)
            or find_unit(chart, end + 1)
            or end
        )
    return end


def _is_nation(chart: Chart, i: int, at: int) -> bool:
    """Whether a country stands by the first syllable of its name in a pair: `Nhật - Việt`."""
    return chart.word(i) in _BETWEEN and chart.word(at) in _NATIONS and chart.is_capital(at)


def _more_field(chart: Chart, i: int, end: int) -> int:
    """Extends a field over further fields and proper names: `và Đầu tư`, `Sông Trà`."""
    limit = end + _LONGEST_FIELD
    while end < limit:
        if (
            (chart.word(end) in _AND and (more := _joined_field(chart, end + 1)))
            or (
                (more := _field(chart, end))
                and chart.is_capital(end)
                and not find_body(chart, end)[0]
            )
            or (
                is_name_word(chart, end)
                and end not in chart.shouting
                and not chart.place_end(end)
                and not find_body(chart, end)[0]
                and chart.in_class("head.firm", i)
                and (more := _name_part(chart, i, end)) > end
            )
        ):
            end = more
        else:
            break
    return end


def _name_part(chart: Chart, i: int, at: int) -> int:
    """Token number after the proper name inside the name of a firm or school; `at` for none."""
    named_after = chart.word(i) in _NAMED_AFTER or chart.word(at - 1) in _FORMS_OF_FIRM
    if is_person(chart, at) and not named_after:
        return at
    return cut_before_person(chart, at, run_end(chart, at, 6))


def _joined_field(chart: Chart, i: int) -> int:
    more = _field(chart, i)
    if (
        more
        and not find_body(chart, i)[0]
        and chart.word(i) != "cơ"
        and (chart.is_capital(i) or more > i + 1)
    ):
        return more
    return 0


def _open_name(chart: Chart, i: int, at: int) -> int:
    if chart.at("head.place", i) >= at:
        return _quoted_or_number(chart, i, at)
    if chart.word(i) in _NEVER_OPEN and (chart.word(i) != "ban" or at > i + 1):
        return _quoted_or_number(chart, i, at)
    return _read_open_name(chart, i, at)


def _read_open_name(chart: Chart, i: int, at: int) -> int:
    """Token number after a name that no lexicon holds: capitals, each with the small syllables
    that follow it up to a word that ends names."""
    if find_body(chart, at)[0] or find_place(chart, at):
        if chart.at("country", at) and chart.word(i) in _ABROAD:
            return _countries(chart, i, at)
        return (
            find_place(chart, at) if chart.word(i) in ("báo", "đài", "trường", "đồn", "hội") else 0
        )
    named_after = chart.word(i) in _NAMED_AFTER or (
        chart.word(i) == "học" and chart.word(i - 1) not in _HOLDS
    )
    if is_person(chart, at) and not named_after:
        return 0
    if chart.word(i - 1) in _HOLDS and chart.in_class("surname", at) and _is_pair(chart, at):
        return 0
    if not is_name_word(chart, at) or at in chart.shouting or chart.at("title", at):
        return _quoted_or_number(chart, i, at)
    j = at
    while j < at + _LONGEST_FIELD:
        if j > at and is_person(chart, j):
            break
        if j > at and is_name_word(chart, j) and chart.place_end(j):
            j = chart.place_end(j)
            break
        if is_name_word(chart, j) and not (
            j > at and (find_body(chart, j)[0] or find_place(chart, j))
        ):
            first = j
            run = run_end(chart, j, 6)
            placed = next((k for k in range(j + 1, run) if chart.place_end(k)), 0)
            if placed:
                j = chart.place_end(placed)
                break
            j = max(cut_before_person(chart, j, run), j + 1)
            if j < run and j - first >= 2:
                break
            if j - first >= 2:
                continue
            small = j
            while small < j + 4 and chart.word(small).isalpha() and not chart.is_capital(small):
                if (known := chart.at("field", small)) > small + 1:
                    small = known
                    continue
                if chart.in_class("stop", small):
                    break
                small += 1
            if small - j <= 3:
                j = small
            else:
                j += 1
        elif (
            chart.word(j) in _AND and is_name_word(chart, j + 1) and not find_body(chart, j + 1)[0]
        ):
            j += 1
        else:
            break
    while j > at and chart.word(j - 1) in _AND:
        j -= 1
    return j


def _is_pair(chart: Chart, i: int) -> bool:
    """Whether exactly two names stand at `i`, as behind an office: `Trưởng Ban A | Hà Rin`."""
    return run_end(chart, i, 4) == i + 2


def _quoted_or_number(chart: Chart, i: int, at: int) -> int:
    if chart.in_class("head.numbered", i) and chart.word(at).isdigit():
        return at + 1
    if chart.word(at) == "số" and chart.word(at + 1).isdigit():
        return at + 2
    if (
        chart.word(i) == "phòng"
        and chart.word(i - 1) in ("trưởng", "phó")
        and re.fullmatch(r"\d{1,2}", chart.word(at))
    ):
        return at + 1
    return 0


def _short_form(chart: Chart, i: int) -> Body:
    """A capitalised short form: `Đảng`, `Quốc hội`, `Ban Thường vụ`, `Sở`."""
    if chart.word(i) == "đảng" and (end := _party_name(chart, i)):
        return (end, "org.party-name")
    if not chart.is_capital(i) or i in chart.inside_places:
        return _NONE
    end = chart.at("head.alone", i)
    if chart.place_end(i) > max(end, i + 1):
        return _NONE
    state = chart.at("body.capital", i)
    if end and end > i + 1 and end >= state:
        return (end, "org.alone")
    if chart.word(i) == "đảng":
        if chart.word(i + 1) in _PARTY_CONTINUES and not (
            chart.is_capital(i + 1) and i not in chart.shouting
        ):
            return _NONE
        return (i + 1, "org.party-alone")
    if state:
        return (_of_state(chart, state), "org.state")
    if end:
        return (end, "org.alone")
    centre = chart.at("centre", i)
    if centre and (centre > i + 1 or chart.is_upper(i)):
        return (centre, "org.centre")
    return _NONE


def _of_state(chart: Chart, i: int) -> int:
    """Token number after the state that a body belongs to at token `i`, or `i`."""
    if chart.word(i) == "nước":
        return chart.at("country", i + 1) or state_name(chart, i + 1) or i
    return chart.at("country", i) or state_name(chart, i) or i


def _party_name(chart: Chart, i: int) -> int:
    """Token number after a party by its name, known or not: `đảng Pheu Thai`, `Đảng Xanh`."""
    if i in chart.shouting or not is_name_word(chart, i + 1) or chart.is_joined(i + 1):
        return 0
    if chart.word(i + 1) in _PARTY_CONTINUES or chart.in_class("surname", i + 1):
        return 0
    if chart.word(i + 1) == "cộng":
        return 0
    if find_body(chart, i + 1)[0] or chart.at("title", i + 1) or chart.at("doc.type", i + 1):
        return 0
    end = run_end(chart, i + 1, 5)
    return chart.at("country", end) or end


def is_compound(chart: Chart, i: int) -> bool:
    """Whether token `i` ends a word that only looks like a head: `trụ sở`, `nhiệm vụ`."""
    return chart.is_phrase("compound", i - 1, i + 1)


_READERS: tuple[tuple[Reader, tuple[str, ...]], ...] = (
    (_named_body, ("body", "body.acronym")),
    (_party_body, ("head.party",)),
    (_organ, ("head.organ",)),
    (_placed_body, ("head.place",)),
    (_field_body, ("head.field",)),
    (_short_form, ("head.alone", "body.capital", "centre", "party")),
)
"""What reads a body, with the classes of which an entry must begin it."""


def find_orgs(chart: Chart) -> list[Candidate]:
    """All bodies of a text, longest first where they begin together."""
    found = []
    for i, readers in sorted(chart.by_token(_READERS).items(), reverse=True):
        body = _find_body(chart, i, readers)
        if i < body[0] <= i + _LONGEST_BODY:  # bodies that hold one another without end are none
            chart.bodies[i] = body
            if _fits(chart, i, *body):
                found.append(Candidate(i, body[0], "ORG", f"rule:{body[1]}"))
    return found


def _fits(chart: Chart, i: int, end: int, rule: str) -> bool:
    """Whether what stands around a body lets it be one."""
    before, after = chart.word(i - 1), chart.word(end)
    if rule == "org.centre":
        return _centre_fits(chart, i, end)
    if (rule == "org.acronym" or (end == i + 1 and chart.is_upper(i))) and (
        (before in ("/", "-") and chart.is_joined(i))
        or (after in ("/", "-", "@") and chart.is_joined(end))
    ):
        if chart.word(i) in ("tw", "t", "tư", "cp", "ubnd", "hđnd"):
            return False
        return (before == "/" and chart.is_capital(i - 2)) or (
            after == "/" and chart.is_capital(end + 1)
        )
    if (
        after == "các"
        and (rule not in ("org.named", "org.party-alone") or chart.word(i) == "mttq")
        and (chart.at("level", end + 1) or chart.word(end + 1) == "cấp")
    ):
        return False
    if after.isdigit() and rule == "org.alone" and chart.at("level", end + 1):
        return False
    if after == "viên" and chart.is_joined(end) is False and chart.word(end - 1) == "ủy":
        return False
    if (
        rule == "org.alone"
        and end == i + 1
        and chart.word(i) in ("đoàn", "ban")
        and chart.is_capital(end)
        and chart.word(end).isalpha()
    ):
        return False
    if rule == "org.open" and chart.at("head.field", i) == i + 1 and _in_run(chart, i):
        return False
    if rule != "org.named" and _lists_levels(chart, end):
        return False
    if chart.word(i) == "khu" and rule in ("org.field", "org.open"):
        return False
    if rule == "org.state" and (before == "nhà" or _ends_name(chart, i)):
        return False
    if chart.word(i) in _PALACES and chart.is_phrase("palace", i, end) and before in _AT:
        return False
    if rule == "org.alone":
        if (
            before == "phố"
            or chart.in_class("generic.before", i - 1)
            or _is_counted(chart, i)
            or _is_level(chart, i, end)
            or _lists_fields(chart, i)
        ):
            return False
        if chart.is_phrase("generic.after", end, end + 2):
            return False
        if end == i + 1 and chart.in_class("head.small", i) and chart.opens_sentence(i):
            return chart.in_class("verb.after-body", end)
        if (
            end == i + 1
            and chart.in_class("head.small", i)
            and (i in chart.shouting or _in_run(chart, i))
        ):
            return False
    return True


def _lists_levels(chart: Chart, end: int) -> bool:
    """Whether a level without a name ends a body and another follows: `HĐND huyện, quận, phường`,
    `UBND tỉnh, thành phố trực thuộc Trung ương`."""
    level = chart.at("level-alone", end - 1) or chart.at("level-alone", end - 2)
    if level != end or chart.word(end) not in (",", "và"):
        return False
    more = chart.at("level-alone", end + 1)
    return bool(more) and find_unit(chart, end + 1) == more and not chart.is_capital(end - 1)


def _ends_name(chart: Chart, i: int) -> bool:
    """Whether a family name before two given names makes them no body: `Đàm Hải Quân`."""
    named = chart.is_name(i - 1) and chart.in_class("surname", i - 1)
    return named and chart.is_name(i + 1) and chart.in_class("given", i)


def _is_level(chart: Chart, i: int, end: int) -> bool:
    """Whether `Bộ` means a level of bodies: `cơ quan ngang Bộ`, `Bộ, cơ quan ngang Bộ`."""
    if chart.word(i - 1) in ("ngang", "cấp") or (
        chart.word(i) == "cơ" and chart.words[end : end + 2] == ["ban", "hành"]
    ):
        return True
    return chart.word(end) == "," and chart.words[end + 1 : end + 4] == ["cơ", "quan", "ngang"]


def _is_counted(chart: Chart, i: int) -> bool:
    """Whether a number counts the bodies at token `i`: `10 Đảng bộ`."""
    number = chart.word(i - 1)
    return number.isdigit() and len(number) < 4 and chart.word(i - 2) not in _NUMBERS_NOT


def _lists_fields(chart: Chart, i: int) -> bool:
    """Whether token `i` stands in a list of fields behind `các Bộ:` (Quốc phòng, Công an)."""
    if not chart.at("field", i):
        return False
    k = i - 1
    while k > i - 40 and (chart.word(k) in (",", ":", "và") or chart.word(k).isalpha()):
        if chart.word(k) in ("bộ", "sở") and chart.word(k - 1) == "các":
            return chart.word(k + 1) in (":", "quốc", "công", "tài", "nội", "ngoại", "kế", "y")
        k -= 1
    return False


def _in_run(chart: Chart, i: int) -> bool:
    """Whether a capitalised word stands directly before token `i`, so that it is no word alone."""
    if not chart.is_capital(i - 1) or not chart.word(i - 1).isalpha():
        return False
    known = chart.in_class("surname", i - 1) or chart.in_class("given", i - 1)
    return known or not chart.opens_sentence(i - 1)


def _centre_fits(chart: Chart, i: int, end: int) -> bool:
    """`Trung ương` alone is a body where it acts or issues."""
    before, after = chart.word(i - 1), chart.word(end)
    if i in chart.shouting or after.isdigit() or after in _CENTRE_AFTER:
        return False
    if before == "nghị":
        return chart.word(i - 2) in ("đề", "kiến")
    if before in _CENTRE_BEFORE:
        return True
    if chart.opens_sentence(i) and after.isalpha() and not chart.is_capital(end):
        return True
    return after in _CENTRE_VERBS and before in (",", "khi", "do", "mà", "và")
