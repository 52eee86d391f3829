"""The quiz for annotators: print it, read the answers, score them, name the rules to read again.

The items stand in `guidelines/quiz.toml`. Answers come as a text sheet (`NUMBER. mark-up`, as
`format_sheet` prints it) or as Document JSON Lines (as pulled from Label Studio).
"""

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotate.document import Document, Span, read_documents, sort_spans
from annotate.errors import DataError
from annotate.files import display_name, open_input
from annotate.guide import GUIDELINES, Guidelines, read_version
from annotate.markup import format_markup, parse_markup
from annotate.scheme import LABEL_NAMES, Language

_ANSWER = re.compile(r"\s*(\d+)[.)][ \t]*(.*?)\s*")
_ID = "quiz-{:02}"


@dataclass(frozen=True, slots=True)
class Item:
    """One sentence with its right spans, the rules that it tests, and the reason by language."""

    number: int
    text: str
    spans: tuple[Span, ...]
    rules: tuple[str, ...]
    why: Mapping[Language, str]

    @property
    def id(self) -> str:
        """The id of its Document: `quiz-07`."""
        return _ID.format(self.number)


@dataclass(frozen=True, slots=True)
class Quiz:
    """The items by number from 1, the version of the guidelines, and how many must be right."""

    version: str
    wanted: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """What was read: spans by item number, and one line for each item that cannot be scored."""

    spans: Mapping[int, tuple[Span, ...]]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One item beside its answer: spans that are missing from it and spans too many in it."""

    item: Item
    given: tuple[Span, ...]
    missing: tuple[Span, ...]
    extra: tuple[Span, ...]

    @property
    def is_right(self) -> bool:
        """Whether the answer holds exactly the spans of the item."""
        return not self.missing and not self.extra


@dataclass(frozen=True, slots=True)
class QuizResult:
    """The score of one annotator. Spans count as right where place and label are the same."""

    version: str
    wanted: int
    items: tuple[ItemResult, ...]

    @property
    def right(self) -> int:
        """Items that are exactly right."""
        return sum(result.is_right for result in self.items)

    @property
    def passed(self) -> bool:
        """Whether enough items are right to begin."""
        return self.right >= self.wanted

    @property
    def expected_spans(self) -> int:
        """Spans of the right answers."""
        return sum(len(result.item.spans) for result in self.items)

    @property
    def given_spans(self) -> int:
        """Spans of the annotator."""
        return sum(len(result.given) for result in self.items)

    @property
    def right_spans(self) -> int:
        """Spans of the annotator that stand in the right answers too."""
        return sum(len(result.given) - len(result.extra) for result in self.items)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall of spans; 1.0 where there is nothing to find."""
        total = self.expected_spans + self.given_spans
        return 2 * self.right_spans / total if total else 1.0

    @property
    def rules_to_read(self) -> tuple[tuple[str, int], ...]:
        """The rules of items that are not right with the number of such items, most first."""
        counts = Counter(
            rule for result in self.items if not result.is_right for rule in result.item.rules
        )
        return tuple(counts.most_common())


# --- the quiz ----------------------------------------------------------------------------


def read_quiz(folder: Path = GUIDELINES) -> Quiz:
    """The quiz of a guidelines folder.

    Raises DataError naming file and item for a missing field, broken mark-up, and numbers that
    do not run from 1.
    """
    path = folder / "quiz.toml"
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; give the folder guidelines/ of a checkout of the project"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: cannot be read as TOML ({error})") from None
    entries, wanted = record.get("item"), record.get("pass")
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{path}: holds no [[item]]")
    if type(wanted) is not int or not 0 < wanted <= len(entries):
        raise DataError(f"{path}: 'pass' must be a number of items, 1 to {len(entries)}")
    items = tuple(
        _item(entry, number, f"{path} (item {number})")
        for number, entry in enumerate(entries, start=1)
    )
    return Quiz(read_version(folder), wanted, items)


def _item(entry: Any, number: int, where: str) -> Item:
    if not isinstance(entry, dict) or entry.get("number") != number:
        raise DataError(f"{where}: the number must be {number}; items are numbered from 1")
    answer, rules, why = entry.get("answer"), entry.get("rules"), entry.get("why")
    if not isinstance(answer, str):
        raise DataError(f"{where}: 'answer' must be a string")
    if not isinstance(rules, list) or not rules:
        raise DataError(f"{where}: 'rules' must be a list of rule ids")
    if not isinstance(why, dict) or why.keys() != {"vi", "en"}:
        raise DataError(f"{where}: 'why' must give the reason as why.vi and why.en")
    text, spans = parse_markup(answer, where)
    return Item(number, text, spans, tuple(rules), why)


def quiz_documents(quiz: Quiz) -> list[Document]:
    """The sentences as Documents without labels, to be labelled in Label Studio."""
    return [
        Document(item.id, item.text, meta={"title": f"Quiz {item.number}", "genre": "quiz"})
        for item in quiz.items
    ]


_SHEET_HEAD: dict[Language, str] = {
    "vi": """\
# Bài kiểm tra gắn nhãn, phiên bản {version}: {count} câu, cần đúng {wanted}.
# Viết nhãn ngay trong câu, không đổi chữ nào khác, không xóa số thứ tự. Ví dụ:
#   Đồng chí [Lò Văn Thịnh]{{PERSON}}, [Bí thư [Huyện ủy Vân Lĩnh]{{ORG}}]{{POSITION}}
# Nhãn: {labels}. Câu không có nhãn nào thì để nguyên.
""",
    "en": """\
# Quiz of the guidelines, version {version}: {count} items, {wanted} must be right.
# Write the labels into the sentence, change no other letter, keep the number. For example:
#   Đồng chí [Lò Văn Thịnh]{{PERSON}}, [Bí thư [Huyện ủy Vân Lĩnh]{{ORG}}]{{POSITION}}
# Labels: {labels}. Leave a sentence without any label as it is.
""",
}


def format_sheet(quiz: Quiz, language: Language = "vi") -> str:
    """The quiz as a text sheet with one line an item, to be filled in with mark-up."""
    head = _SHEET_HEAD[language].format(
        version=quiz.version,
        count=len(quiz.items),
        wanted=quiz.wanted,
        labels=", ".join(LABEL_NAMES),
    )
    lines = [f"{item.number}. {format_markup(item.text, ())}" for item in quiz.items]
    return "\n".join([head, *lines]) + "\n"


# --- answers -------------------------------------------------------------------------------


def read_answers(path: str | Path, quiz: Quiz) -> Answers:
    """The answers of a sheet or of a Document file (`-` is standard input).

    A file whose first letter is `{` is Document JSON Lines; standard input is a sheet. Every
    item that is missing, given twice, broken or changed in its text yields one problem, with
    file, line and number.
    Raises DataError for a file that cannot be read at all.
    """
    name = display_name(path)
    if _is_json_lines(path):
        return _collect(_document_answers(path, quiz), quiz, name)
    with open_input(path) as stream:
        try:
            source = stream.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}: not UTF-8 at byte {error.start}; save the sheet as UTF-8"
            ) from None
    return _collect(_sheet_answers(source, name), quiz, name)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer as found; `problem` says why it cannot be used."""

    number: int | None
    where: str
    text: str = ""
    spans: tuple[Span, ...] = ()
    problem: str | None = None


def _is_json_lines(path: str | Path) -> bool:
    if display_name(path) != str(path):
        return False  # standard input is read once: a sheet
    with open_input(path) as stream:
        return stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def _sheet_answers(source: str, name: str) -> Iterator[_Answer]:
    for line_number, line in enumerate(source.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{name}:{line_number}"
        found = _ANSWER.fullmatch(unicodedata.normalize("NFC", line))
        if not found:
            yield _Answer(None, where, problem="begins with no item number, wanted `7. sentence`")
            continue
        number = int(found.group(1))
        where = f"{where} (item {number})"
        try:
            text, spans = parse_markup(found.group(2), "mark-up")
        except DataError as error:
            # parse_markup counts from the start of the sentence, which stands in one line.
            reason = str(error).replace("mark-up:1:", "broken mark-up at character ", 1)
            yield _Answer(number, where, problem=reason)
        else:
            yield _Answer(number, where, text, spans)


def _document_answers(path: str | Path, quiz: Quiz) -> Iterator[_Answer]:
    numbers = {item.id: item.number for item in quiz.items}
    for document in read_documents(path, labelled=True):
        number = numbers.get(document.id)
        if number is None:
            where = f"{path} (document {document.id})"
            yield _Answer(None, where, problem=f"is no item of the quiz, wanted {quiz.items[0].id}")
        else:
            where = f"{path} (item {number})"
            yield _Answer(number, where, document.text, document.spans)


def _collect(answers: Iterator[_Answer], quiz: Quiz, name: str) -> Answers:
    items = {item.number: item for item in quiz.items}
    spans: dict[int, tuple[Span, ...]] = {}
    problems: list[str] = []
    seen: set[int] = set()
    for answer in answers:
        problem = answer.problem or _find_problem(answer, items, seen)
        seen.add(answer.number or 0)
        if problem:
            problems.append(f"{answer.where}: {problem}")
        elif answer.number is not None:
            spans[answer.number] = answer.spans
    problems += [
        f"{name} (item {number}): no answer; add it, unchanged where nothing is to be labelled"
        for number in items
        if number not in seen
    ]
    return Answers(spans, tuple(problems))


def _find_problem(answer: _Answer, items: Mapping[int, Item], seen: set[int]) -> str | None:
    item = items.get(answer.number or 0)
    if item is None:
        return f"the quiz has no such item; its items are 1 to {len(items)}"
    if item.number in seen:
        return "answered twice; keep one of the answers"
    if answer.text != item.text:
        return _describe_change(answer.text, item.text)
    return None


def _describe_change(found: str, wanted: str) -> str:
    """Where two texts part, for the message."""
    at = next(
        (n for n, (one, other) in enumerate(zip(found, wanted, strict=False)) if one != other),
        min(len(found), len(wanted)),
    )
    return (
        f"the text was changed at character {at + 1}: found {_glimpse(found, at)}, "
        f"wanted {_glimpse(wanted, at)}; put the sentence back and add only mark-up"
    )


def _glimpse(text: str, at: int) -> str:
    return repr(text[at : at + 20]) if at < len(text) else "the end"


# --- the score ------------------------------------------------------------------------------


def score_quiz(answers: Mapping[int, Sequence[Span]], quiz: Quiz) -> QuizResult:
    """The score of answers by item number; spans must be the same in place and label.

    Raises DataError where an item has no answer.
    """
    missing = [str(item.number) for item in quiz.items if item.number not in answers]
    if missing:
        raise DataError(f"no answer to item {', '.join(missing)}; every item needs one")
    return QuizResult(
        quiz.version,
        quiz.wanted,
        tuple(_compare(item, answers[item.number]) for item in quiz.items),
    )


def _compare(item: Item, given: Sequence[Span]) -> ItemResult:
    right = {span.key for span in item.spans}
    own = {span.key for span in given}
    return ItemResult(
        item,
        sort_spans(given),
        tuple(span for span in item.spans if span.key not in own),
        tuple(span for span in sort_spans(given) if span.key not in right),
    )


_RESULT_WORDS: dict[Language, dict[str, str]] = {
    "vi": {
        "score": "Phiên bản {version}: đúng {right}/{count} câu (cần {wanted}); "
        "nhãn đúng {right_spans}/{expected}, thừa {extra}; F1 {f1:.3f}",
        "passed": "ĐẠT: có thể bắt đầu gắn nhãn.",
        "failed": "CHƯA ĐẠT: đọc lại các quy tắc dưới đây rồi làm lại.",
        "item": "Câu {number}",
        "yours": "bạn",
        "right": "đúng",
        "why": "vì",
        "again": "Đọc lại (vipol guide):",
    },
    "en": {
        "score": "Version {version}: {right} of {count} items right ({wanted} wanted); "
        "{right_spans} of {expected} spans right, {extra} too many; F1 {f1:.3f}",
        "passed": "PASSED: you may begin to label.",
        "failed": "NOT YET: read the rules below again, then try once more.",
        "item": "Item {number}",
        "yours": "yours",
        "right": "right",
        "why": "why",
        "again": "Read again (vipol guide):",
    },
}


def format_quiz_result(
    result: QuizResult, guidelines: Guidelines, language: Language = "vi"
) -> str:
    """The score, every item that is not right beside its answer, and the rules to read again.

    A rule is given by id, title, number of items, and its anchor in the page of `vipol guide`.
    """
    words = _RESULT_WORDS[language]
    lines = [
        words["score"].format(
            version=result.version,
            right=result.right,
            count=len(result.items),
            wanted=result.wanted,
            right_spans=result.right_spans,
            expected=result.expected_spans,
            extra=result.given_spans - result.right_spans,
            f1=result.f1,
        ),
        words["passed" if result.passed else "failed"],
    ]
    width = max(len(words[key]) for key in ("yours", "right", "why"))
    for one in result.items:
        if one.is_right:
            continue
        item = one.item
        lines += [
            "",
            f"{words['item'].format(number=item.number)} · {', '.join(item.rules)}",
            f"  {words['yours']:{width}}  {format_markup(item.text, one.given)}",
            f"  {words['right']:{width}}  {format_markup(item.text, item.spans)}",
            f"  {words['why']:{width}}  {item.why[language]}",
        ]
    if result.rules_to_read:
        lines += ["", words["again"]]
    rules = guidelines.rules(language)
    anchor = "#" if language == "vi" else "#en-"
    for rule, count in result.rules_to_read:
        title = rules[rule].title.replace("`", "") if rule in rules else ""
        lines.append(f"  {rule:8} ×{count}  {title}  ({anchor}{rule})")
    return "\n".join(lines)


def quiz_result_to_dict(result: QuizResult) -> dict[str, Any]:
    """The score as plain values, for JSON."""
    return {
        "guideline_version": result.version,
        "items": len(result.items),
        "items_right": result.right,
        "items_wanted": result.wanted,
        "passed": result.passed,
        "spans_expected": result.expected_spans,
        "spans_given": result.given_spans,
        "spans_right": result.right_spans,
        "f1": result.f1,
        "wrong": [one.item.number for one in result.items if not one.is_right],
        "rules_to_read": dict(result.rules_to_read),
    }
