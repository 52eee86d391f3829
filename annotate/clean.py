"""A raw page → the article's text, with what became of every line.

The text is composed to NFC and loses only what no reader sees (control and zero-width
characters, white space at the ends of lines) and whole lines of page furniture. A line of
the article is never cut, joined or reworded. After this step no character changes any more.

What is furniture is decided by three things, the surest first:

- what a line says: words that only web pages use (`Chia sẻ`, `Tin liên quan`, `img`), bread
  crumbs, copyright and contact lines;
- where it stands: short lines above the headline; lines that are no sentences below
  the end of the article, which is its by-line or, without one, its last sentence before a sure
  line of furniture;
- dates: the line with the date of publication stays, other bare dates above the article go.

In doubt a line stays: furniture that stays costs an annotator a second, a lost line is lost.
"""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from annotate.document import Document
from annotate.readers import RawPage
from annotate.text import fold


@dataclass(frozen=True, slots=True)
class Removed:
    """A line that was taken out: its number in the page (from 1), its text, and why."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The article of a page: its text, what is known of it, and the lines taken out."""

    text: str
    title: str | None
    published: str | None
    byline: str | None
    removed: tuple[Removed, ...]


# --- characters -------------------------------------------------------------------------

_CONTROLS = (*range(0x00, 0x09), 0x0B, *range(0x0E, 0x20), 0x7F)
_ZERO_WIDTH = (0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF, 0xFFFC)
_HALF_CHARACTERS = range(0xD800, 0xE000)  # lone surrogates, which no file can hold
_INVISIBLE = dict.fromkeys((*_CONTROLS, *_ZERO_WIDTH, *_HALF_CHARACTERS))
_SPACES = {0xA0: " ", 0x2007: " ", 0x202F: " ", 0x2009: " ", 0x3000: " "}
_NEWLINES = re.compile(r"\r\n?|[\u0085\u2028\u2029\v\f]")


def normalise(raw: str) -> str:
    """NFC text with `\\n` line ends, plain spaces and no invisible characters."""
    text = _NEWLINES.sub("\n", raw).translate(_SPACES).translate(_INVISIBLE)
    return unicodedata.normalize("NFC", text)


# --- what a line says -------------------------------------------------------------------

# Whole lines, folded, without punctuation at the ends.
_FURNITURE = tomllib.loads((Path(__file__).parent / "furniture.toml").read_text(encoding="utf-8"))
_FURNITURE_WORDS = frozenset(fold(word) for group in _FURNITURE["words"].values() for word in group)
_FURNITURE_PATTERNS = tuple(re.compile(pattern) for pattern in _FURNITURE["patterns"]["lines"])
_RELATED_HEADS = re.compile(_FURNITURE["related"]["heads"])


_ARROWS = str.maketrans({"»": ">", "›": ">", "→": ">", "▶": ">", "►": ">"})
_EDGES = " .,:;|•·*->…<[]()!?\"'"


def _match_key(line: str) -> str:
    """A line as the furniture lists know it: folded, arrows as `>`."""
    return fold(line.translate(_ARROWS)).strip()


def _is_sure_furniture(line: str) -> bool:
    key = _match_key(line)
    bare = key.strip(_EDGES)
    if not bare or bare in _FURNITURE_WORDS or _RELATED_HEADS.match(bare):
        return bool(key)
    # A menu: parts set apart by bars or wide gaps, most of which are words of furniture.
    parts = [part.strip(_EDGES) for part in re.split(r"\s{3,}|\s*\|\s*|\s[-•·/]\s", key)]
    if len(parts) > 1 and 2 * sum(part in _FURNITURE_WORDS for part in parts) >= len(parts):
        return True
    return any(pattern.match(key) for pattern in _FURNITURE_PATTERNS)


# --- dates ------------------------------------------------------------------------------

_DATE = re.compile(
    r"(?P<day>\d{1,2})\s*[/.-]\s*(?P<month>\d{1,2})\s*[/.-]\s*(?P<year>\d{4})"
    r"|(?P<year2>\d{4})-(?P<month2>\d{2})-(?P<day2>\d{2})"
    r"|(?:ngày\s+)?(?P<day3>\d{1,2})\s+tháng\s+(?P<month3>\d{1,2})\s+năm\s+(?P<year3>\d{4})"
    r"|(?:ngày\s+)?(?P<day4>\d{1,2})\s+tháng\s+(?P<month4>\d{1,2}),\s*(?P<year4>\d{4})",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<!\d)(?P<hour>\d{1,2})\s*(?:[:h]|giờ)\s*(?P<minute>\d{2})(?::\d{2})?"
    r"(?:\s*(?P<half>am|pm|sa|ch)\b)?(?:\s*phút)?",
    re.IGNORECASE,
)
_ZONE = re.compile(
    r"[(\[]?\s*(?:gmt|utc)\s*(?P<sign>[+-])\s*(?P<hours>\d{1,2})(?::?00)?\s*[)\]]?", re.IGNORECASE
)
_DATE_WORDS = re.compile(
    r"(?:số\s+)?lượt\s+(?:xem|đọc)\s*:?\s*[\d.,]+|[\d.,]+\s+lượt\s+(?:xem|đọc)|thứ\s+(?:hai|ba|tư|năm|sáu|bảy|bẩy|\d)|chủ\s+nhật|"
    r"(?:ngày\s+)?đăng(?:\s+ngày)?|cập\s+nhật|xuất\s+bản|số\s+\d+|ra|ngày|lúc|vào|hôm\s+nay",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _DateLine:
    iso: str
    has_time: bool


def _read_date_line(line: str) -> _DateLine | None:
    """The date of a line that holds nothing but a date, or None."""
    match = _DATE.search(line)
    if not match:
        return None
    rest = line[: match.start()] + " " + line[match.end() :]
    zone = _ZONE.search(rest)
    if zone:
        rest = rest[: zone.start()] + " " + rest[zone.end() :]
    time = _TIME.search(rest)
    if time:
        rest = rest[: time.start()] + " " + rest[time.end() :]
    if any(c.isalnum() for c in _DATE_WORDS.sub(" ", rest)):
        return None
    parts = [int(part) for part in match.groups() if part is not None]
    year, month, day = parts if parts[0] > 31 else reversed(parts)
    try:
        moment = datetime(year, month, day)
        if time:
            hour = int(time["hour"])
            if (time["half"] or "").lower() in ("pm", "ch") and hour < 12:
                hour += 12
            moment = moment.replace(hour=hour, minute=int(time["minute"]))
    except ValueError:
        return None
    if not time:
        return _DateLine(moment.date().isoformat(), False)
    if zone:
        hours = int(zone["sign"] + zone["hours"])
        moment = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    return _DateLine(moment.isoformat(timespec="minutes"), True)


# --- by-lines ---------------------------------------------------------------------------

_LOWER = "a-zàáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ"
_NAME_SYLLABLE = rf"(?:[^\W\d_{_LOWER}][^\W\d_]*)"
_NAME = rf"{_NAME_SYLLABLE}(?:\s+{_NAME_SYLLABLE}){{1,4}}"
_INITIALS = r"(?:[^\W\d_]\.\s?){1,3}[^\W\d_]{1,10}\.?"
_AGENCY = r"[^\W\d_][\w.+]*(?:\s+[^\W\d_][\w.+]*){0,3}"
_LABELLED_BYLINE = re.compile(
    r"^\W*(?:(?:tin|bài)(?:\s+và|,|\s*-)?\s*ảnh|tin\s*,\s*bài|tin|bài(?: viết)?|tác giả|"
    r"(?:người )?thực hiện|(?:nhóm )?(?:phóng viên|pv)|biên tập|(?:lược )?ghi)\s*:\s*"
    r"(?P<name>\S.{1,60})$",
    re.IGNORECASE,
)
_BYLINE_NAMES = re.compile(
    rf"^(?:{_NAME}|{_INITIALS}|{_NAME_SYLLABLE})(?:\s*(?:[-–,&/]|và)\s*(?:{_NAME}|{_INITIALS}|{_NAME_SYLLABLE}))*\.?$"
)
_AGENCY_BYLINE = re.compile(rf"^(?P<name>(?:{_NAME}|{_INITIALS})\s*/\s*{_AGENCY})$")
_TRAILING = r"\s*(?:\([^()]{2,20}\)|tổng hợp|thực hiện|lược ghi)"
_NOTED_BYLINE = re.compile(rf"^(?P<name>{_NAME}|{_INITIALS}|{_NAME_SYLLABLE}){_TRAILING}$")
_BARE_BYLINE = re.compile(
    rf"^(?P<name>(?:{_NAME}|{_INITIALS})(?:\s*(?:[-–,&]|và)\s*(?:{_NAME}|{_INITIALS})){{0,3}})$"
)
_NOT_A_NAME = frozenset(
    fold(
        "ban bộ báo tòa cổng trang tin ảnh nguồn sở cục vụ ủy hội đảng tỉnh thành huyện quận chủ phó "
        "bí thứ trưởng tổng giám thủ đại thượng trung thiếu khối đoàn viện trường công chính quốc "
        "nhà tạp đài thông văn điều chương mục phần nơi km. tm. kt. tl. doanh kinh pháp sự video theo"
    ).split()
)


def _read_byline(line: str) -> str | None:
    """Who a by-line names, or None where the line is no by-line."""
    bare = line.strip().strip("*").strip()
    for pattern in (_LABELLED_BYLINE, _AGENCY_BYLINE, _NOTED_BYLINE, _BARE_BYLINE):
        match = pattern.match(bare)
        if not match:
            continue
        name = match["name"].strip()
        if pattern is _LABELLED_BYLINE and not _BYLINE_NAMES.match(name):
            return None
        if pattern is _BARE_BYLINE and (
            fold(name.split()[0]) in _NOT_A_NAME or len(name.split()) > 9
        ):
            return None
        return name
    return None


# --- the page as a whole ----------------------------------------------------------------

_SENTENCE_END = re.compile(r"[.!?…:;]\s*[\"'”’»)\]|]*\s*(?:\./\.)?$|\./\.$")
_FORMAL = re.compile(
    r"^\s*(?:[-+*•]|nơi nhận|lưu\s*:|(?:tm|kt|tl|tuq|q)\.\s|điều \d|chương |mục |phần |"
    r"\(?(?:đã )?ký\b|\d+[.)]|[a-zđ][.)]|số\s*:|căn cứ)",
    re.IGNORECASE,
)
_SITE_NAME = re.compile(r"\b(?:trang tin|online|điện tử|portal|website|tạp chí)\b", re.IGNORECASE)
_MIN_BODY_WORDS = 8
_LONG_WORDS = 25
_SECTION_WORDS = 7


def _is_body(line: str) -> bool:
    words = len(line.split())
    return words >= _LONG_WORDS or (words >= _MIN_BODY_WORDS and bool(_SENTENCE_END.search(line)))


def clean_text(raw: str) -> Cleaned:
    """The article of a raw page, and every line that was taken out with the reason.

    `published` is ISO 8601: a date, or date and time to the minute, with the offset from
    UTC where the page gives one. What is not found is None.
    """
    lines = [line.rstrip() for line in normalise(raw).split("\n")]
    filled = [number for number, line in enumerate(lines) if line.strip()]
    reasons: dict[int, str] = {n: "page words" for n in filled if _is_sure_furniture(lines[n])}

    reasons |= _find_related(lines, reasons)

    body = [n for n in filled if n not in reasons and _is_body(lines[n])]
    first_body = body[0] if body else len(lines)
    head = [n for n in filled if n < first_body]
    dates = {n: found for n in head if (found := _read_date_line(lines[n]))}
    for number in dates:
        reasons.pop(number, None)
    title_line = _find_title(lines, [n for n in head if n not in reasons], dates)
    published_line = _find_published(dates, title_line)
    for number in dates:
        if number != published_line:
            reasons[number] = "a date that is not the article's"
    if title_line is not None:
        for number in head:
            if number < title_line and number not in dates and number not in reasons:
                short = len(lines[number].split()) <= _SECTION_WORDS
                if _SITE_NAME.search(lines[number]) or (short and not lines[number].endswith(":")):
                    reasons[number] = "above the headline"

    byline, byline_line = _find_byline(lines, filled, reasons, body, title_line)
    reasons.update(_find_tail(lines, filled, reasons, body, byline_line))

    kept = [line if n not in reasons else None for n, line in enumerate(lines)]
    return Cleaned(
        text=_join(kept),
        title=lines[title_line].strip() if title_line is not None else None,
        published=dates[published_line].iso if published_line is not None else None,
        byline=byline,
        removed=tuple(
            Removed(n + 1, lines[n].strip(), reason) for n, reason in sorted(reasons.items())
        ),
    )


def _find_related(lines: list[str], reasons: dict[int, str]) -> dict[int, str]:
    """The headlines right below `Tin liên quan` and the like, up to a blank line or a sentence."""
    found: dict[int, str] = {}
    inside = False
    for number, line in enumerate(lines):
        if number in reasons:
            inside = bool(_RELATED_HEADS.match(_match_key(line).strip(_EDGES)))
        elif not line.strip() or _is_body(line):
            inside = False
        elif inside:
            found[number] = "in a list of related articles"
    return found


def _find_title(lines: list[str], head: list[int], dates: dict[int, _DateLine]) -> int | None:
    """The headline: of the lines above the first sentence that are no date, the one next to
    the date of publication if it is long enough, else the first of six words, else the longest
    of at least four."""

    def words(number: int) -> int:
        return len(lines[number].split())

    candidates = [
        n
        for n in head
        if n not in dates
        and words(n) >= 4
        and not _FORMAL.match(lines[n])
        and not _read_byline(lines[n])
    ]
    candidates = [n for n in candidates if not _SITE_NAME.search(lines[n])] or candidates
    if not candidates:
        return None
    timed = [n for n in dates if dates[n].has_time] or list(dates)
    order = head
    for date_line in timed:
        place = order.index(date_line)
        for neighbour in (place - 1, place + 1):
            if 0 <= neighbour < len(order) and order[neighbour] in candidates:
                number = order[neighbour]
                if words(number) >= 6:
                    return number
    long_enough = [n for n in candidates if words(n) >= 6]
    if long_enough:
        return long_enough[0]
    return max(candidates, key=words)


def _find_published(dates: dict[int, _DateLine], title_line: int | None) -> int | None:
    """The date line of the article: one with a time before one without, then the nearest to
    the headline."""
    if not dates:
        return None
    anchor = title_line if title_line is not None else max(dates)
    return min(dates, key=lambda n: (not dates[n].has_time, abs(n - anchor)))


def _find_byline(
    lines: list[str],
    filled: list[int],
    reasons: dict[int, str],
    body: list[int],
    title_line: int | None,
) -> tuple[str | None, int | None]:
    """Who wrote the article and the line that says so: first below the last sentence (a caption
    or a note may follow it), else between headline and first sentence."""
    open_lines = [n for n in filled if n not in reasons]
    last_bodies = body[-4:]
    below = [n for n in open_lines if last_bodies and n > last_bodies[0] and n not in body]
    for number in below:
        following = [n for n in body if n > number]
        strong = not _BARE_BYLINE.match(lines[number].strip())
        # A bare name above several more sentences is a speaker or a heading, not the author.
        if len(following) > (3 if strong else 1) or any(
            len(lines[n].split()) > 60 for n in following
        ):
            continue
        name = _read_byline(lines[number])
        if name:
            return name, number
    first_body = body[0] if body else len(lines)
    start = title_line if title_line is not None else -1
    for number in open_lines:
        if start < number < first_body:
            name = _read_byline(lines[number])
            if name:
                return name, None
    return None, None


def _find_tail(
    lines: list[str],
    filled: list[int],
    reasons: dict[int, str],
    body: list[int],
    byline_line: int | None,
) -> dict[int, str]:
    """Lines below the article that are no sentences and no part of a formal document."""
    if not body:
        return {}
    last_body = body[-1]
    if byline_line is not None:
        end = byline_line
    else:
        sure_below = [n for n in filled if n > last_body and n in reasons]
        if not sure_below:
            return {}
        end = sure_below[0]
    found: dict[int, str] = {}
    related = False
    for number in filled:
        if number <= end:
            continue
        related = related or bool(_RELATED_HEADS.match(_match_key(lines[number]).strip(_EDGES)))
        if number in reasons:
            continue
        if number in body and not related:
            continue
        if _FORMAL.match(lines[number]) and not related:
            continue
        if _SENTENCE_END.search(lines[number]) and not related and len(lines[number].split()) >= 4:
            continue
        if _read_byline(lines[number]) and not related:
            continue
        found[number] = "below the article"
    return found


def _join(lines: list[str | None]) -> str:
    """The lines that stay, at most one blank line between two, none at the ends."""
    text = "\n".join(line for line in lines if line is not None)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def clean_page(page: RawPage) -> tuple[Document | None, Cleaned]:
    """The Document of a raw page (None where no text is left) and what became of its lines.

    What the page's own meta says of title, published and byline wins over what was found.
    """
    cleaned = clean_text(page.text)
    found: dict[str, Any] = {
        "title": cleaned.title,
        "published": cleaned.published,
        "byline": cleaned.byline,
    }
    meta = {key: value for key, value in found.items() if value is not None} | page.meta
    if not cleaned.text.strip():
        return None, cleaned
    return Document(page.id, cleaned.text, (), meta), cleaned
