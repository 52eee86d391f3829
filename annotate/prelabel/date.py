"""DATE: calendar dates, months, quarters, years and ranges of them, with their unit word."""

import re
from collections.abc import Iterator

from annotate.prelabel.chart import Chart, folded_words

_D = r"(?:3[01]|[12]\d|0?[1-9])(?!\d)"
_M = r"(?:1[0-2]|0?[1-9])(?!\d)"
_Y = r"(?:1[0-9]|20)\d\d"
_NEAR = r"(?:19|20)\d\d"
_SEP = r"[/.-]"
_TO = r"\s?(?:-|đến hết|đến|tới)\s?"
_WEEKDAY = r"(?:thứ\s(?:hai|ba|tư|năm|sáu|bảy|[2-7])|chủ\snhật)"
_FULL = rf"{_D}\s?{_SEP}\s?{_M}\s?{_SEP}\s?{_Y}(?!\d)"
_SHORT = rf"{_D}{_SEP}{_M}(?![\d%]|{_SEP}\d)"
_MONTH_NAME = r"(?:giêng|chạp|một|hai|ba|tư|năm|sáu|bảy|tám|chín|mười một|mười hai|mười)"
_ROMAN = r"(?:iv|i{1,3}|[1-4])"
_PART = (
    r"(?:đầu|giữa|cuối|nửa đầu|nửa cuối|trung tuần|thượng tuần|hạ tuần|đầu và giữa"
    r"|những ngày đầu|những ngày cuối)"
)
_YEAR = rf"{_Y}(?![\d.,/%-]*\d)(?!\s?(?:đồng|người|tỷ|tỉ|triệu|ha|km|m2|hộ|usd|đảng viên|đại biểu))"

_DAY_OF = (
    rf"{_D}\s?(?:tháng\s{_M}(?:{_SEP}{_Y}|,?\snăm\s{_Y}|,\s{_NEAR}(?!\d)|\s{_NEAR}(?=\s\d\d?:)|\s{_NEAR}(?!\d|\s\w))?"
    rf"|{_SEP}\s?{_M}(?:\s?{_SEP}\s?{_Y})?)(?:\snăm\s{_Y})?"
)
_MONTH_OF = rf"{_M}(?:\s?{_SEP}\s?{_Y}|,?\snăm\s{_Y})?(?!\d)"

_POINT = (
    rf"(?:(?:{_PART}\s)?(?:năm\s{_Y}|tháng\s{_MONTH_OF}|q(?:uý|úy)\s{_ROMAN}"
    rf"(?:\s?[/.-]\s?{_Y}|,?\s(?:năm\s)?{_Y})?(?!\w))|\d{{1,2}}\stháng\s(?:đầu|cuối)\snăm\s{_Y})"
)

_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        "month-range",
        rf"tháng\s{_M}{_SEP}{_Y}\s?(?:-|đến|tới)\s?(?:hết\s)?(?:tháng\s)?{_M}{_SEP}{_Y}(?!\d)",
    ),
    ("point-range", rf"(?<!\d\s){_POINT}\s(?:đến|tới)\s(?:hết\s)?{_POINT}(?!\d)"),
    (
        "weekday",
        rf"{_WEEKDAY}\s?[,-]?\s(?:ngày\s)?(?:{_FULL}|{_DAY_OF})"
        rf"|{_WEEKDAY}\s?\((?:ngày\s)?(?:{_FULL}|{_DAY_OF})\)",
    ),
    (
        "day-range",
        rf"ngày\s(?:mùng\s|mồng\s)?{_D}(?:{_SEP}{_M})?(?:{_SEP}{_Y})?{_TO}(?:hết\s)?"
        rf"(?:ngày\s)?{_DAY_OF}",
    ),
    (
        "day",
        rf"(?:rạng sáng\s)?ngày\s(?:mùng\s|mồng\s)?"
        rf"(?:{_FULL}|{_DAY_OF}|{_D}(?![\d%]|[.,]\d|\s?tháng))(?:\sâm lịch)?",
    ),
    (
        "lunar",
        rf"(?:ngày\s)?(?:mùng|mồng|rằm)\s(?:{_D}\s)?tháng\s(?:giêng|chạp|{_M}|{_MONTH_NAME})"
        rf"(?:\sâm lịch)?(?:\snăm\s{_Y})?",
    ),
    (
        "date-range",
        rf"{_FULL}{_TO}{_FULL}|{_SHORT}{_TO}{_FULL}|{_SHORT}{_TO}{_SHORT}|{_D}\sđến\s{_FULL}"
        rf"|{_D}\s?-\s?{_D}[/.]{_M}(?:[/.]{_Y})?(?!\d)",
    ),
    ("date", rf"{_FULL}(?:\sâm lịch)?"),
    (
        "day-month",
        rf"{_D}\stháng\s{_M}(?:{_SEP}{_Y}|,?\snăm\s{_Y}|,\s{_NEAR}|\s{_NEAR}(?=\s\d\d?:)|\s{_NEAR}(?!\s\w))?(?!\d)",
    ),
    ("iso", rf"{_NEAR}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])(?!\d)"),
    (
        "month",
        rf"(?:{_PART}\s)?tháng\s(?:{_MONTH_OF}|giêng|chạp|{_MONTH_NAME}(?:\snăm)?\s{_Y})"
        rf"(?:\sâm lịch)?",
    ),
    ("from-day", rf"(?<=từ\s){_D}\s?(?:đến|tới|-)\s?{_DAY_OF}"),
    ("month-span", rf"\d{{1,2}}\stháng\s(?:đầu|cuối|giữa)?\s?(?:của\s)?năm\s{_Y}(?!\d)"),
    (
        "quarter",
        rf"(?:{_PART}\s)?q(?:uý|úy)\s{_ROMAN}(?:\s?[/.-]\s?{_Y}|,?\s(?:năm\s)?{_Y})?(?!\w)",
    ),
    ("year-range", rf"(?:(?<!\d\s)(?:{_PART}\s)?năm\s)?{_Y}\s?-\s?{_Y}(?!\d)"),
    ("year", rf"(?<!\d\s)(?:(?:{_PART}|mùa xuân|mùa thu|mùa hè|mùa đông)\s)?năm\s{_YEAR}"),
    (
        "decade",
        rf"(?:(?:đầu|cuối|giữa)\s)?(?:thập niên|thập k[ỷiỉ]|những năm)\s(?:đầu\s)?"
        rf"(?:{_Y}|[2-9]0(?!\d))"
        r"|(?:(?:đầu|cuối|giữa|nửa đầu|nửa cuối|nửa sau)\s)?thế k[ỷiỉ]\s(?:[xiv]+|\d{1,2})(?!\w)",
    ),
)
_FOUND = re.compile(
    "(?<![\\w/.-])(?:"
    + "|".join(f"(?P<{name.replace('-', '_')}>{p})" for name, p in _PATTERNS)
    + ")"
)
_FIRST_WORDS = folded_words(
    "thứ chủ ngày rạng mùng mồng rằm đầu giữa cuối nửa trung thượng hạ những tháng quý năm mùa "
    "thập thế"
)
_SECOND_WORDS = {
    word: folded_words(second)
    for word, second in (
        ("chủ", "nhật"),
        ("trung", "tuần"),
        ("thượng", "tuần"),
        ("hạ", "tuần"),
        ("những", "ngày năm"),
        ("thập", "niên kỷ kỉ ki"),
        ("thế", "kỷ kỉ ki"),
    )
}
_BEHIND_NUMBER = folded_words("tháng đến tới hết - / .")
_BARE = re.compile(rf"(?<![\w/.,-]){_SHORT}(?:\sâm lịch)?(?!\w)")
_SPOKEN_OF = re.compile(r"\s(?:tới|vừa qua|sắp tới|năm nay|h[àằ]ng năm)(?!\w)|\s\(ttxvn")
_BARE_CUE = re.compile(
    r"(?:mạc|sáng|trưa|chiều|tối|đêm|hôm|nay|qua|mai|từ|đến|tới|trước|sau|dịp|lễ|vào|khánh|kia|ngày"
    r"|và|hết|hạn|vương|lúc|khởi|tính đến|lịch sử|tết|động|nam|nữ|ngày,|phụ nữ|thiếu nhi|nhà giáo"
    r"|nay,|qua,|đó,|đợt|giảng|chậm nhất|tinh mơ|rạng|đêm|bầu cử"
    r"|liệt sĩ|sinh|hai|ba|tư|năm|sáu|bảy|nhật)\s?\(?$"
)
_NOT_DATE_AFTER = re.compile(
    r"\s?(?:phiếu|đại biểu|xã|huyện|tỉnh|số|dân số|diện tích|phần|người|thành viên|ủy viên|đồng chí"
    r"|đơn vị|hộ|điểm|vụ|trường|giờ(?! việt nam| địa phương| hà nội)|%"
    r"|tỉ|triệu|ngày|nghìn|mũi|tiêu chí|cơ sở|chi bộ|đảng bộ|bộ"
    r"|ngành|km|m\b)"
)
_DATELINE = re.compile(r"\([^\W\d_][^\d()\n]*$")
_BARE_YEAR = re.compile(rf"(?<![\w/.,-]){_Y}(?![\w/%]|[.,-]\d)")
_YEAR_CUE = re.compile(
    r"(?:từ|đến|tới|trước|sau|sn|sinh|trong|đầu|cuối|giữa|hè|tết"
    r"|năm \d{4} (?:và|,)|\d{4},|\d{4} và|khóa|thu|xuân|đông"
    r"|tí|sửu|dần|mão|thìn|tị|ngọ|mùi|thân|dậu|tuất|hợi)\s$"
)
_COUNT_BEFORE = re.compile(
    r"(?:(?<!\w)(?:số|hơn|gần|khoảng|đạt|có|trên|dưới|với|được|thêm|còn|tổng|gồm|cả|là|lên|xuống|hiệu|thoại|của"
    r"|và|bằng|tại|thu|bán|mất|đủ|chừng|ước|trong|cho|đường|nhà|mã|hotline|cao|dài|rộng|nặng)"
    r"|[^\w)\s])\s?$|^$"
)
_YEAR_AFTER = re.compile(
    r"\s*(?:$|[.,;:()!?\"'\n]|-\s|(?:và|đến|tới|của|với|tại|ở|đã|được|là|do|sẽ|theo|để|khi|vẫn|này|về|bằng|cũng"
    r"|thì|mà|nhưng|như|trở|so|trong|cho|nhằm|khép|diễn|vừa|đang|từ)\s)"
)
_YEAR_LIST = re.compile(rf"(?:,\s|\svà\s)({_Y})(?![\w/%]|[.,-]\d)")
_DAY_LIST = re.compile(rf"(?:,\s|\svà\s)({_DAY_OF}|{_D}(?=(?:,\s|\svà\s){_D}))(?!\d)")


def _may_begin(chart: Chart, i: int) -> bool:
    """Whether the next token fits a date: a quick look that spares most tries of `_FOUND`."""
    word = chart.word(i)
    if word.isdigit():
        return chart.word(i + 1) in _BEHIND_NUMBER
    second = _SECOND_WORDS.get(word)
    return second is None or chart.word(i + 1) in second


def find_dates(chart: Chart) -> Iterator[tuple[int, int, str]]:
    """Start and end, in code points, of every date with the name of its rule."""
    folded = chart.folded
    last = 0
    for i in sorted(chart.numbers + chart.where(_FIRST_WORDS)):
        at = chart.starts[i]
        if at < last or not _may_begin(chart, i):
            continue
        match = _FOUND.match(folded, at)
        if not match:
            continue
        name = (match.lastgroup or "").replace("_", "-")
        start, end = match.span()
        if not _fits(folded, start, end, name):
            continue
        yield start, end, f"rule:date.{name}"
        last = end
        if name in ("day", "year", "month"):
            pattern = _YEAR_LIST if name == "year" else _DAY_LIST if name == "day" else None
            while pattern and (more := pattern.match(folded, last)):
                yield more.start(1), more.end(1), "rule:date.list"
                last = more.end()
    for i in chart.numbers:
        at = chart.starts[i]
        if (match := _BARE.match(folded, at)) and _is_bare_date(folded, match):
            yield match.start(), match.end(), "rule:date.bare"
        elif match := _BARE_YEAR.match(folded, at):
            before = folded[max(0, at - 16) : at]
            bracketed = before.endswith("(") and folded[match.end() : match.end() + 1] == ")"
            if bracketed or _YEAR_CUE.search(before) or _stands_alone(folded, match, before):
                yield match.start(), match.end(), "rule:date.bare-year"


def _stands_alone(folded: str, match: "re.Match[str]", before: str) -> bool:
    """Whether four figures that no word counts with are a year: `Lễ hội Hà Nội 2024 khép lại`."""
    if not 1900 <= int(match.group()) < 2100 or _COUNT_BEFORE.search(before):
        return False
    return bool(_YEAR_AFTER.match(folded, match.end()))


def _is_bare_date(folded: str, match: "re.Match[str]") -> bool:
    """Whether a day and month without `ngày` are a date: in brackets, or behind a cue."""
    if _NOT_DATE_AFTER.match(folded, match.end()):
        return False
    before = folded[max(0, match.start() - 16) : match.start()]
    after = folded[match.end() : match.end() + 1]
    if before.endswith("(") and after in (")", ",", ";"):
        return True
    if _SPOKEN_OF.match(folded, match.end()):
        return True
    if after == ")" and _DATELINE.search(before):
        return True
    padded = re.fullmatch(r"0\d[/-]\d\d|\d\d[/-]0\d", match.group())
    if padded and before.endswith(" là "):
        return True
    return match.group().endswith("lịch") or bool(_BARE_CUE.search(before))


def _fits(folded: str, start: int, end: int, name: str) -> bool:
    """Whether a match is no count, duration or part of a symbol."""
    after = folded[end : end + 1]
    if after.isalnum() or (after in "/" and folded[end + 1 : end + 2].isalnum()):
        return False
    if after == "-" and folded[end + 1 : end + 2].isalpha():
        return False
    return not (name == "date-range" and folded[end : end + 1] == "/")
