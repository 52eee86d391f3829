"""The page as a whole: where its article begins and ends, and what became of every line.

The surest things first: lines that say themselves what they are (`furniture.py`), then the
headline and its date, then the by-line and the end of the article, then what place decides:
short lines above the headline, lines that are no sentences below the end.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from annotate.clean.bylines import SYLLABLE, has_mark, read_byline
from annotate.clean.characters import normalise
from annotate.clean.dates import PLACE_AND_DATE, DateLine, read_date_line
from annotate.clean.furniture import (
    Kind,
    furniture_kind,
    is_crumbs,
    is_doubtful,
    is_edge_furniture,
    is_section,
    is_site_name,
)
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
    """The article of a page: its text, what is known of it, and the lines taken out.

    `published` is ISO 8601: a date, or date and time to the minute, with the offset from
    UTC where the page gives one. What was not found is None.
    """

    text: str
    title: str | None
    published: str | None
    byline: str | None
    removed: tuple[Removed, ...]


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


def clean_text(raw: str) -> Cleaned:
    """The article of a raw page, and every line that was taken out with the reason."""
    page = _Page([line.rstrip() for line in normalise(raw).split("\n")])
    reasons: dict[int, str] = dict.fromkeys(page.kinds, "page words")
    reasons.update(_find_related(page))
    head = _read_head(page, reasons)
    byline, end = _find_end(page, reasons, head)
    reasons.update(_find_below(page, reasons, end))
    published = head.published or end.published
    return Cleaned(
        text=_join(line for n, line in enumerate(page.lines) if n not in reasons),
        title=head.title,
        published=published.iso if published else None,
        byline=byline or head.byline,
        removed=tuple(
            Removed(n + 1, page.lines[n].strip(), reason) for n, reason in sorted(reasons.items())
        ),
    )


def _join(lines: Iterator[str]) -> str:
    """The lines that stay, at most one blank line between two, none at the ends."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


# --- lines --------------------------------------------------------------------------------

# Pictures, sources: lines of the article though they stand below its end.
_CREDIT = re.compile(
    r"\W*(?:(?i:ảnh|video|clip|đồ họa|nguồn|theo|trình bày|dịch|minh họa|hình ảnh|tổng hợp)"
    rf"(?:\s+\w+){{0,3}}\s*[:;]|(?i:ảnh|nguồn|theo)\s+{SYLLABLE})"
)
_SIGNATURE = re.compile(
    r"\s*(?:(?:TM|KT|TL|TUQ|Q)\.|\(?(?:[Đđ]ã )?[Kk][ýí]\b|"
    r"(?:PHÓ |QUYỀN |TỔNG )*(?:BÍ THƯ|CHỦ TỊCH|GIÁM ĐỐC|BỘ TRƯỞNG|THỨ TRƯỞNG|THỦ TƯỚNG|CHÁNH|"
    r"TRƯỞNG|HIỆU TRƯỞNG|CHỦ NHIỆM|THANH TRA|CỤC TRƯỞNG|VỤ TRƯỞNG|THƯ KÝ|CHỦ TOẠ|CHỦ TỌA)\b)"
)
_ENDING = r"[\"'”’»)\]|]*\s*"
_SENTENCE_END = re.compile(rf"[.!?…:;]\s*{_ENDING}$")
_STATEMENT_END = re.compile(rf"(?:[.…:;]|\./)\s*{_ENDING}$")
_SENTENCE_WORDS = 8
_PARAGRAPH_WORDS = 25
_LONG_PARAGRAPH_WORDS = 40


class _Page:
    """The lines of a page and what each says by itself.

    filled: numbers of the lines that are not blank; kinds: those that are furniture;
    words: how many words each line has.
    """

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.filled = [n for n, line in enumerate(lines) if line.strip()]
        self.words = [len(line.split()) for line in lines]
        self._place = {number: place for place, number in enumerate(self.filled)}
        self.kinds: dict[int, Kind] = {}
        for number in self.filled:
            kind = furniture_kind(lines[number].strip())
            if kind is not None:
                self.kinds[number] = kind
        set_apart = sum(1 for n in self.filled if n and not lines[n - 1].strip())
        # Whether blank lines set the paragraphs apart, so that lines without one belong together.
        self.has_blanks = 3 * set_apart >= len(self.filled)

    def below(self, number: int) -> int:
        """The next line that is not blank, or `number` itself if there is none."""
        place = self._place[number] + 1
        return self.filled[place] if place < len(self.filled) else number

    def is_sentence(self, number: int) -> bool:
        """Reads as running text: a sentence of eight words, or any 25 words."""
        words = self.words[number]
        if words >= _PARAGRAPH_WORDS:
            return True
        return words >= _SENTENCE_WORDS and bool(_SENTENCE_END.search(self.lines[number]))

    def opens_article(self, number: int) -> bool:
        """Running text that is no headline: it ends as a statement does or is very long."""
        words = self.words[number]
        if words >= _LONG_PARAGRAPH_WORDS:
            return True
        return words >= _SENTENCE_WORDS and bool(_STATEMENT_END.search(self.lines[number]))

    def is_paragraph(self, number: int) -> bool:
        """Long enough to be nothing but running text; captions do not count."""
        return (
            self.words[number] >= _PARAGRAPH_WORDS
            and number not in self.kinds
            and not _CREDIT.match(self.lines[number])
        )


# --- lists of other articles --------------------------------------------------------------

_LIST_MARK = re.compile(r"\s*(?:[-–+*•▪■●○◦·>»›→]|\d{1,2}[.)]?\s)\s*\S")
_COUNTED = re.compile(r"\s*(?:[-–+]|\d{1,2}[.)]?)\s")
_TRAILING_DATE = re.compile(r"[(\[]\s*\d{1,2}[/.-]\d{1,2}(?:[/.-]\d{2,4})?\s*[)\]]$")
_NUMBER_ALONE = re.compile(r"\s*\d{1,2}[.)]?$")
# An interview: whom a question addresses, how an answer begins.
_ADDRESS = re.compile(r"\b(?:thưa|ông|bà|anh|chị|đồng chí|bác)\b", re.IGNORECASE)
_SPOKEN = re.compile(r"\s*[-–+]\s|[^.!?:]{2,40}:\s")
# Parts of a report or a legal text: `I.`, `Điều 5`; `1.` may count the items of a list too.
_ARTICLE_NUMBER = re.compile(r"(?:[IVX]+[.)]\s|Điều \d|Chương |Nơi nhận|Kính gửi|Kính thưa)")
_SUBHEADING_WORDS = 6


def _find_related(page: _Page) -> dict[int, str]:
    """The headlines below `Tin liên quan` and the like.

    A list goes on over lines that are no sentences, up to a blank line; lines with a bullet
    or a date in brackets at the end belong to it behind a blank line too.
    """
    found: dict[int, str] = {}
    for head in page.filled:
        if page.kinds.get(head) is not Kind.RELATED:
            continue
        items = list(_list_items(page, head))
        if _may_be_subheading(page, items):
            items.pop()
        found.update(dict.fromkeys(items, "in a list of related articles"))
    return found | _find_advertisements(page)


_OPENS_ADVERTISEMENT = re.compile(r"\W*(?:bắt đầu )?quảng cáo\W*$", re.IGNORECASE)
_ENDS_ADVERTISEMENT = re.compile(r"\W*(?:hết|kết thúc) quảng cáo\W*$", re.IGNORECASE)
_ADVERTISEMENT_LINES = 6


def _find_advertisements(page: _Page) -> dict[int, str]:
    """The lines between `Quảng cáo` and `Hết quảng cáo`, if they are few and short."""
    found: dict[int, str] = {}
    for place, end in enumerate(page.filled):
        if not _ENDS_ADVERTISEMENT.match(page.lines[end]):
            continue
        inside: list[int] = []
        for number in reversed(page.filled[max(0, place - _ADVERTISEMENT_LINES) : place]):
            if _OPENS_ADVERTISEMENT.match(page.lines[number]):
                found.update(dict.fromkeys(inside, "an advertisement"))
                break
            if page.words[number] >= _PARAGRAPH_WORDS:
                break
            inside.append(number)
    return found


def _list_items(page: _Page, head: int) -> Iterator[int]:
    behind_blank = False
    for number in range(head + 1, len(page.lines)):
        line = page.lines[number]
        if not line.strip():
            behind_blank = True
            continue
        kind = page.kinds.get(number)
        if kind is Kind.RELATED or (kind and not _is_list_line(line)):
            return
        if page.words[number] >= _PARAGRAPH_WORDS:
            return
        dated = bool(_TRAILING_DATE.search(line))
        marked = dated or (_is_list_line(line) and not _STATEMENT_END.search(line))
        if not marked and (behind_blank or page.is_sentence(number)):
            return
        if not dated and _is_of_article(page, number):
            return
        if number not in page.kinds:
            yield number


def _is_of_article(page: _Page, number: int) -> bool:
    """Whether a line that could be in a list reads as one that only an article has: a by-line,
    a source, part of an official document, a question with its answer below."""
    line = page.lines[number].strip()
    if line.endswith("?"):
        below = page.below(number)
        answer = bool(_ADDRESS.search(line) or _SPOKEN.match(page.lines[below]))
        return answer and page.is_paragraph(below)
    return bool(
        read_byline(line)
        or _CREDIT.match(line)
        or _SIGNATURE.match(line)
        or _OFFICIAL.match(fold(line))
        or _ARTICLE_NUMBER.match(line)
        or PLACE_AND_DATE.match(line)
    )


def _is_list_line(line: str) -> bool:
    return bool(_LIST_MARK.match(line) or _NUMBER_ALONE.match(line))


def _may_be_subheading(page: _Page, items: Sequence[int]) -> bool:
    """Whether the last item may rather be a sub-heading of the article: it stands right above a
    paragraph, is short, and is not the only item or there are no blank lines to judge by."""
    if not items:
        return False
    last = items[-1]
    below = last + 1
    if len(items) == 1 and not page.lines[last - 1].strip() and _COUNTED.match(page.lines[last]):
        return True  # `1. …` or `- …` behind a blank line, and no second one
    return (
        page.words[last] <= _SUBHEADING_WORDS
        and not _is_list_line(page.lines[last])
        and not _TRAILING_DATE.search(page.lines[last])
        and below < len(page.lines)
        and page.is_paragraph(below)
        and (len(items) > 1 or not page.has_blanks)
    )


# --- above the first sentence -------------------------------------------------------------

_OFFICIAL = re.compile(
    r"\s*(?:cộng hòa xã hội|độc lập|đảng cộng sản việt nam|số\s*:|v/v|về việc|\*+$)"
)
_KICKER = re.compile(r"\s*(?:kỳ|bài|phần|tập|số)\s+(?:\d+|cuối|đầu|[ivx]+)\b")
_FORMAL = re.compile(
    r"^\s*(?:[-+*•–]\s|nơi nhận|lưu\s*:|(?:tm|kt|tl|tuq|q)\.\s|điều \d|chương |mục |phần |"
    r"\(?(?:đã )?ký\b|\d+[.)]|[a-zđ][.)]|[ivx]+[.)]\s|số\s*:|căn cứ)",
    re.IGNORECASE,
)
_TITLE_WORDS = 4
_GOOD_TITLE_WORDS = 6
_MENU_WORDS = 7
_OFFICIAL_LINES = 6
_HEAD_LINES = 200  # no menu is longer; it keeps a file of short lines from taking for ever


@dataclass(frozen=True, slots=True)
class _Head:
    """What stands above the first sentence; first: the number of that sentence."""

    title: str | None
    first: int
    published: DateLine | None
    byline: str | None


def _read_head(page: _Page, reasons: dict[int, str]) -> _Head:
    """Headline and date of publication; adds what stands above them as furniture to `reasons`."""
    open_lines = [n for n in page.filled if n not in reasons]
    first = next((n for n in open_lines if page.opens_article(n)), len(page.lines))
    head = [n for n in page.filled[:_HEAD_LINES] if n < first]
    dates = _dates(page, head)
    # Bread crumbs that hold a date or words of furniture beside a date are known by now.
    for number in dates:
        reasons.pop(number, None)
    for number in head:
        if number not in dates and is_edge_furniture(page.lines[number].strip()):
            reasons[number] = "menu or section"
    open_head = [n for n in head if n not in reasons]
    title_line = _find_title(page, open_head, dates)
    first = first if title_line is None else max(first, title_line + 1)
    published_line = _published_line(dates, title_line)
    if title_line is None:
        title = None
    else:
        parts = _headline_lines(page, open_head, dates, title_line)
        title = " ".join(page.lines[n].strip() for n in parts)
        title_line = parts[0]
        reasons.update(_find_above(page, open_head, dates, published_line, title_line))
    published = dates[published_line] if published_line is not None else None
    byline = published.byline if published else None
    for number in open_head:
        if byline is None and number not in dates and number > (title_line or -1):
            byline = None if number in reasons else read_byline(page.lines[number])
    return _Head(title, first, published, byline)


def _dates(page: _Page, numbers: Sequence[int]) -> dict[int, DateLine]:
    found = {}
    for place, number in enumerate(numbers):
        below = page.lines[numbers[place + 1]] if place + 1 < len(numbers) else ""
        line = page.lines[number].strip()
        date = read_date_line(line, below.strip())
        # A pure date can be furniture all the same: the day of the visit, "today".
        if date and not (date.pure and number in page.kinds):
            found[number] = date
    return found


def _find_title(page: _Page, head: Sequence[int], dates: dict[int, DateLine]) -> int | None:
    """The headline: of the lines above the first sentence that may be one, that with the best
    marks for length, for standing beside the date, and against reading as the name of a
    site; of equals the first."""
    candidates = [n for n in head if n not in dates and _may_be_title(page, n)]
    if not candidates:
        return None
    beside = _beside_dates(head, dates)
    crumbs = [n for n in page.filled if n < candidates[-1] and is_crumbs(page.lines[n].strip())]
    below_crumbs = next((n for n in candidates if crumbs and n > crumbs[-1]), None)
    texts = [fold(page.lines[n]).strip() for n in head]

    def marks(number: int) -> tuple[int, int]:
        line = page.lines[number].strip()
        score = beside.get(number, 0) + (page.words[number] >= _GOOD_TITLE_WORDS)
        score += number == below_crumbs
        # `Headline - name of the paper`, as in the title of the window.
        score += 2 * any(t != fold(line) and t.startswith(fold(line) + " ") for t in texts)
        score -= 4 * is_site_name(line)
        score -= 2 * (page.words[number] < _GOOD_TITLE_WORDS and number == page.filled[0])
        return score, -number

    return max(candidates, key=marks)


def _may_be_title(page: _Page, number: int) -> bool:
    line = page.lines[number]
    return (
        page.words[number] >= _TITLE_WORDS
        and not _FORMAL.match(line)
        and not _OFFICIAL.match(fold(line))
        and not read_byline(line)
        and not PLACE_AND_DATE.match(line)
    )


def _beside_dates(head: Sequence[int], dates: dict[int, DateLine]) -> dict[int, int]:
    """Marks for the lines next to a date: 3 where it has a time, else 2."""
    marks: dict[int, int] = {}
    for place, number in enumerate(head):
        if number not in dates:
            continue
        for neighbour in (place - 1, place + 1):
            if 0 <= neighbour < len(head):
                mark = 3 if dates[number].has_time else 2
                marks[head[neighbour]] = max(mark, marks.get(head[neighbour], 0))
    return marks


def _headline_lines(
    page: _Page, head: Sequence[int], dates: dict[int, DateLine], title_line: int
) -> list[int]:
    """The lines of a headline that runs over two or more: right below each other, where the
    first breaks off (a comma, a small letter follows) or all are in capitals."""
    lines = [title_line]
    while _continues(page, lines[0] - 1, lines[0], head, dates):
        lines.insert(0, lines[0] - 1)
    while _continues(page, lines[-1], lines[-1] + 1, head, dates):
        lines.append(lines[-1] + 1)
    return lines


def _continues(
    page: _Page, upper: int, lower: int, head: Sequence[int], dates: dict[int, DateLine]
) -> bool:
    if upper not in head or lower not in head or upper in dates or lower in dates:
        return False
    above, below = page.lines[upper].strip(), page.lines[lower].strip()
    if _SENTENCE_END.search(above) or read_byline(below) or _FORMAL.match(below):
        return False
    if above.endswith((",", " -", " –")) or below[0].islower():
        return True
    return (
        above.isupper()
        and below.isupper()
        and not is_site_name(above)
        and min(page.words[upper], page.words[lower]) >= _TITLE_WORDS
    )


def _published_line(dates: dict[int, DateLine], title_line: int | None) -> int | None:
    """The date line of the article: one with a time before one without, then the nearest to
    the headline."""
    if not dates:
        return None
    anchor = title_line if title_line is not None else max(dates)
    return min(dates, key=lambda n: (not dates[n].has_time, abs(n - anchor)))


def _find_above(
    page: _Page,
    head: Sequence[int],
    dates: dict[int, DateLine],
    published_line: int | None,
    title_line: int,
) -> dict[int, str]:
    """What stands above the headline and is neither the date of publication nor a kicker nor the
    head of an official document."""
    found: dict[int, str] = {}
    title = fold(page.lines[title_line]).strip()
    above = [n for n in head if n < title_line]
    for number in above:
        line = page.lines[number].strip()
        if number in dates:
            if number != published_line and dates[number].plain:
                found[number] = "a date that is not the article's"
        elif _is_official(page, above, number) or line.endswith(":") or _KICKER.match(fold(line)):
            continue
        elif is_site_name(line) or fold(line).startswith(title + " "):
            found[number] = "above the headline"
        elif page.words[number] <= _MENU_WORDS and not PLACE_AND_DATE.match(line):
            close = page.words[number] >= _TITLE_WORDS and _touches(page, number, title_line)
            if not close:
                found[number] = "above the headline"
    return found


def _touches(page: _Page, number: int, title_line: int) -> bool:
    """Whether only blank lines stand between a line and the headline."""
    return not any(page.lines[n].strip() for n in range(number + 1, title_line))


def _is_official(page: _Page, above: Sequence[int], number: int) -> bool:
    """Whether a line belongs to the head of an official document: near `Số:` or the motto."""
    if _OFFICIAL.match(fold(page.lines[number])):
        return True
    place = above.index(number)
    near = above[max(0, place - _OFFICIAL_LINES) : place + _OFFICIAL_LINES + 1]
    return page.lines[number].isupper() and any(
        _OFFICIAL.match(fold(page.lines[other])) for other in near
    )


# --- below the last sentence --------------------------------------------------------------

# How captions begin that end without a full stop.
_CAPTION = re.compile(
    r"(?:quang cảnh|toàn cảnh|các đại biểu|đại biểu|đồng chí|đ/c|các đồng chí|lãnh đạo|chủ tịch|"
    r"phó chủ tịch|bí thư|phó bí thư|ông|bà|ảnh|hình|thủ tướng|bộ trưởng|tổng bí thư|thừa ủy quyền|"
    r"đoàn|người dân|cán bộ|cử tri|một góc|một số)\s"
)
_SIGNATURE_LINES = 3
_CAPTION_WORDS = 60
_CREDIT_LINES = 4
_NEVER = 1 << 60
_LABELLED_DATE = re.compile(r"\W*(?:ngày |lần )?(?:đăng|cập nhật|xuất bản|gửi|thời gian)", re.I)
_TERMINAL = frozenset({Kind.AROUND, Kind.RELATED, Kind.COMMENTS, Kind.FOOTER})
_CLOSING = frozenset({Kind.COMMENTS, Kind.FOOTER})


@dataclass(frozen=True, slots=True)
class _End:
    """The lines (their numbers) at which the article is over.

    last: its by-line or the end of its signatures, if it has either; furniture: the first line
    of furniture below; published: a date of publication that stands between them.
    """

    last: int | None
    furniture: int | None
    published: DateLine | None = None


def _find_end(page: _Page, reasons: dict[int, str], head: _Head) -> tuple[str | None, _End]:
    open_lines = [n for n in page.filled if n not in reasons and n >= head.first]
    if not open_lines:
        return None, _End(None, None)
    paragraphs = [n for n in open_lines if page.is_paragraph(n)]
    last = paragraphs[-1] if paragraphs else open_lines[0]
    name, line = _find_byline(page, reasons, open_lines, paragraphs, last)
    text_end = line if line is not None else last
    start = _signature_end(page, open_lines, text_end)
    _give_back_doubtful(page, reasons, range(open_lines[0], start))
    furniture = next((n for n in page.filled if n > start and page.kinds.get(n) in _TERMINAL), None)
    published = None
    if head.published is None:
        below = [n for n in page.filled if n > text_end and (furniture is None or n < furniture)]
        dates = _dates(page, below)
        published = next((dates[n] for n in dates if _LABELLED_DATE.match(page.lines[n])), None)
    closed = line is not None or start > text_end
    return name, _End(start if closed else None, furniture, published)


def _signature_end(page: _Page, open_lines: Sequence[int], last: int) -> int:
    """The last line of the formal end of a document (offices, names, `Nơi nhận`), or `last`."""
    end = last
    inside = False
    closing = next((n for n in page.filled if n > last and page.kinds.get(n) in _CLOSING), _NEVER)
    for number in open_lines:
        if number <= last:
            continue
        line = page.lines[number].strip()
        if number > closing:
            break
        if _SIGNATURE.match(line) or line.lower().startswith("nơi nhận"):
            end, inside = number, True
        elif inside and (read_byline(line) or _FORMAL.match(line) or line.isupper()):
            end = number
        else:
            inside = False
    return end


def _give_back_doubtful(page: _Page, reasons: dict[int, str], inside: range) -> None:
    """Inside the article a word of furniture that may be a sub-heading is one."""
    for number in inside:
        kind = page.kinds.get(number)
        if kind and is_doubtful(page.lines[number].strip(), kind):
            reasons.pop(number, None)


def _find_byline(
    page: _Page,
    reasons: dict[int, str],
    open_lines: Sequence[int],
    paragraphs: Sequence[int],
    last: int,
) -> tuple[str | None, int | None]:
    """The by-line at the end of the article and the number of its line.

    It stands below the last paragraph, or, where readers' comments or teasers bring more
    paragraphs, right above a line of furniture that ends an article.
    """
    following = _following(page, reasons, open_lines)
    above_caption = _above_last_caption(page, open_lines, paragraphs)
    total = sum(page.words[n] for n in paragraphs)
    for place, number in enumerate(open_lines):
        name = read_byline(page.lines[number])
        if name is None or _is_signature(page, open_lines, place):
            continue
        below = following[number]
        marked = has_mark(page.lines[number])
        if number > last:
            # A bare name above several sentences is a speaker.
            if marked or below.sentences <= 1:
                return name, number
        elif number == above_caption:
            return name, number
        elif number > paragraphs[0] and 5 * below.words <= 2 * total:
            ends = page.kinds.get(_below_credits(page, number)) in _TERMINAL
            if ends or (marked and below.paragraphs <= 2):
                return name, number
    return None, None


@dataclass(frozen=True, slots=True)
class _Following:
    """What follows a line: paragraphs and their words; sentences up to the next furniture."""

    paragraphs: int
    words: int
    sentences: int


def _following(
    page: _Page, reasons: dict[int, str], open_lines: Sequence[int]
) -> dict[int, _Following]:
    found: dict[int, _Following] = {}
    paragraphs = words = sentences = 0
    for number in reversed(page.filled):
        if number < open_lines[0]:
            break
        found[number] = _Following(paragraphs, words, sentences)
        if page.kinds.get(number) in _TERMINAL:
            sentences = 0
        if number in reasons:
            continue
        sentences += page.is_sentence(number)
        if page.is_paragraph(number):
            paragraphs += 1
            words += page.words[number]
    return found


def _above_last_caption(
    page: _Page, open_lines: Sequence[int], paragraphs: Sequence[int]
) -> int | None:
    """The line right above the very last one, if that can be a long caption."""
    if len(open_lines) < 2 or len(paragraphs) < 3 or open_lines[-1] != paragraphs[-1]:
        return None
    return open_lines[-2] if page.words[paragraphs[-1]] <= _CAPTION_WORDS else None


def _below_credits(page: _Page, number: int) -> int:
    """The next line that is not blank, a few credits of pictures passed over."""
    below = number
    for _ in range(_CREDIT_LINES):
        below = page.below(below)
        if not _CREDIT.match(page.lines[below]):
            break
    return below


def _is_signature(page: _Page, open_lines: Sequence[int], place: int) -> bool:
    """Whether the name signs a document: the office stands in capitals right above it."""
    above = open_lines[max(0, place - _SIGNATURE_LINES) : place]
    return any(_SIGNATURE.match(page.lines[n]) and page.words[n] <= 12 for n in above)


def _find_below(page: _Page, reasons: dict[int, str], end: _End) -> dict[int, str]:
    """Lines below the end of the article that are no part of it.

    Between by-line and furniture sentences, credits and formal lines stay; below a list of
    other articles only statements stay; below comments and imprint nothing does.
    """
    start = end.last if end.last is not None else end.furniture
    if start is None:
        return {}
    found: dict[int, str] = {}
    passed: set[Kind] = set()
    for number in page.filled:
        if number <= start and number != end.furniture:
            continue
        kind = page.kinds.get(number)
        if kind is not None:
            passed.add(kind)
        if number not in reasons and not _stays_below(page, number, passed, end):
            found[number] = "below the article"
    return found


def _stays_below(page: _Page, number: int, passed: set[Kind], end: _End) -> bool:
    line = page.lines[number].strip()
    if passed & _CLOSING:
        return False
    statement = page.words[number] >= _SENTENCE_WORDS and bool(_STATEMENT_END.search(line))
    if Kind.RELATED in passed:
        return bool(end.last is None and (statement or _CREDIT.match(line)))
    formal = bool(_FORMAL.match(line) or _CREDIT.match(line) or _CAPTION.match(line.lower()))
    if passed:
        return page.is_sentence(number) or formal
    if is_section(line):
        return False
    return bool(
        formal
        or end.furniture is None
        or page.words[number] >= _SENTENCE_WORDS
        or (page.words[number] >= _TITLE_WORDS and _SENTENCE_END.search(line))
        or read_byline(line)
        or read_date_line(line)
    )
