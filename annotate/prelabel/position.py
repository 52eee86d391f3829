"""POSITION: an office from its first title word to the end of the body or field it is held in."""

from collections.abc import Callable

from annotate.prelabel.candidate import Candidate
from annotate.prelabel.chart import Chart, folded_words
from annotate.prelabel.org import find_body, is_compound
from annotate.prelabel.place import find_unit, is_name_word, proper_place

_OF_FIELD = frozenset(
    {
        "bộ trưởng",
        "thứ trưởng",
        "quyền bộ trưởng",
        "cao ủy",
        "quốc vụ khanh",
        "vụ trưởng",
        "phó vụ trưởng",
        "cục trưởng",
        "phó cục trưởng",
    }
)
_HEADS_OF_MINISTERS = frozenset({"bộ", "văn", "ủy", "phủ", "vụ", "cục", "tổng"})
_SUFFIXED = folded_words(
    "cục vụ viện hiệu hội chi tổ đội nhóm bộ thứ thị quận huyện tộc đoàn xã hạt trạm đồn"
)
_AIDES = frozenset({"trợ lí", "thư kí", "trợ lí đặc biệt", "thư kí riêng"})
_SERVED = folded_words("thủ bộ phó tổng chủ ngoại thứ thống")
_COMMITTEES = frozenset(
    {
        "tỉnh ủy",
        "thành ủy",
        "huyện ủy",
        "quận ủy",
        "thị ủy",
        "đảng ủy",
        "chi ủy",
        "chi bộ",
        "đảng bộ",
    }
)
_OPEN_BODIES = frozenset({"thường vụ", "đoàn", "chi bộ", "chi đoàn"})
_BEFORE_ACTING = frozenset(
    {",", "là", "làm", "giữ", "chức", "vụ", "danh", "ông", "bà", "và", "chí"}
)
_MISSIONS = frozenset(
    {"kiểm tra", "giám sát", "thanh tra", "công tác", "kiểm toán", "đàm phán", "khảo sát"}
)
_ENVOYS = ("đại sứ", "công sứ", "lãnh sự", "đại biện", "đại diện", "phái đoàn", "thường trực")
_NOT_PLACED = frozenset({"ủy viên", "thư kí", "thẩm phán"})
_PLACE_NAMES_BEFORE = folded_words("lăng khu tàng viên đài tượng đường")
_KINDS = folded_words(
    "các ban ngành phòng đoàn thể sở vụ cục đơn vị ủy cơ quan , và huyện quận xã phường thành thị "
    "chi đảng bộ hội tổ chức trực thuộc khối"
)


def _standing(chart: Chart, i: int) -> Candidate | None:
    """`Thường trực Ban Bí thư` where a person holds it: in a list of offices or before a name."""
    body, rule = find_body(chart, i + 2)
    if chart.word(i - 1) != "," and not (chart.is_name(body) and chart.in_class("surname", body)):
        return None
    inner = Candidate(i + 2, body, "ORG", f"rule:{rule}")
    return Candidate(i, body, "POSITION", "rule:position.title", (inner,))


def _abbreviated(chart: Chart, i: int) -> Candidate | None:
    """`CT`, `PCT UBND tỉnh` in lists of receivers."""
    end = chart.at("title.acronym", i)
    if (
        not end
        or chart.is_joined(i)
        or not (chart.word(i - 1) in ",;:-(các.\n" or chart.word(i - 1) in ("và", "chí"))
    ):
        return None
    body, rule = find_body(chart, end)
    if body:
        return Candidate(
            i,
            body,
            "POSITION",
            "rule:position.short",
            (Candidate(end, body, "ORG", f"rule:{rule}"),),
        )
    if chart.word(end) in (",", ";", ".", ":", ")", "và", "\n", ""):
        return Candidate(i, end, "POSITION", "rule:position.short")
    return None


def _ranked(chart: Chart, i: int) -> Candidate | None:
    end = chart.at("title.rank", i)
    if not end:
        return None
    if not chart.is_capital(i) and not chart.is_capital(end):
        return None
    branch = chart.at("body.capital", end)
    if branch and chart.word(branch - 1) == "quân":
        inner = Candidate(end, branch, "ORG", "rule:org.state")
        return Candidate(i, branch, "POSITION", "rule:position.rank", (inner,))
    return Candidate(i, end, "POSITION", "rule:position.rank")


def _seated(chart: Chart, i: int) -> Candidate | None:
    """`đại biểu Quốc hội`, `đại biểu HĐND tỉnh`: a seat with its body."""
    end = chart.at("title.seat", i)
    if not end:
        return None
    if chart.word(i - 1) in ("đoàn", "tổ"):
        return None
    body, rule = find_body(chart, end)
    if not body or chart.word(end) not in ("quốc", "hđnd", "hội"):
        return None
    if chart.word(end) == "hội" and chart.word(end + 1) != "đồng":
        return None
    if chart.word(body) == "các":
        return None
    inner = Candidate(end, body, "ORG", f"rule:{rule}")
    bound = find_unit(chart, body) or chart.place_end(body)
    return Candidate(i, bound or body, "POSITION", "rule:position.seat", (inner,))


def _shared(chart: Chart, i: int) -> Candidate | None:
    """A title that shares its last word with the body: `Phó Trưởng ban Tuyên giáo Trung ương`."""
    end = chart.at("title.prefix", i)
    if chart.word(i) == "quyền" and chart.word(i - 1) in ("ủy", "thẩm", "chính", "có"):
        return None
    if chart.word(end) == "ban" == chart.word(end + 1):
        return None
    if not end or (
        chart.word(end - 1) == "trưởng"
        and end == i + 1
        and chart.word(i - 1) in _SUFFIXED
        and not (chart.is_capital(i) and chart.word(i - 2) == "chức")
    ):
        return None
    best: Candidate | None = None
    word = chart.word(end - 1)
    for at in (end,):
        if chart.at("title.modifier", at) or (
            chart.at("title.modifier", at + 1) and chart.word(at) == "ban"
        ):
            return None
        body, rule = find_body(chart, at)
        if not body or rule in ("org.centre", "org.party-alone", "org.acronym"):
            continue
        first = chart.word(at)
        if word == "phó" and first not in ("ban", "văn", "phòng", "đoàn", "trưởng", "công"):
            continue
        if chart.word(end - 2) == "thủ" and first != "cơ":
            continue
        if word == "tổng" and first not in ("thanh", "kiểm"):
            continue
        if word == "chánh" and first not in ("văn", "thanh", "tòa", "vp"):
            continue
        if rule == "org.alone" and body - at == 1:
            continue
        if rule == "org.alone" and not chart.is_capital(i):
            continue
        inner = Candidate(at, body, "ORG", f"rule:{rule}")
        inners, body = _of_body(chart, (inner,), body)
        best = Candidate(i, body, "POSITION", "rule:position.shared", inners)
    return best


def _of_body(
    chart: Chart, inners: tuple[Candidate, ...], end: int
) -> tuple[tuple[Candidate, ...], int]:
    """Adds a body behind `của` to an office that already holds a body."""
    while chart.word(end) == "của" and len(inners) < 3:
        body, rule = find_body(chart, end + 1)
        if not body or (rule == "org.alone" and not chart.is_capital(end + 1)):
            break
        inners += (Candidate(end + 1, body, "ORG", f"rule:{rule}"),)
        end = body
    return inners, end


def _titled(chart: Chart, i: int) -> Candidate | None:
    title = chart.at("title", i)
    if not title or (not chart.is_capital(i) and is_compound(chart, i)):
        return None
    if chart.word(i) == "vụ" and chart.word(i - 1) == "chức" and not chart.is_capital(i):
        return None
    name = " ".join(chart.words[i:title])
    if name == "quốc vương" and chart.in_class("surname", i - 1) and chart.is_capital(i - 1):
        return None
    if chart.word(title) in ("quán", "đoàn") and name.endswith(("sứ", "sự", "đại diện")):
        return None
    if chart.word(i - 1) == "phủ" and chart.word(i - 2) != "chính":
        return None
    if chart.word(i - 1) in _PLACE_NAMES_BEFORE or (
        chart.word(i - 1) == "đoàn" and name in ("chủ tịch", "chủ tọa")
    ):
        return None
    if name.endswith(" phụ trách") and chart.word(title).isalpha() and not chart.is_capital(title):
        title -= 2
        name = name.removesuffix(" phụ trách")
    at = title
    while modifier := chart.at("title.modifier", at):
        if chart.word(at) == "phụ" and not chart.is_capital(at):
            break
        if not chart.is_capital(at) and chart.word(at) == "điều" and not name.endswith("đốc"):
            break
        at = modifier
    inners: tuple[Candidate, ...] = ()
    if name in _AIDES and chart.is_capital(at) and (served := _served(chart, at)):
        return Candidate(i, served.end, "POSITION", "rule:position.aide", served.inner)
    if name.endswith("trưởng đoàn") and chart.is_capital(i) and (mission := _mission(chart, at)):
        inners, end = _of_body(chart, (), mission)
        return Candidate(i, end, "POSITION", "rule:position.mission", inners)
    end = at
    body, rule = find_body(chart, at)
    if name.endswith("phái viên") and chart.word(at) in ("ttxvn", "vov", "vtv"):
        return None
    for size in (1, 2):
        if title != at or " ".join(chart.words[at - size : at]) not in _OPEN_BODIES:
            continue
        whole = find_body(chart, at - size)
        if whole[0] > at and whole[0] >= body:
            at, (body, rule) = at - size, whole
    if body and rule == "org.alone" and not chart.is_capital(at):
        body = 0
    if body and rule == "org.centre" and not name.endswith("viên"):
        body = 0
    if name in _OF_FIELD and chart.at("field", at) and chart.word(at) not in _HEADS_OF_MINISTERS:
        body = 0
    if body:
        inners = (Candidate(at, body, "ORG", f"rule:{rule}"),)
        inners, end = _of_body(chart, inners, body)
        if chart.word(at) == "quốc" and (bound := chart.place_end(end)):
            end = bound
    elif chart.word(at) == "của" and (of := find_body(chart, at + 1))[0] and of[1] != "org.centre":
        inners, end = _of_body(chart, (), at)
    elif (field := chart.at("field", at)) and (name in _OF_FIELD) and _field_fits(chart, at, field):
        end = field
        while chart.word(end) in ("và", "-", "&") and (more := chart.at("field", end + 1)):
            if not chart.is_capital(end + 1) or name.startswith("hai"):
                break
            end = more
        end = chart.at("country", end) or end
        if acronym := chart.at("body.acronym", end):
            inners, end = (Candidate(end, acronym, "ORG", "rule:org.acronym"),), acronym
    elif " ".join(chart.words[at : at + 2]) in _COMMITTEES:
        end = at + 2
    elif name not in _NOT_PLACED and (place := _bound(chart, at)):
        end = place
    end, inners = _posting(chart, name, end, inners)
    acting = chart.word(i - 1) == "quyền" and chart.word(i - 2) in _BEFORE_ACTING
    if not acting and not _fits(chart, i, title, end, name):
        return None
    return Candidate(i - acting, end, "POSITION", "rule:position.title", inners)


def _served(chart: Chart, at: int) -> Candidate | None:
    """The office that an aide serves: `Trợ lý Bộ trưởng`; not a post the person served holds."""
    return _titled(chart, at) if chart.word(at) in _SERVED else None


def _posting(
    chart: Chart, name: str, end: int, inners: tuple[Candidate, ...]
) -> tuple[int, tuple[Candidate, ...]]:
    """The place that an envoy is posted to bounds the office too: `Đại sứ Việt Nam tại Lào`."""
    if not name.endswith(_ENVOYS) or chart.word(end) != "tại":
        return end, inners
    body, rule = find_body(chart, end + 1)
    if body:
        return body, (*inners, Candidate(end + 1, body, "ORG", f"rule:{rule}"))
    return _bound(chart, end + 1) or chart.place_end(end + 1) or end, inners


def _mission(chart: Chart, at: int) -> int:
    """Token number after what a delegation is for: `(Trưởng đoàn) kiểm tra số 471`."""
    if f"{chart.word(at)} {chart.word(at + 1)}" not in _MISSIONS:
        return 0
    at += 2
    if chart.word(at) == "số" and chart.word(at + 1).isdigit():
        at += 2
    return at


def _field_fits(chart: Chart, at: int, field: int) -> bool:
    return chart.word(at) != "các" and (chart.is_capital(at) or field > at + 1)


def _bound(chart: Chart, at: int) -> int:
    """Token number after the place that bounds an office: `tỉnh`, `huyện Sơn Hà`, `Pháp`."""
    unit = find_unit(chart, at)
    if unit and chart.word(at) in ("nước",):
        return chart.at("country", at + 1)
    if unit:
        return unit
    if (
        chart.word(at - 1) == "trưởng"
        and chart.word(at - 2) in ("thị", "tỉnh")
        and is_name_word(chart, at)
    ):
        return proper_place(chart, at)
    return max(chart.at("country", at), chart.at("world-city", at))


def _fits(chart: Chart, i: int, title: int, end: int, name: str) -> bool:
    """Whether a title counts where it stands: with a capital, a body, a holder or a cue."""
    if chart.is_capital(i) or any(chart.is_capital(k) for k in range(title, end)):
        return True
    before = chart.word(i - 1)
    some = before == "số" and chart.word(i - 2) == "một"
    if chart.word(title) == "các" or before == "lượng" or some or _is_plural(chart, i):
        return False
    if before == "," and _follows_person(chart, i - 1):
        return True
    if (chart.in_class("plural", i - 1) and before != "năm") or before.isdigit() or before == "phó":
        return False
    if before == "," and name.startswith("ủy viên") and chart.word(end) in (",", ".", ";"):
        return True
    if chart.is_capital(end) and chart.in_class("surname", end):
        return True
    return name in chart.lexicon.words["title.unique"] or chart.in_class("title.cue", i - 1)


def _is_plural(chart: Chart, i: int) -> bool:
    """Whether a number and a word that stays outside stand before a title: `2 tân bí thư`."""
    before = chart.word(i - 2)
    return chart.in_class("outside", i - 1) and (
        before.isdigit() or chart.in_class("plural", i - 2)
    )


def _follows_person(chart: Chart, comma: int) -> bool:
    """Whether a person's name of two to five words ends before the comma."""
    k = comma
    while k > comma - 5 and chart.is_name(k - 1):
        k -= 1
    return 2 <= comma - k <= 5 and chart.in_class("surname", k) and not chart.place_end(k)


def _plural(chart: Chart, i: int) -> Candidate | None:
    """A plural office that ends in a named body: `Trưởng các phòng, ban Huyện ủy Sơn Hà`."""
    title = chart.at("title", i) or chart.at("title.prefix", i)
    if not title or chart.word(title) != "các":
        return None
    at = title + 1
    while at < title + 10 and chart.word(at) in _KINDS and not chart.is_capital(at):
        at += 1
    if at == title + 1 or chart.word(at - 1) in (",", "và"):
        return None
    body, rule = find_body(chart, at)
    if not body:
        return None
    return Candidate(
        i, body, "POSITION", "rule:position.plural", (Candidate(at, body, "ORG", f"rule:{rule}"),)
    )


_READERS: tuple[tuple[Callable[[Chart, int], Candidate | None], tuple[str, ...]], ...] = (
    (_abbreviated, ("title.acronym",)),
    (_shared, ("title.prefix",)),
    (_titled, ("title",)),
    (_ranked, ("title.rank",)),
    (_seated, ("title.seat",)),
    (_plural, ("title", "title.prefix")),
    (_standing, ("title.standing",)),
)
"""What reads an office, with the classes of which an entry must begin it."""


def find_positions(chart: Chart) -> list[Candidate]:
    """All offices of a text with the bodies inside them."""
    found = []
    for i, readers in sorted(chart.by_token(_READERS).items()):
        best: Candidate | None = None
        for reader in readers:
            candidate = reader(chart, i)
            if candidate and (best is None or candidate.end > best.end):
                best = candidate
        if best:
            found.append(best)
    return found
