"""ORG: named bodies, from their head word over field, place and parent body."""

from annotate.prelabel.chart import Chart
from annotate.prelabel.place import find_place, find_unit, is_name_word, named_place, run_end
from annotate.prelabel.candidate import Candidate

Body = tuple[int, str]
"""Token number after a body, and the rule that found it; a rule in `org.alone` needs context."""

_NONE: Body = (0, "")
_PARTY_WORDS = frozenset({"đảng"})
_AND = frozenset({"và", "&", "-"})
_LONGEST_FIELD = 14
_GENERIC_BEFORE = frozenset(
    "các những mọi mỗi từng nhiều số dạng hai ba bốn năm mấy vài loại lập".split()
)
_GENERIC_AFTER = (
    ("trực", "thuộc"), ("các", "cấp"), ("cấp",), ("cơ", "sở"), ("tương", "đương"),
)  # fmt: skip
_SMALL_HEADS = frozenset(
    "bộ sở ban hội viện trường cục vụ đoàn khối tổ đội tòa báo quỹ phòng đảng".split()
)
_VERB_AFTER = frozenset(
    "đã sẽ đang cũng có cần phải yêu đề vừa mới tiếp luôn chủ phối tổ quyết thống cho là được thường "
    "đồng không chưa còn chỉ ban trình thông nhận kiến giao xem đánh tập và".split()
)
_CENTRE_NOT_AFTER = frozenset(
    "quan ban bộ ngành thể thuộc ở nghị cấp từ viện tuyến hàng đoàn khối uỷ ủy xã sở vụ cục phố".split()
)
_CENTRE_AFTER = frozenset("hội đoàn đảng cục".split())
_PARTY_CONTINUES = frozenset("viên bộ ủy đoàn phí tính phái tịch sâm cử vụ".split())
_STATE_ACRONYMS = frozenset({"ubnd", "hđnd", "mttq"})


def find_body(chart: Chart, i: int) -> Body:
    """The longest body that begins at token `i`; `(0, "")` for none."""
    key = ("org", i)
    if key in chart.memo:
        return chart.memo[key]  # type: ignore[return-value]
    chart.memo[key] = _NONE  # a body does not contain itself
    found = _find_body(chart, i)
    chart.memo[key] = found
    return found


def _find_body(chart: Chart, i: int) -> Body:
    best = _NONE
    for body in (
        _named_body(chart, i),
        _party_body(chart, i),
        _organ(chart, i),
        _placed_body(chart, i),
        _field_body(chart, i),
        _newspaper(chart, i),
    ):
        if body[0] > best[0]:
            best = body
    if best[0]:
        return best
    return _short_form(chart, i)


def _named_body(chart: Chart, i: int) -> Body:
    end = chart.at("body", i)
    if end:
        country = chart.at("country", end)
        return (country or end, "org.named")
    end = chart.at("body.acronym", i)
    if end and i not in chart.shouting and not chart.at("head.place", i):
        return (end, "org.acronym")
    return _NONE


def _parent(chart: Chart, i: int, *, strict: bool = False) -> int:
    """Token number after the parent body, place or level that completes a name; 0 for none."""
    unit = find_unit(chart, i)
    end, rule = find_body(chart, i)
    if rule == "org.alone" and (chart.word(i) in _PARTY_WORDS or not chart.is_capital(i)):
        end = 0
    if strict and rule == "org.alone":
        end = 0
    return max(unit, end)


def _party_body(chart: Chart, i: int) -> Body:
    head = chart.at("head.party", i)
    if not head:
        return _NONE
    at = head
    if chart.word(at) == "đảng" and chart.at("head.party", at + 0) > at + 1:
        pass
    if chart.word(at) == "cơ" and chart.word(at + 1) == "quan":
        at += 2
    end = _parent(chart, at) or chart.place_end(at) or _field(chart, at)
    if chart.word(i) == "khối" and not chart.is_capital(i):
        return _NONE
    if not end and chart.is_capital(at) and chart.word(at) not in _PARTY_WORDS:
        end = named_place(chart, at) if chart.word(i) not in ("khối", "công") else 0
    if not end and at == head:
        return _NONE
    if not end:
        return (at, "org.party") if chart.is_capital(i) else _NONE
    end = _tail(chart, end)
    return _if_named(chart, i, at, end, "org.party")


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
    if chart.is_capital(i) or any(chart.is_capital(k) for k in range(at, end)):
        return (end, rule)
    return _NONE


def _organ(chart: Chart, i: int) -> Body:
    head = chart.at("head.organ", i)
    if not head:
        return _NONE
    centre = chart.at("centre", head)
    if centre and chart.word(i) not in ("trung", "cơ"):
        parent, rule = find_body(chart, centre)
        if parent and rule != "org.alone":
            return (parent, "org.organ")
        if chart.word(centre) == "đảng" and not chart.word(centre + 1) in _PARTY_CONTINUES:
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
    end = centre or _parent(chart, head) or chart.place_end(head)
    if centre:
        end = max(end, _parent(chart, centre), chart.at("country", centre))
    if not end:
        end = _proper_name(chart, head)
    if not end:
        return _NONE
    if chart.word(i) in ("quốc", "nhà") and not chart.at("country", head):
        return _NONE
    if chart.word(i) == "chính" and not chart.at("country", head):
        return _NONE
    end = max(end, find_unit(chart, end))
    return _if_named(chart, i, head, end, "org.placed")


def _proper_name(chart: Chart, i: int) -> int:
    if i in chart.shouting or not is_name_word(chart, i):
        return 0
    if chart.at("title", i) or chart.in_class("surname", i):
        return 0
    return named_place(chart, i)


def _field(chart: Chart, i: int) -> int:
    return chart.at("field", i)


def _field_body(chart: Chart, i: int) -> Body:
    head = chart.at("head.field", i)
    if not head:
        return _NONE
    if chart.in_class("head.not-before", head) and not chart.at("field", head) > head + 1:
        if not chart.is_capital(head):
            return _NONE
    at = head
    end = _field(chart, at)
    named = bool(end)
    if not end:
        end = _open_name(chart, i, at)
    if not end:
        end = _parent(chart, at, strict=True)
        if not end:
            return _NONE
        return _if_named(chart, i, at, end, "org.field")
    rule = "org.field" if named else "org.open"
    end = _more_field(chart, i, end)
    centre = chart.at("centre", end)
    if centre:
        end = centre
    country = chart.at("country", end)
    if country:
        end = country
    parent = _parent(chart, end)
    if parent:
        end = parent
    elif chart.place_end(end):
        end = chart.place_end(end)
    if end > at + _LONGEST_FIELD + 10:
        return _NONE
    return _if_named(chart, i, at, end, rule)


def _more_field(chart: Chart, i: int, end: int) -> int:
    """Extends a field over further fields and proper names: `và Đầu tư`, `Sông Trà`."""
    limit = end + _LONGEST_FIELD
    while end < limit:
        if chart.word(end) in _AND and (more := _joined_field(chart, end + 1)):
            end = more
        elif (more := _field(chart, end)) and chart.is_capital(end) and not find_body(chart, end)[0]:
            end = more
        elif (
            is_name_word(chart, end)
            and end not in chart.shouting
            and not chart.place_end(end)
            and not find_body(chart, end)[0]
            and chart.word(i) not in ("bộ", "sở", "vụ", "cục", "phòng", "ban", "tổng", "chi", "ủy", "tiểu")
            and (more := run_end(chart, end, 4)) > end
        ):
            end = more
        else:
            break
    return end


def _joined_field(chart: Chart, i: int) -> int:
    more = _field(chart, i)
    if more and not find_body(chart, i)[0] and (chart.is_capital(i) or more > i + 1):
        return more
    return 0


def _open_name(chart: Chart, i: int, at: int) -> int:
    """Token number after a name that no lexicon holds: capitals, each with the small syllables
    that follow it up to a word that ends names."""
    if not is_name_word(chart, at) or at in chart.shouting or chart.at("title", at):
        return _quoted_or_number(chart, i, at)
    j = at
    while j < at + _LONGEST_FIELD:
        if is_name_word(chart, j) and not (j > at and (find_body(chart, j)[0] or find_place(chart, j))):
            j = run_end(chart, j, 6) if j == at else max(run_end(chart, j, 6), j + 1)
            small = j
            while small < j + 4 and chart.word(small).isalpha() and not chart.is_capital(small):
                if chart.in_class("stop", small):
                    break
                small += 1
            if small - j <= 3:
                j = small
            else:
                j += 1
        elif chart.word(j) in _AND and is_name_word(chart, j + 1) and not find_body(chart, j + 1)[0]:
            j += 1
        else:
            break
    while j > at and chart.word(j - 1) in _AND:
        j -= 1
    return j


def _quoted_or_number(chart: Chart, i: int, at: int) -> int:
    if chart.word(i) in (
        "quân", "sư", "trung", "lữ", "tiểu", "binh", "vùng", "hải", "đội", "tổ", "đoàn", "hạm",
    ) and chart.word(at).isdigit():  # fmt: skip
        return at + 1
    if chart.word(at) == "số" and chart.word(at + 1).isdigit():
        return at + 2
    return 0


def _newspaper(chart: Chart, i: int) -> Body:
    return _NONE


def _short_form(chart: Chart, i: int) -> Body:
    """A capitalised short form: `Đảng`, `Quốc hội`, `Ban Thường vụ`, `Sở`."""
    if not chart.is_capital(i):
        return _NONE
    if chart.word(i) == "đảng":
        if chart.word(i + 1) in _PARTY_CONTINUES and not (chart.is_capital(i + 1) and i not in chart.shouting):
            return _NONE
        return (i + 1, "org.party-alone")
    end = chart.at("body.capital", i)
    if end:
        return (chart.at("country", end) or end, "org.state")
    end = chart.at("head.alone", i)
    if end and not chart.in_class("head.not-before", end):
        return (end, "org.alone")
    if end and end > i + 1:
        return (end, "org.alone")
    centre = chart.at("centre", i)
    if centre:
        return (centre, "org.centre")
    return _NONE


def find_orgs(chart: Chart) -> list[Candidate]:
    """All bodies of a text, longest first where they begin together."""
    starts: set[int] = set()
    for label in (
        "body", "body.acronym", "body.capital", "head.field", "head.place", "head.party", "head.organ",
        "head.alone", "centre",
    ):  # fmt: skip
        starts.update(chart.hits[label])
    found = []
    for i in sorted(starts):
        end, rule = find_body(chart, i)
        if end and _fits(chart, i, end, rule):
            found.append(Candidate(i, end, "ORG", f"rule:{rule}"))
    return found


def _fits(chart: Chart, i: int, end: int, rule: str) -> bool:
    """Whether what stands around a body lets it be one."""
    before, after = chart.word(i - 1), chart.word(end)
    if rule == "org.centre":
        return _centre_fits(chart, i, end)
    if rule in ("org.alone", "org.state") and rule == "org.alone":
        if before in _GENERIC_BEFORE and before not in ("năm",):
            return False
        for words in _GENERIC_AFTER:
            if all(chart.word(end + n) == word for n, word in enumerate(words)):
                return False
        if end == i + 1 and chart.word(i) in _SMALL_HEADS and chart.opens_sentence(i):
            return after in _VERB_AFTER
        if end == i + 1 and chart.word(i) in _SMALL_HEADS and i in chart.shouting:
            return False
    if rule == "org.state" and after in ("các",) and chart.word(end + 1) in ("cấp",):
        return False
    return True


def _centre_fits(chart: Chart, i: int, end: int) -> bool:
    if chart.word(i - 1) in _CENTRE_NOT_AFTER or chart.word(end) in _CENTRE_AFTER:
        return False
    if chart.word(end).isdigit() or chart.word(i - 1) == "," or i in chart.shouting:
        return False
    return not (chart.word(i - 1) == "và" and chart.word(end) != "")
