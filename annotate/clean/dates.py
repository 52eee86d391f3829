"""Lines that hold the date of a page, as news sites and portals write them."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from annotate.clean.bylines import read_names
from annotate.clean.furniture import furniture_kind, is_section

_DATE = re.compile(
    r"(?<!\d)(?P<day>\d{1,2})\s*[/.-]\s*(?P<month>\d{1,2})\s*[/.-]\s*(?P<year>\d{4})(?!\d)"
    r"|(?<!\d)(?P<year2>\d{4})-(?P<month2>\d{2})-(?P<day2>\d{2})(?!\d)"
    r"|(?:ngày\s+)?(?<!\d)(?P<day3>\d{1,2})\s+tháng\s+(?P<month3>\d{1,2})"
    r"(?:\s+năm\s+|\s*[,-]?\s*)(?P<year3>\d{4})(?!\d)",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<!\d)(?P<hour>\d{1,2})\s*(?:[:h]|giờ)\s*(?P<minute>\d{2})(?::\d{2})?(?!\d)"
    r"(?:\s*(?P<half>am|pm|sa|ch)\b)?(?:\s*phút)?",
    re.IGNORECASE,
)
_ZONE = re.compile(
    r"[(\[]?\s*(?:gmt|utc)\s*(?P<sign>[+-])\s*(?P<hours>\d{1,2})(?::?(?P<minutes>\d\d))?\s*[)\]]?",
    re.IGNORECASE,
)
# What stands beside a date of publication: weekdays, "updated at", issue numbers, view counts.
_DATE_WORDS = re.compile(
    r"(?:(?:số\s+)?lượt\s+(?:xem|đọc)|đã\s+(?:xem|đọc)|views?|lượt\s+truy\s+cập)\s*:?\s*[\d.,]+"
    r"|[\d.,]+\s+(?:lượt\s+(?:xem|đọc)|views?)"
    r"|\b(?:thứ\s+(?:hai|ba|tư|năm|sáu|bảy|bẩy|\d)|t[2-7]|chủ\s+nhật|cn)\b"
    r"|\b(?:(?:ngày|thời\s+gian|giờ)\s+)?(?:đăng(?:\s+(?:tải|tin|bài))?|gửi|phát\s+hành|tạo)"
    r"(?:\s+(?:ngày|lúc))?\b"
    r"|\b(?:lần\s+)?cập\s+nhật(?:\s+lần\s+cuối)?\b|\bxuất\s+bản\b|\bsố\s+\d+|\bra\b|\bngày\b"
    r"|\blúc\b|\bvào\b|\bhôm\s+nay\b|\bthời\s+gian\b|\bposted\b|\bupdated?\b|\bon\b|\bat\b",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[|•·–—,;:()\[\]'\"/]|\s-|-\s|\s{2,}")
# `Sơn Hà, ngày 3 tháng 2 năm 2020`: the place and day of a letter or an official document.
PLACE_AND_DATE = re.compile(
    r"(?!thứ |chủ nhật|ngày |hôm nay|cập nhật|số )[^\W\d_][^,\d|]{1,40},\s*(?:ngày\s+)?"
    r"\d{1,2}\s*(?:[/.-]|tháng)",
    re.IGNORECASE,
)
_PAPER = re.compile(r"[A-ZĐ]{2,8}(?:\.[A-Za-z]{2,3})?$")
_MAX_LENGTH = 120
_MAX_REST_WORDS = 8


@dataclass(frozen=True, slots=True)
class DateLine:
    """A line that holds a date: ISO 8601 to the minute, and what else it says.

    pure: nothing but a date stands on the line; plain: nothing but a date and words of
    furniture; byline: who wrote, if the line names them.
    """

    iso: str
    has_time: bool
    pure: bool
    plain: bool
    byline: str | None = None


def read_date_line(line: str, next_line: str = "") -> DateLine | None:
    """The date of a line that holds a date and at most a name, a section or words of furniture
    beside it; None for any other line. The time may stand alone on `next_line`."""
    match = _DATE.search(line) if len(line) <= _MAX_LENGTH else None
    if not match or "°" in line:  # the weather: today's date
        return None
    rest, zone = _take(_ZONE, line[: match.start()] + "  " + line[match.end() :])
    rest, time = _take(_TIME, rest)
    if time is None and (alone := _time_alone(next_line)):
        time, zone = alone
    moment = _moment(match, time)
    if moment is None or (time is None and PLACE_AND_DATE.match(line)):
        return None
    rest = _DATE_WORDS.sub("  ", rest)
    byline = None
    plain = True
    for part in _rest_parts(rest):
        if furniture_kind(part) or is_section(part):
            continue
        plain = False
        names = read_names(part)
        if not (names or _PAPER.match(part)):
            return None
        byline = byline or names
    pure = not any(c.isalnum() for c in rest)
    if time is None:
        return DateLine(moment.date().isoformat(), False, pure, plain, byline)
    if zone:
        offset = timedelta(hours=int(zone["hours"]), minutes=int(zone["minutes"] or 0))
        moment = moment.replace(tzinfo=timezone(offset if zone["sign"] == "+" else -offset))
    return DateLine(moment.isoformat(timespec="minutes"), True, pure, plain, byline)


def _take(pattern: re.Pattern[str], text: str) -> tuple[str, re.Match[str] | None]:
    """The text without the first match, and the match."""
    match = pattern.search(text)
    if match is None:
        return text, None
    return text[: match.start()] + "  " + text[match.end() :], match


def _time_alone(line: str) -> tuple[re.Match[str], re.Match[str] | None] | None:
    """Time and zone of a line that holds nothing else."""
    if len(line) > _MAX_LENGTH:
        return None
    rest, zone = _take(_ZONE, line)
    rest, time = _take(_TIME, rest)
    if time is None or any(c.isalnum() for c in rest):
        return None
    return time, zone


def _moment(date: re.Match[str], time: re.Match[str] | None) -> datetime | None:
    parts = [int(part) for part in date.groups() if part is not None]
    year, month, day = parts if parts[0] > 31 else reversed(parts)
    try:
        moment = datetime(year, month, day)
        if time is None:
            return moment
        hour = int(time["hour"])
        half = (time["half"] or "").lower()
        if half in ("pm", "ch") and hour < 12:
            hour += 12
        if half in ("am", "sa") and hour == 12:
            hour = 0
        return moment.replace(hour=hour, minute=int(time["minute"]))
    except ValueError:
        return None


def _rest_parts(rest: str) -> list[str]:
    """What a date line says beside its date, in parts; one long part if it says too much."""
    parts = [part.strip() for part in _SEPARATORS.split(rest)]
    parts = [part for part in parts if any(c.isalnum() for c in part)]
    return parts if len(" ".join(parts).split()) <= _MAX_REST_WORDS else [" ".join(parts)]
