import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from annotate.document import Span, write_documents
from annotate.errors import DataError
from annotate.guide import LANGUAGES, read_guidelines
from annotate.markup import format_markup, parse_markup
from annotate.quiz import (
    Quiz,
    format_quiz_result,
    format_sheet,
    quiz_documents,
    quiz_result_to_dict,
    read_answers,
    read_quiz,
    score_quiz,
)
from annotate.scheme import LABEL_NAMES, SCHEME_VERSION

QUIZ = read_quiz()
RIGHT = {item.number: item.spans for item in QUIZ.items}
RULES = read_guidelines().rules("vi")


def spans_of(markup: str) -> tuple[Span, ...]:
    return parse_markup(markup)[1]


def full_sheet(quiz: Quiz = QUIZ) -> list[str]:
    return [f"{item.number}. {format_markup(item.text, item.spans)}" for item in quiz.items]


def write_sheet(folder: Path, lines: list[str]) -> Path:
    path = folder / "sheet.txt"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


# --- the quiz itself ---------------------------------------------------------------------


def test_the_quiz_tests_what_the_guidelines_teach() -> None:
    assert [item.number for item in QUIZ.items] == list(range(1, 41))
    assert QUIZ.version == SCHEME_VERSION
    assert QUIZ.wanted == 34
    assert {rule for item in QUIZ.items for rule in item.rules} <= RULES.keys()
    assert {span.label for item in QUIZ.items for span in item.spans} == set(LABEL_NAMES)


def test_no_item_is_right_when_left_empty_and_no_text_comes_twice() -> None:
    assert all(item.spans for item in QUIZ.items)
    assert len({item.text for item in QUIZ.items}) == len(QUIZ.items)


def test_no_item_gives_an_example_of_the_guidelines_away() -> None:
    shown = {
        parse_markup(example.markup)[0]
        for section in RULES.values()
        for example in section.examples
    }
    assert not shown & {item.text for item in QUIZ.items}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("pass = ", "cannot be read as TOML"),
        ("pass = 1", "holds no [[item]]"),
        ("pass = 2\n[[item]]\nnumber = 1", "'pass' must be a number of items, 1 to 1"),
        ("pass = 1\n[[item]]\nnumber = 2", "(item 1): the number must be 1"),
        ("pass = 1\n[[item]]\nnumber = 1", "(item 1): 'answer' must be a string"),
        ("pass = 1\n[[item]]\nnumber = 1\nanswer = 'a'", "(item 1): 'rules' must be a list"),
        (
            "pass = 1\n[[item]]\nnumber = 1\nanswer = 'a'\nrules = ['X-1']",
            "(item 1): 'why' must give the reason",
        ),
        (
            "pass = 1\n[[item]]\nnumber = 1\nanswer = '[a'\nrules = ['X-1']\n"
            "why.vi = 'v'\nwhy.en = 'e'",
            "(item 1):1:1: [ is never closed",
        ),
    ],
)
def test_a_broken_quiz_file(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "quiz.toml").write_text(content, "utf-8")
    with pytest.raises(DataError) as caught:
        read_quiz(tmp_path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/quiz.toml")


def test_no_quiz_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"quiz\.toml: no such file"):
        read_quiz(tmp_path)


# --- sheets and answers ------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_printed_sheet_is_read_back_as_a_sheet_without_labels(
    tmp_path: Path, language: str
) -> None:
    sheet = format_sheet(QUIZ, "vi" if language == "vi" else "en")
    assert SCHEME_VERSION in sheet.splitlines()[0]
    answers = read_answers(write_sheet(tmp_path, [sheet]), QUIZ)
    assert answers.problems == ()
    assert dict(answers.spans) == dict.fromkeys(range(1, 41), ())


def test_a_filled_sheet(tmp_path: Path) -> None:
    answers = read_answers(write_sheet(tmp_path, ["# tên tôi", "", *full_sheet()]), QUIZ)
    assert answers.problems == ()
    assert dict(answers.spans) == RIGHT


def test_a_sheet_as_editors_save_it(tmp_path: Path) -> None:
    path = tmp_path / "sheet.txt"
    sheet = unicodedata.normalize("NFD", "\r\n".join(f"  {line}  " for line in full_sheet()))
    path.write_bytes(b"\xef\xbb\xbf" + sheet.encode())
    answers = read_answers(path, QUIZ)
    assert answers.problems == ()
    assert dict(answers.spans) == RIGHT


def test_answers_as_documents(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    labelled = [
        document.with_spans(item.spans)
        for document, item in zip(quiz_documents(QUIZ), QUIZ.items, strict=True)
    ]
    write_documents(path, labelled)
    answers = read_answers(path, QUIZ)
    assert answers.problems == ()
    assert dict(answers.spans) == RIGHT


def test_every_bad_line_of_a_sheet_is_named(tmp_path: Path) -> None:
    lines = full_sheet()
    lines[2] = "3. Nhà trường [giảng dạy chủ nghĩa Mác"
    lines[4] = lines[4].replace("rời", "đến")
    lines[5] = "6. [Phó Chủ tịch"
    lines[6] = lines[6].replace("{ORG}", "{LOC}")
    lines[8] = lines[8].removesuffix(".")
    lines[9] = "không có số"
    lines += [lines[0], "41. Câu lạ."]
    path = write_sheet(tmp_path, lines)
    answers = read_answers(path, QUIZ)
    assert list(answers.problems) == [
        f"{path}:3 (item 3): broken mark-up at character 12: [ is never closed by ]{{LABEL}}; "
        "write \\[ for the character",
        f"{path}:5 (item 5): the text was changed at character 34: found 'đến thành phố Hồ Chí', "
        "wanted 'rời thành phố Hồ Chí'; put the sentence back and add only mark-up",
        f"{path}:6 (item 6): broken mark-up at character 1: [ is never closed by ]{{LABEL}}; "
        "write \\[ for the character",
        f"{path}:7 (item 7): broken mark-up at character 74: unknown label 'LOC'; "
        "labels: PERSON, POSITION, ORG, DOCUMENT_REF, DATE",
        f"{path}:9 (item 9): the text was changed at character 30: found the end, wanted '.'; "
        "put the sentence back and add only mark-up",
        f"{path}:10: begins with no item number, wanted `7. sentence`",
        f"{path}:41 (item 1): answered twice; keep one of the answers",
        f"{path}:42 (item 41): the quiz has no such item; its items are 1 to 40",
        f"{path} (item 10): no answer; add it, unchanged where nothing is to be labelled",
    ]
    assert answers.spans.keys() == RIGHT.keys() - {3, 5, 6, 7, 9, 10}


def test_an_illegal_nesting_is_broken_mark_up(tmp_path: Path) -> None:
    lines = full_sheet()
    lines[21] = lines[21].replace("[Bộ Giao", "[[Bộ]{ORG} Giao")
    (problem,) = read_answers(write_sheet(tmp_path, lines), QUIZ).problems
    assert "(item 22): broken mark-up at character 28: ORG lies inside ORG" in problem


def test_bad_documents_are_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    first, second, *others = quiz_documents(QUIZ)
    write_documents(path, [replace(first, text=first.text + "!"), replace(second, id="x"), *others])
    answers = read_answers(path, QUIZ)
    assert list(answers.problems) == [
        f"{path} (item 1): the text was changed at character {len(first.text) + 1}: found '!', "
        "wanted the end; put the sentence back and add only mark-up",
        f"{path} (document x): is no item of the quiz, wanted quiz-01",
        f"{path} (item 2): no answer; add it, unchanged where nothing is to be labelled",
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_answers(tmp_path / "none.txt", QUIZ)
    path = tmp_path / "latin.txt"
    path.write_bytes("1. café".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8 at byte 6; save the sheet as UTF-8"):
        read_answers(path, QUIZ)
    path = tmp_path / "broken.jsonl"
    path.write_text('{"id": ', "utf-8")
    with pytest.raises(DataError, match="not JSON"):
        read_answers(path, QUIZ)


def test_an_empty_sheet_misses_every_item(tmp_path: Path) -> None:
    answers = read_answers(write_sheet(tmp_path, []), QUIZ)
    assert len(answers.problems) == 40
    assert not answers.spans


# --- the score ----------------------------------------------------------------------------


def test_right_answers_score_full() -> None:
    result = score_quiz(RIGHT, QUIZ)
    assert (result.right, result.passed, result.f1) == (40, True, 1.0)
    assert result.rules_to_read == ()
    total = sum(len(spans) for spans in RIGHT.values())
    assert (result.expected_spans, result.given_spans, result.right_spans) == (total,) * 3


def test_empty_answers_score_nothing() -> None:
    result = score_quiz(dict.fromkeys(RIGHT, ()), QUIZ)
    assert (result.right, result.passed, result.f1, result.given_spans) == (0, False, 0.0, 0)
    assert {rule for rule, _ in result.rules_to_read} == {r for i in QUIZ.items for r in i.rules}


def test_what_is_missing_and_what_is_too_much() -> None:
    wrong = spans_of(
        "Bà [Lã Thu Sương]{PERSON}, [Phó Trưởng ban [Tổ chức Thành ủy Nam Khê]{ORG}]{POSITION}, "
        "công bố quyết định."
    )
    result = score_quiz({**RIGHT, 8: wrong, 9: ()}, QUIZ)
    one, other = (result.items[7], result.items[8])
    assert [span.label for span in one.missing] == [span.label for span in one.extra] == ["ORG"]
    assert (one.missing[0].start, one.extra[0].start) == (28, 32)
    assert [span.label for span in other.missing] == ["PERSON", "POSITION"]
    assert other.extra == ()
    assert result.right == 38
    assert result.expected_spans - result.right_spans == 3
    assert result.given_spans - result.right_spans == 1
    assert result.rules_to_read == (("POS-3", 2), ("PER-2", 1))


def test_a_label_changed_is_one_missing_and_one_too_many() -> None:
    changed = tuple(Span(s.start, s.end, "ORG") for s in RIGHT[1][:1]) + RIGHT[1][1:]
    item = score_quiz({**RIGHT, 1: changed}, QUIZ).items[0]
    assert [span.label for span in item.missing] == ["PERSON"]
    assert [span.label for span in item.extra] == ["ORG"]


def test_source_and_score_of_a_span_do_not_count() -> None:
    spans = tuple(Span(s.start, s.end, s.label, "anna", 0.5) for s in RIGHT[1])
    assert score_quiz({**RIGHT, 1: spans}, QUIZ).right == 40


@pytest.mark.parametrize(("wrong", "passed"), [(6, True), (7, False)])
def test_the_pass_mark(wrong: int, passed: bool) -> None:
    answers = {n: () if n <= wrong else spans for n, spans in RIGHT.items()}
    assert score_quiz(answers, QUIZ).passed is passed


def test_a_missing_item_is_not_scored() -> None:
    answers = {n: spans for n, spans in RIGHT.items() if n not in (3, 7)}
    with pytest.raises(DataError, match="no answer to item 3, 7"):
        score_quiz(answers, QUIZ)


def test_the_result_as_text_and_as_values() -> None:
    result = score_quiz({**RIGHT, 14: ()}, QUIZ)
    assert format_quiz_result(result, read_guidelines(), "en").splitlines() == [
        "Version 1.2: 39 of 40 items right (34 wanted); 83 of 85 spans right, 0 too many; F1 0.988",
        "PASSED: you may begin to label.",
        "",
        "Item 14 · POS-8",
        "  yours  Kỳ họp miễn nhiệm chức danh Phó Chủ tịch HĐND xã.",
        "  right  Kỳ họp miễn nhiệm chức danh [Phó Chủ tịch [HĐND xã]{ORG}]{POSITION}.",
        "  why    It counts without a person; “chức danh” stays outside.",
        "",
        "Read again (vipol guide):",
        "  POS-8    ×1  With or without a person  (#en-POS-8)",
    ]
    vietnamese = format_quiz_result(result, read_guidelines(), "vi")
    assert "ĐẠT" in vietnamese
    assert "(#POS-8)" in vietnamese
    assert quiz_result_to_dict(result) == {
        "guideline_version": "1.2",
        "items": 40,
        "items_right": 39,
        "items_wanted": 34,
        "passed": True,
        "spans_expected": 85,
        "spans_given": 83,
        "spans_right": 83,
        "f1": pytest.approx(2 * 83 / (85 + 83)),
        "wrong": [14],
        "rules_to_read": {"POS-8": 1},
    }


def test_a_perfect_result_names_no_rule() -> None:
    text = format_quiz_result(score_quiz(RIGHT, QUIZ), read_guidelines(), "en")
    assert len(text.splitlines()) == 2
