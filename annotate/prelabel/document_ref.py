"""DOCUMENT_REF: a type word and what identifies the document: symbol, session, name or title."""

import re

from annotate.prelabel.candidate import Candidate
from annotate.prelabel.chart import Chart, folded_words
from annotate.prelabel.org import find_body
from annotate.prelabel.place import is_name_word

# Symbols are read from the folded text; those of party and state differ in the order of number,
# year, type and issuer: 215-QĐ/TW, 43/2014/TT-BGDĐT, 100/2015/QH13, 1234/VPCP-KTTH.
_ISSUER = r"[a-zđ][a-zđôơưă0-9.&]*"
_SYMBOL = (
    rf"\d+[a-z]?(?:/\d{{2,4}})?(?:\s?[-/]\s?{_ISSUER})(?:\s?[-/&]\s?(?:{_ISSUER}|\d+))*"
    rf"|\d+[a-z]?/\d{{4}}/{_ISSUER}(?:-{_ISSUER})*"
)
_NUMBER = rf"(?:{_SYMBOL}|\d+[a-z]?(?:/\d{{4}})?(?![\d/%-]|[.,]\d))"
_NUMBERED = re.compile(rf"\s(?:(?:số|mang số|số:)\s)?({_NUMBER})(?!\w)")
_TIGHT_SYMBOL = re.compile(
    r"(?<![\w/-])\d+[a-z]?(?:/\d{4})?"
    r"(?:-[a-zđ]{1,6}/[a-zđ]{1,10}(?:-[a-zđ]+)*|/[a-zđ]{2,12}\d{0,2}(?:-[a-zđ&]+)*)(?![\w/])"
)
_SPACED_SYMBOL = re.compile(
    r"\d+[a-z]?(?:\s?-\s?|\s)[a-zđ]{2,6}\s?/\s?[a-zđ]{1,10}(?:-[a-zđ]+)*(?![\w/])"
)
_RESOLUTION = re.compile(
    r"\s(?:số\s)?\d{2}/\d{1,3}(?=\s(?:của\s)?(?:đại hội đồng|liên hợp quốc|lhq))"
)
_TERM = r"(?:,?\s\(?khóa\s(?:thứ\s)?(?:[ivx]+|\d+)(?!\w)(?:\))?)"
_WORD_NUMBER = r"nhất|hai|ba|tư|năm|sáu|bảy|tám|chín|mười(?:\s(?:một|hai|ba|bốn|tư|lăm))?"
_ORDINAL = (
    rf"(?:lần\sthứ\s(?:[ivx]+|\d+|{_WORD_NUMBER})"
    r"|[ivx]{1,5}(?!\w)|\d{1,2}(?![\w/.,-]*\d))"
)
_CONGRESS = re.compile(
    rf"\s(?:của\s)?(?:các\s)?đại hội(?:\sđại biểu)?(?:\stoàn quốc)?(?P<ordinal>\s{_ORDINAL})?"
)
_ORDINAL_AT = re.compile(rf"\s{_ORDINAL}")
_NATION = " toàn quốc"
_TERM_AT = re.compile(_TERM)
_PLENUM = re.compile(
    r"\s(?:(?:hội nghị\s)?(?:trung ương|tw|t\.ư|tư)|hntw|hntư)\s(?:lần thứ\s)?"
    rf"(?:\d{{1,2}}|[ivx]+|{_WORD_NUMBER})(?![\w/-])(?:{_TERM})?"
)
_CONFERENCE = re.compile(rf"\shội nghị\s{_ORDINAL}")
_YEAR_AT = re.compile(r",?\s(năm\s)?((?:1[0-9]|20)\d\d)(?![\w/-])")
_AMENDED = re.compile(
    r"\s\((?:sửa đổi|bổ sung|sửa đổi,? bổ sung|mới|sửa đổi năm \d{4})(?:[^()\n]{0,20})?\)"
)
_PART = re.compile(
    r"(?:(?:các\s)?(?:điểm\s[a-zđ](?:,\s[a-zđ]){0,6}(?:\svà\s[a-zđ])?,?\s)?"
    r"(?:(?:các\s)?khoản\s\d+[a-z]?(?:(?:,\s|\svà\s)(?:khoản\s)?\d+[a-z]?){0,8},?\s)?"
    r"(?:các\s)?điều\s\d+[a-z]?(?:(?:,\s|\svà\s)(?:điều\s)?\d+[a-z]?){0,8}"
    r"(?:,?\s(?:các\s)?khoản\s\d+[a-z]?)?(?:,?\s(?:các\s)?điểm\s[a-zđ])?"
    r"|(?:chương|mục|phần|phụ lục)\s[ivx\d]+|(?:các\s)?khoản\s\d+(?:\svà\s\d+)?)"
    r"(?:,?\s(?:của\s|trong\s|-\s)?)"
)
_COUNTED = re.compile(
    r"\s(?:năm|tháng|ngày|đồng|người|văn|nghị|quyết|tỉ|triệu|xã|huyện|điểm|nội|vấn|trường|tổ|cá|dự|vụ"
    r"|bộ|luật|hồ|cán|lần|nhóm|chương|nhiệm|điều|đơn|cơ|mục|giải|tiêu|phần|bước|giai|hộ|khu|công)"
)
_PART_WORDS = frozenset({"các", "điểm", "khoản", "điều", "chương", "mục", "phần", "phụ"})
_QUOTE = re.compile(r"\s?([“\"«])")
_HEADS = (
    "doc.type",
    "doc.session-type",
    "treaty.head",
    "doc.named",
    "work",
    "treaty.acronym",
)
_TITLED = frozenset({"chỉ", "lời", "đề", "tuyên"})
_CLOSE = {"“": "”", '"': '"', "«": "»"}
_LONGEST_TITLE = 200
_AMENDING = re.compile(r"sửa đổi,?\s(?:và\s)?bổ sung\smột số điều(?:\scủa)?\s")
_MOST_AMENDING, _MOST_AMENDED = 2, 20
"""How deep laws that amend laws are read, and how many laws one may amend."""
_AND_LAW = re.compile(r"(?:,|\svà)\s(luật|bộ luật)\s")
_ENDS_SUBJECT = folded_words(
    "giữa song giai ký được đã sẽ có là do tại từ ngày năm với này mà để khi theo và"
)
_PUNCTUATION = frozenset({",", ".", ";", ":", ")", '"', "\n", ""})
_WORD_END = re.compile(r"(?!\w)")

_SHORT_TYPES = frozenset({"nq", "nđ", "qđ", "ct", "tt", "cv"})


class _Finder:
    """Reads documents of one chart: offsets are code points into the folded text."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.folded = chart.folded
        self.token_at = chart.first
        self.token_after = chart.after
        self.found: list[tuple[int, int, str]] = []

    def end_of(self, token: int) -> int:
        return self.chart.ends[token - 1]

    def run(self) -> list[tuple[int, int, str]]:
        chart = self.chart
        starts: set[int] = set()
        for label in _HEADS:
            starts.update(chart.begun[label])
        for i in sorted(starts):
            self.read(i)
        for i in chart.numbers:
            match = _TIGHT_SYMBOL.match(self.folded, chart.starts[i])
            if match is None and chart.word(i - 1 - (chart.word(i - 1) == ":")) == "số":
                match = _SPACED_SYMBOL.match(self.folded, chart.starts[i])
            if match and self.symbol_has_capitals(match.start(), match.end()):
                self.found.append((match.start(), match.end(), "document.symbol"))
        self.parts()
        return self.found

    def symbol_has_capitals(self, start: int, end: int) -> bool:
        letters = [c for c in self.chart.text[start:end] if c.isalpha()]
        return len(letters) >= 2 and sum(c.isupper() for c in letters) * 2 > len(letters)

    def read(self, i: int) -> None:
        chart = self.chart
        start = chart.starts[i]
        best: tuple[int, str] = (0, "")
        for end, rule in (
            self.numbered(i),
            self.session(i),
            self.statute(i),
            self.treaty(i),
            self.named(i),
            self.work(i),
            self.charter(i),
        ):
            if end > best[0]:
                best = (end, rule)
        if best[0]:
            self.found.append((start, best[0], best[1]))

    # each reader returns the end (code points) and the rule, or (0, "")

    def numbered(self, i: int) -> tuple[int, str]:
        chart = self.chart
        token = chart.at("doc.type", i)
        if not token:
            return 0, ""
        head = " ".join(chart.words[i:token])
        at = self.end_of(token)
        # `Thông báo kết luận số ...`, `Tờ trình liên ngành số ...` are types of two words
        if more := chart.at("doc.type", token):
            token, at = more, self.end_of(more)
        if head == "nghị quyết" and (resolution := _RESOLUTION.match(self.folded, at)):
            return resolution.end(), "document.numbered"
        match = _NUMBERED.match(self.folded, at)
        spaced = _SPACED_SYMBOL.match(self.folded, match.start(1)) if match else None
        if match and spaced and self.symbol_has_capitals(spaced.start(), spaced.end()):
            end = self.trim_symbol(match.start(1), match.end(1))
            return max(spaced.end(), end), "document.numbered"
        if match:
            number = match.group(1)
            if head in ("luật", "bộ luật", "hiến pháp") and "/" not in number:
                return 0, ""
            if number.isdigit() and not self.plain_number_fits(i, at, match, head):
                return 0, ""
            if (
                not number.isdigit()
                and "/" not in number
                and "-" not in number
                and not chart.is_capital(i)
            ):
                return 0, ""
            end = match.end(1)
            end = self.trim_symbol(match.start(1), end)
            if (
                head == "nghị quyết"
                and number.isdigit()
                and (year := re.compile(r"\s\((?:19|20)\d\d\)").match(self.folded, end))
            ):
                return year.end(), "document.numbered"
            return end, "document.numbered"
        return 0, ""

    def plain_number_fits(self, i: int, at: int, match: "re.Match[str]", head: str) -> bool:
        """Whether a mere number behind a type word is its number: `Nghị quyết số 18`."""
        if head in _SHORT_TYPES or (head == "đơn" and "số" not in match.group()):
            return False
        after = self.folded[match.end() : match.end() + 14]
        if "số" in match.group():
            return True
        if len(match.group(1)) == 4 and 1900 < int(match.group(1)) < 2100:
            return False
        if self.chart.is_phrase("doc.rarely-numbered", i, i + 3) and (
            len(match.group(1)) == 1 or not self.chart.is_capital(i)
        ):
            return False
        if len(match.group(1)) > 2 and after.startswith(" ngày"):
            return True
        return not _COUNTED.match(after)

    def trim_symbol(self, start: int, end: int) -> int:
        """The end of a symbol without what is written small behind a spaced dash."""
        text = self.chart.text[start:end]
        cut = re.search(r"\s?[-/,&]\s[a-zđà-ỹ]|\s[-]\s?[a-zđà-ỹ]", text)
        if cut and cut.start() > 0:
            return start + cut.start()
        return start + len(text.rstrip(" .,-/&"))

    def session(self, i: int) -> tuple[int, str]:
        chart = self.chart
        token = chart.at("doc.session-type", i)
        if not token:
            return 0, ""
        head = " ".join(chart.words[i:token])
        at = self.end_of(token)
        if head.endswith(("đại hội", "hội nghị")):
            at = self.end_of(token - 2)
        plenum = _PLENUM.match(self.folded, at)
        if plenum:
            return self.balance(at, plenum.end()), "document.plenum"
        congress = _CONGRESS.match(self.folded, at)
        if congress and congress.end() > at:
            return self.congress(congress.end(), congress["ordinal"] is not None)
        conference = _CONFERENCE.match(self.folded, at)
        if conference:
            end = conference.end()
            end = self.with_body(end)
            if term := _TERM_AT.match(self.folded, end):
                end = self.balance(end, term.end())
            return end, "document.conference"
        return 0, ""

    def congress(self, end: int, identified: bool) -> tuple[int, str]:
        """`Nghị quyết Đại hội [Đảng] lần thứ XI`; without number or body it is no document."""
        with_body = self.with_body(end)
        if identified:
            return max(end, with_body if self.is_party(end) else 0), "document.congress"
        if with_body == end:
            return 0, ""
        nation = with_body + len(_NATION) * self.folded.startswith(_NATION, with_body)
        if ordinal := _ORDINAL_AT.match(self.folded, nation):
            return ordinal.end(), "document.congress"
        if term := _TERM_AT.match(self.folded, with_body):
            return self.balance(with_body, term.end()), "document.congress"
        return with_body, "document.congress"

    def is_party(self, end: int) -> bool:
        """Whether a party body follows directly: `Đại hội lần thứ XVII Đảng bộ thành phố`."""
        token = self.token_after.get(end)
        return token is not None and self.chart.at("head.party", token) > 0

    def with_body(self, end: int) -> int:
        """End of a body that follows directly, or `end`."""
        token = self.token_after.get(end)
        if token is None or token >= len(self.chart):
            return end
        body, _ = find_body(self.chart, token)
        return self.end_of(body) if body else end

    def balance(self, start: int, end: int) -> int:
        """`end` without a bracket that has no pair."""
        piece = self.folded[start:end]
        if piece.count("(") != piece.count(")"):
            opened = piece.find("(")
            if opened >= 0 and piece.count("(") > piece.count(")"):
                return start + len(piece[:opened].rstrip(" ,"))
            return end - 1
        return end

    def statute(self, i: int, depth: int = 0) -> tuple[int, str]:
        chart = self.chart
        word = chart.word(i)
        if word not in ("luật", "bộ", "pháp", "hiến", "dự", "đạo", "cương"):
            return 0, ""
        head = {"luật": i + 1}.get(word, i + 2)
        phrase = " ".join(chart.words[i:head])
        if phrase == "cương lĩnh":
            end = self.year(self.end_of(head))
            return (end, "document.programme") if end > self.end_of(head) else (0, "")
        if phrase not in ("luật", "bộ luật", "pháp lệnh", "hiến pháp", "dự luật", "đạo luật"):
            return 0, ""
        if phrase == "hiến pháp":
            if not chart.is_capital(i):
                return 0, ""
            return self.year(self.amended(self.end_of(head))), "document.constitution"
        if phrase == "luật" and chart.word(i - 1) in (
            "bộ",
            "dự",
            "đạo",
            "pháp",
            "kỉ",
            "quy",
            "định",
        ):
            return 0, ""
        offset = self.end_of(head)
        amending = _AMENDING.match(self.folded, offset + 1)
        if amending and depth < _MOST_AMENDING:
            token = self.token_at.get(amending.end())
            if token is not None and chart.word(token) == "các":
                return self.listed_laws(token), "document.statute"
            if token is not None and chart.word(token) in ("luật", "bộ", "pháp"):
                end, _rule = self.statute(token, depth + 1)
                for _ in range(_MOST_AMENDED):
                    joined = _AND_LAW.match(self.folded, end) if end else None
                    if not joined:
                        break
                    more, _rule = self.statute(self.token_at[joined.start(1)], depth + 1)
                    if not more:
                        break
                    end = more
                if end:
                    return end, "document.statute"
        name = chart.at("statute", head)
        end = 0
        if name and (chart.is_capital(i) or chart.is_capital(head) or phrase != "luật"):
            end = self.end_of(name)
            name = self.more_name(name)
            end = self.end_of(chart.at("country", name) or name)
        elif (
            chart.is_capital(i)
            and is_name_word(chart, head)
            and not chart.in_class("law.not-name", head)
        ):
            name = self.open_name(head)
            if phrase == "pháp lệnh":
                name = max(name, self.subject_end(head))
            end = self.end_of(name)
        elif chart.is_capital(i) and chart.word(head) == "về":
            about = self.about(head)
            end = self.end_of(about) if about else 0
        elif phrase == "pháp lệnh" and chart.is_capital(i) and not chart.in_class("stop", head):
            about = self.subject_end(head)
            end = self.end_of(about) if about > head + 1 else 0
        if not end:
            return 0, ""
        end = self.amended(end)
        number = re.compile(r"\s(?:số\s)?(\d+/\d{4}/qh\d+)").match(self.folded, end)
        if number:
            return number.end(), "document.statute"
        return self.year(end), "document.statute"

    def listed_laws(self, token: int) -> int:
        """End of `các Luật liên quan đến ...` behind `sửa đổi, bổ sung một số điều của`."""
        chart = self.chart
        j = token + 1
        while (
            j < token + 20
            and chart.word(j).isalpha()
            and chart.word(j) not in ("ngày", "năm", "số")
        ):
            j += 1
        return self.end_of(j)

    def more_name(self, token: int) -> int:
        """Extends the name of a statute over `và` with another known field."""
        chart = self.chart
        more = chart.at("statute", token + 1) if chart.word(token) == "và" else 0
        return more if more > token + 2 and not chart.is_capital(token + 1) else token

    def open_name(self, token: int) -> int:
        """Token number after a name that no lexicon holds, from its capital to a word that ends
        names."""
        chart = self.chart
        j = token
        last = token
        while j < token + 14 and j < len(chart):
            word = chart.word(j)
            if is_name_word(chart, j):
                if j > token and (
                    chart.at("title", j) or (chart.in_class("surname", j) and j > last)
                ):
                    break
                j += 1
                last = j
            elif word.isalpha() and not chart.in_class("stop", j):
                j += 1
                last = j
            elif (
                word in ("và", "của", "về", "với")
                and j + 1 < len(chart)
                and is_name_word(chart, j + 1)
                and not chart.at("title", j + 1)
                and not chart.at("doc.type", j + 1)
            ):
                if word == "của" and not find_body(chart, j + 1)[0]:
                    break
                if word == "của" or find_body(chart, j + 1)[0]:
                    break
                j += 1
            else:
                break
        if last - token > 6 and not any(is_name_word(chart, k) for k in range(token + 3, last)):
            return token + 2
        return max(last, token + 1)

    def amended(self, end: int) -> int:
        match = _AMENDED.match(self.folded, end)
        return match.end() if match else end

    def year(self, end: int) -> int:
        match = _YEAR_AT.match(self.folded, end)
        if not match or (match.group().startswith(",")):
            return end
        return match.end()

    def treaty(self, i: int) -> tuple[int, str]:
        chart = self.chart
        if end := chart.at("treaty.acronym", i):
            return self.end_of(end), "document.acronym"
        head = chart.at("treaty.head", i)
        if not head:
            return 0, ""
        if chart.word(head) == "khung":
            head += 1
        token = self.treaty_name(i, head)
        if not token:
            return 0, ""
        if chart.is_upper(token) and re.fullmatch("[ivx]{1,4}", chart.word(token)):
            token += 1
        end = self.year(self.amended(self.end_of(self.more_treaty(token))))
        behind = self.token_after.get(end)
        if behind is not None and chart.word(behind) == "về" and (more := self.about(behind)):
            end = self.year(self.end_of(self.more_treaty(more)))
        return end, "document.treaty"

    def treaty_name(self, i: int, head: int) -> int:
        """Token number after the name of a treaty whose type word ends at `head`; 0 for none."""
        chart = self.chart
        capital = chart.is_capital(i)
        known = chart.at("treaty", head)
        if known == head + 2 and chart.words[head:known] == ["hợp", "tác"]:
            known = 0
        if known and (capital or chart.is_capital(head)):
            return known
        if acronym := chart.at("treaty.acronym", head):
            return acronym
        if not capital or head >= len(chart):
            return 0
        if chart.word(head) == "về":
            return self.about(head)
        if chart.at("world-city", head) or (
            chart.word(head - 1) == "chung" and chart.at("country", head)
        ):
            return chart.place_end(head)
        if not chart.in_class("treaty.open", i):
            return 0
        if is_name_word(chart, head):
            name = find_body(chart, head)[0] or self.open_name(head)
            if chart.is_capital(head + 1) or chart.is_upper(head):
                return name
            return max(name, self.joined_subject(head))
        if chart.is_phrase("treaty.subject", head, head + 3):
            end = self.subject_end(head)
            return 0 if chart.words[head:end] == ["hợp", "tác"] else end
        return 0

    def about(self, token: int) -> int:
        """Token number after `về` at `token` and what it is about; 0 for none."""
        if is_name_word(self.chart, token + 1):
            return self.open_name(token + 1)
        end = self.subject_end(token + 1)
        return end if end > token + 2 else 0

    def subject_end(self, token: int) -> int:
        """Token number after small words up to punctuation or a word that ends them, at most
        eight (`quyền của người khuyết tật`); 0 where more stand there."""
        chart = self.chart
        j = token
        while j < token + 9 and chart.word(j).isalpha():
            if chart.word(j) in _ENDS_SUBJECT and chart.word(j - 1) != "tự":
                break
            j += 1
        return 0 if j == token + 9 or j >= len(chart) else j

    def joined_subject(self, token: int) -> int:
        """Token number after small words, `và` among them, up to punctuation: `Hiệp định (Khuyến
        khích và bảo hộ đầu tư)`; 0 where another word ends them or more than nine stand there."""
        chart = self.chart
        j = token + 1
        while j < token + 10 and chart.word(j).isalpha() and not chart.is_capital(j):
            if chart.word(j) in _ENDS_SUBJECT and not (chart.word(j) == "và" and j > token + 1):
                return 0
            j += 1
        return j if j < token + 10 and chart.word(j) in _PUNCTUATION else 0

    def more_treaty(self, token: int) -> int:
        chart = self.chart
        while token < len(chart):
            if chart.word(token) in ("-", "và", "ở", "tại") and (
                country := chart.place_end(token + 1)
            ):
                token = country
            elif chart.word(token) == "giữa" and (first := chart.at("country", token + 1)):
                token = first
                if chart.word(token) == "và" and (second := chart.at("country", token + 1)):
                    token = second
            elif country := (chart.at("country", token) or chart.at("body.acronym", token)):
                token = country
            elif chart.word(token) == "song" and chart.word(token + 1) == "phương":
                token += 2
            elif chart.word(token) == "về" and is_name_word(chart, token + 1):
                token = self.open_name(token + 1)
            else:
                break
        return token

    def is_defined(self, acronym: str) -> bool:
        return f"({acronym})" in self.folded

    def named(self, i: int) -> tuple[int, str]:
        chart = self.chart
        end = chart.at("doc.named", i)
        if not end or not chart.is_capital(i):
            return 0, ""
        return self.year(self.amended(self.end_of(end))), "document.named"

    def charter(self, i: int) -> tuple[int, str]:
        """`Điều lệ [Công đoàn Việt Nam]`, `Quy chế [Hội ...]`: rules named by their body."""
        chart = self.chart
        if chart.word(i) != "điều" or chart.word(i + 1) != "lệ":
            return 0, ""
        body, _ = find_body(chart, i + 2)
        if not body:
            return 0, ""
        end = self.end_of(body)
        if term := _TERM_AT.match(self.folded, end):
            end = self.balance(end, term.end())
        return end, "document.charter"

    def work(self, i: int) -> tuple[int, str]:
        chart = self.chart
        token = chart.at("work", i) or (chart.at("doc.type", i) if chart.word(i) in _TITLED else 0)
        if not token:
            return 0, ""
        match = _QUOTE.match(chart.text, self.end_of(token))
        if not match:
            return 0, ""
        close = chart.text.find(_CLOSE[match.group(1)], match.end(), match.end() + _LONGEST_TITLE)
        if close < 0 or "\n" in chart.text[match.end() : close]:
            return 0, ""
        return close + 1, "document.work"

    def parts(self) -> None:
        """Articles and clauses before a document that was found take it in."""
        by_start: dict[int, int] = {}
        for start, end, _ in self.found:
            by_start[start] = max(by_start.get(start, 0), end)
        last = -1
        for i in self.chart.where(_PART_WORDS):
            start = self.chart.starts[i]
            if start < last:
                continue
            match = _PART.match(self.folded, start)
            if not match:
                continue
            whole = by_start.get(match.end())
            if whole:
                self.found.append((start, whole, "document.part"))
                last = match.end()


def find_documents(chart: Chart) -> list[Candidate]:
    """All documents of a text."""
    finder = _Finder(chart)
    found = []
    for start, end, rule in finder.run():
        i, j = finder.token_at.get(start), finder.token_after.get(end)
        if i is not None and j is not None:
            found.append(Candidate(i, j, "DOCUMENT_REF", f"rule:{rule}"))
    return found
