"""Lines that name who wrote an article: `Thu Hà`, `Tin, ảnh: Minh Lộc`, `H.Y (tổng hợp)`."""

import re

from annotate.clean.furniture import furniture_kind, is_section
from annotate.text import fold

_LOWER = "a-zàáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ"
# A syllable with a capital, as names have it; `H'Yuôn` is one.
SYLLABLE = rf"[^\W\d_{_LOWER}][^\W\d_]*(?:['’][^\W\d_]+)*"
_FULL_NAME = rf"{SYLLABLE}(?:\s+{SYLLABLE}){{1,4}}"
_INITIALS = r"(?:[^\W\d_]\.\s?){1,3}[^\W\d_]{1,10}\.?"
_JOIN = r"\s*(?:[-–—,&;+]|\svà\s)\s*"
_AGENCY = r"[^\W\d_][\w.+-]*(?:[\s/]+[^\W\d_(][\w.+-]*){0,3}"
_NOTE = (
    r"tổng hợp|thực hiện|lược ghi|ghi|lược thuật|tường thuật|biên soạn|biên tập|lược dịch|dịch|"
    r"sưu tầm"
)


def _names(one: str) -> str:
    return rf"{one}(?:{_JOIN}{one}){{0,4}}"


_LEAD = re.compile(
    r"(?:(?:tin|bài|bài viết|ảnh|clip|video)(?:\s*(?:và|,|-|–|&|/|\+)\s*"
    r"(?:tin|bài|ảnh|clip|video|hình ảnh|đồ họa))*|tác giả|bởi|by|"
    r"(?:người |nhóm )?thực hiện|(?:nhóm )?(?:phóng viên|pv)|biên tập|(?:lược )?ghi)\s*:\s*",
    re.IGNORECASE,
)
_PICTURES_ONLY = re.compile(
    r"(?:ảnh|video|clip|hình ảnh|đồ họa)(?:\s*(?:và|,|-|–|&|/|\+)\s*"
    r"(?:ảnh|video|clip|hình ảnh|đồ họa))*\s*:",
    re.IGNORECASE,
)
_THEO = re.compile(r"theo:?\s+", re.IGNORECASE)
_SPECIFIED = re.compile(
    rf"(?P<names>{_names(f'(?:{_FULL_NAME}|{_INITIALS}|{SYLLABLE})')})"
    rf"(?P<agency>\s*/\s*{_AGENCY})?(?P<bracket>\s*\((?P<inside>[^()]{{2,40}})\))?"
    rf"(?P<note>\s*[-–]?\s*\(?(?:{_NOTE})\)?)?\.?$"
)
_BARE = re.compile(rf"{_names(f'(?:{_FULL_NAME}|{_INITIALS})')}$")
# Reporters without a name, alone or with an agency.
_REPORTERS = re.compile(
    rf"(?P<names>(?:[Nn]hóm )?(?:PV|P\.V|[Pp]hóng viên)\.?(?:\s{_FULL_NAME})?)"
    rf"(?P<agency>\s*/\s*{_AGENCY})?(?:\s*\((?:{_NOTE})\))?$"
)
# What a bracket after a name must hold to be an agency or a paper.
_AGENCY_WORDS = re.compile(
    r"\b(?:báo|đài|tạp chí|thông tấn|truyền hình|ttxvn|vov|vtv|vgp|đcsvn|tto|vietnam|vnexpress|"
    r"nhân dân|dân trí|tuổi trẻ|thanh niên|lao động|tiền phong)\b|\.(?:vn|com|net)\b",
    re.IGNORECASE,
)
_BODY_WORDS = re.compile(
    r"(?:từ|ban|sở|hội|phòng|văn phòng|trung tâm|công an|đoàn|bộ|ubnd|cổng)\b", re.IGNORECASE
)
_ACRONYM = re.compile(rf"[^\W\d_{_LOWER}]{{3,}}\d?")
_VOWEL = re.compile("[aàáảãạăằắẳẵặâầấẩẫậeèéẻẽẹêềếểễệiìíỉĩịoòóỏõọôồốổỗộơờớởỡợuùúủũụưừứửữựyỳýỷỹỵ]")
_MAX_LENGTH = 90
_MAX_WORDS = 12

# Words that no name of a person begins with or holds, where every word has a capital.
_NOT_FIRST = frozenset(
    fold(
        "ban bộ báo tòa cổng trang tin ảnh nguồn sở cục vụ ủy hội đảng tỉnh huyện quận chủ phó bí "
        "thứ tổng giám thủ thiếu khối viện nhà tạp điều chương mục phần nơi số theo video cơ "
        "phòng đội tiểu ngày tháng năm quý khoản chi công_an xem đọc gửi bấm"
    ).split()
)
_NEVER = frozenset(
    fold(
        "ủy tỉnh huyện xã phường quận ubnd hđnd mttq tw bch btv pv p.v bbt tm. kt. tl. tuq. km. "
        "online news portal website facebook zalo google youtube radio media group app"
    ).split()
)
# First two words of a body, a place, a paper: no name though some begin like one.
_NOT_BEGINNING = re.compile(
    fold(
        r"(?:công (?:an|đoàn|báo|ty|nghệ|thương|nghiệp|dân)|chính (?:phủ|trị|sách|quyền)|"
        r"quốc (?:hội|phòng|gia|tế)|trung (?:ương|tâm|tá|tướng|đoàn)|trưởng (?:ban|phòng|đoàn)|"
        r"đại (?:hội|biểu|học|tá|tướng|sứ|đoàn)|thành (?:phố|ủy|đoàn|viên)|"
        r"đoàn (?:thanh|đại|công|khối|kiểm|viên|chủ|giám|thể|đbqh)|thượng (?:tá|tướng)|"
        r"văn (?:phòng|hóa|bản|kiện|nghệ|thư)|thông (?:tin|tấn|báo|tư)|"
        r"trường (?:đại|trung|tiểu|chính|cao|mầm|thpt|thcs)|doanh (?:nghiệp|nhân)|"
        r"kinh (?:tế|doanh)|pháp (?:luật|lý|đình)|sự kiện|việt nam|nhân dân|dân trí|dân việt|"
        r"tuổi trẻ|thanh niên|lao động|tiền phong|quân đội|hà nội|sài gòn|người lao|phụ nữ|"
        r"đà nẵng|hải phòng|cần thơ|hồ chí|thừa thiên|bà rịa|quảng (?:bình|nam|ngãi|ninh|trị)|"
        r"bắc (?:giang|kạn|ninh)|hà (?:giang|nam|tĩnh)|hải dương|hòa bình|hưng yên|khánh hòa|"
        r"kiên giang|kon tum|lai châu|lâm đồng|lạng sơn|lào cai|long an|nam định|nghệ an|"
        r"ninh (?:bình|thuận)|phú (?:thọ|yên)|sóc trăng|sơn la|tây ninh|thái (?:bình|nguyên)|"
        r"thanh hóa|tiền giang|trà vinh|tuyên quang|vĩnh (?:long|phúc)|yên bái|an giang|"
        r"bạc liêu|bến tre|bình (?:định|dương|phước|thuận)|cà mau|cao bằng|đắk (?:lắk|nông)|"
        r"điện biên|đồng (?:nai|tháp)|gia lai|hậu giang)\b"
    )
)


def read_byline(line: str) -> str | None:
    """Who a line names as its authors, or None where the line is no by-line.

    The names, with the agency behind a slash or, if it is one, in brackets; without lead
    words (`Tin, ảnh:`, `Theo`) and notes (`tổng hợp`). A photographer alone is no author.
    """
    bare = line.strip().strip("*_").strip()
    if not bare or len(bare) > _MAX_LENGTH or _PICTURES_ONLY.match(bare):
        return None
    if bare.startswith("(") and bare.endswith(")") and "/" in bare:
        bare = bare[1:-1].strip()
    reporters = _REPORTERS.match(bare)
    if reporters:
        return reporters["names"].strip() + (reporters["agency"] or "")
    lead = _LEAD.match(bare)
    if lead:
        return _read_specified(bare[lead.end() :], needs_mark=False)
    theo = _THEO.match(bare)
    if theo:
        bare = bare[theo.end() :]
    return _read_specified(bare, needs_mark=True) or read_names(bare)


def read_names(line: str) -> str | None:
    """The names of a line that is nothing but one name of two words or more, or several."""
    bare = line.strip()
    if len(bare) <= _MAX_LENGTH and _BARE.match(bare) and _may_be_names(bare):
        return bare
    return None


def has_mark(line: str) -> bool:
    """Whether a by-line is more than a bare name: lead words, an agency or a note."""
    return read_names(line) is None and read_byline(line) is not None


def _read_specified(text: str, *, needs_mark: bool) -> str | None:
    """Names with an agency or a note; `needs_mark`: without either they are none."""
    match = _SPECIFIED.match(text.strip())
    if not match or not _may_be_names(match["names"]):
        return None
    if needs_mark and not (match["agency"] or match["bracket"] or match["note"]):
        return None
    names: str = match["names"].strip() + (match["agency"] or "")
    inside = match["inside"]
    if inside and (_AGENCY_WORDS.search(inside) or _ACRONYM.fullmatch(inside)):
        return names + match["bracket"]
    if (
        inside
        and needs_mark
        and not (_BODY_WORDS.match(inside) or re.fullmatch(_NOTE, inside.strip(), re.IGNORECASE))
    ):
        return None  # `Đồng Mai (Sơn Hà)`: a place
    return names


def _may_be_names(names: str) -> bool:
    words = fold(names).split()
    if len(words) > _MAX_WORDS or words[0] in _NOT_FIRST or _NEVER.intersection(words):
        return False
    if _NOT_BEGINNING.match(fold(names)) or furniture_kind(names) or is_section(names):
        return False
    return not any(
        _ACRONYM.fullmatch(word) and not _VOWEL.search(fold(word)) for word in names.split()
    )
