"""Models against one gold: the answer, tests, differences, formats, the page in a browser."""

import json
import shutil
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from annotate.document import Document, write_documents
from annotate.errors import DataError
from annotate.markup import parse_markup
from baselines.compare import Comparison, compare_documents
from baselines.compare_table import comparison_to_dict, find_answer, format_comparison
from baselines.grid import Grid, escape_latex, to_html, to_latex, to_markdown, to_text
from baselines.page import MOST_MISTAKES, format_page

SOURCE = (
    "Đồng chí [Trần Quốc Minh]{PERSON}, [Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION}, "
    "ký [Kế hoạch số 07-KH/HU]{DOCUMENT_REF} [ngày 13/10/2011]{DATE} ở <Đảng & bạn>."
)


def make_gold(documents: int = 24) -> list[Document]:
    text, spans = parse_markup(SOURCE)
    return [Document(f"d{n:02}", text, spans) for n in range(documents)]


def drop(gold: list[Document], label: str, every: int) -> list[Document]:
    """The gold without the spans of a label in every so many documents."""
    return [
        one if n % every else one.with_spans(s for s in one.spans if s.label != label)
        for n, one in enumerate(gold)
    ]


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    gold = make_gold()
    return compare_documents(
        gold,
        {
            "weak": drop(gold, "PERSON", 1),
            "good": drop(gold, "PERSON", 12),
            "like good": drop(gold, "DATE", 12),
        },
        split="test",
    )


def test_the_better_come_first_and_what_is_sure_is_said(comparison: Comparison):
    assert comparison.ranking == ["good", "like good", "weak"]
    assert find_answer(comparison) == (
        "good: F1 0.9895, outer layer, seqeval strict IOB2: surely better than weak; "
        "not surely better than like good."
    )
    tests = {(test.one, test.other): test for test in comparison.tests}
    assert list(tests) == [("good", "like good"), ("good", "weak"), ("like good", "weak")]
    assert tests["good", "like good"].p == 1.0
    # 22 documents differ, all one way: the shuffles that do as much are two in four million
    assert tests["good", "weak"].p == pytest.approx(1 / 10_001)
    assert tests["good", "weak"].corrected == pytest.approx(3 / 10_001)
    low, high = tests["good", "weak"].interval or (0, 0)
    assert 0 < low < tests["good", "weak"].difference < high


def test_what_one_finds_and_another_misses(comparison: Comparison):
    found = comparison.only_found("good", "weak")
    assert [(id, span.label) for id, span in found] == [
        (f"d{n:02}", "PERSON") for n in range(24) if n % 12
    ]
    assert comparison.only_found("weak", "good") == []
    assert [span.label for _, span in comparison.only_found("like good", "good")] == ["PERSON"] * 2


def test_text_leads_with_the_answer_and_fits_eighty_columns(comparison: Comparison):
    text = format_comparison(comparison)
    assert text.startswith("good: F1 0.9895")
    assert max(map(len, text.splitlines())) <= 80
    assert "good finds, weak misses (22):\n  d01 PERSON …Đồng chí ⟦Trần Quốc Minh⟧, Bí" in text
    assert "|split:test|data:" in text.splitlines()[-1]


def test_many_models_with_long_names_fit_eighty_columns():
    gold = make_gold(3)
    names = [f"a-model-with-a-long-name-and-seed-{n}" for n in range(8)]
    text = format_comparison(compare_documents(gold, dict.fromkeys(names, gold)))
    assert max(map(len, text.splitlines())) <= 80
    assert "a-mod…eed-7" in text
    assert names[7] in format_comparison(
        compare_documents(gold, dict.fromkeys(names[6:], gold)), "markdown"
    )


def test_json_has_everything(comparison: Comparison):
    record = json.loads(format_comparison(comparison, "json"))
    assert record == json.loads(json.dumps(comparison_to_dict(comparison)))
    assert record["ranking"] == ["good", "like good", "weak"]
    assert record["models"]["weak"]["layers"]["outer"]["seqeval"]["micro"]["recall"] == 0.75
    assert [test["sure"] for test in record["tests"]] == [False, True, True]
    spans = {(one["finds"], one["misses"]): one["spans"] for one in record["only_found"]}
    assert spans["good", "weak"][0] == {"document": "d01", "start": 9, "end": 23, "label": "PERSON"}


def test_markdown_and_latex(comparison: Comparison):
    markdown = format_comparison(comparison, "markdown")
    assert "| model | outer | 95 % | inner | 95 % | both | 95 % |" in markdown
    assert "\n| good | 0.9895 | " in markdown
    latex = format_comparison(comparison, "latex")
    assert latex.count(r"\begin{tabular}") == latex.count(r"\bottomrule") == 5
    assert r"95 \% & inner" in latex
    assert r"like good & 0.9895 & " in latex


def test_one_model_alone_has_no_tests():
    gold = make_gold(2)
    found = compare_documents(gold, {"one": gold})
    assert found.tests == ()
    assert find_answer(found) == "one: F1 1.0000, outer layer, seqeval strict IOB2."
    assert "Differences" not in format_comparison(found)


def test_the_model_that_does_not_fit_is_named():
    gold = make_gold(3)
    with pytest.raises(DataError, match=r"^short: the predictions lack 1 document of the 3"):
        compare_documents(gold, {"full": gold, "short": gold[:2]})


# --- tables ------------------------------------------------------------------------------------

GRID = Grid("T & t", ("model", "F1"), [("a_b|c", "0.5000"), ("<x>", "–")], "50 % of it")


def test_a_grid_in_every_format():
    assert to_text(GRID) == "T & t\nmodel      F1\na_b|c  0.5000\n<x>         –\n50 % of it"
    assert to_markdown(GRID) == (
        "| model | F1 |\n| --- | ---: |\n| a\\_b\\|c | 0.5000 |\n| \\<x\\> | – |\n\n50 % of it"
    )
    latex = to_latex(GRID)
    assert r"\begin{tabular}{lr}" in latex
    assert "a\\_b|c & 0.5000 \\\\" in latex
    assert r"\caption{T \& t 50 \% of it}" in latex
    assert escape_latex("\\~^#") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}\#"
    assert "<td>&lt;x&gt;</td><td class=number>–</td>" in to_html(GRID)


# --- the page in a browser ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """A real Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_api.sync_playwright() as playwright:
        if not chromium and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no Chromium on this machine: playwright install chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def open_page(browser, path: Path, content: str):
    """The page in a tab; it may fetch nothing and must not fail."""
    path.write_text(content, encoding="utf-8")
    tab = browser.new_page()
    problems: list[str] = []
    tab.on("request", lambda r: problems.append(r.url) if r.url != path.as_uri() else None)
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(path.as_uri())
    yield tab
    assert problems == []
    tab.close()


def test_the_browser_of_mistakes_filters(browser, comparison: Comparison, tmp_path: Path):
    content = format_page(comparison, "Models </script> & more")
    with open_page(browser, tmp_path / "page.html", content) as page:
        found = page.locator("#count")
        assert page.title() == "Models </script> & more"
        assert page.locator(".plot svg").count() == 3
        assert found.inner_text() == "28 of 28 mistakes"
        page.select_option("[name=model]", label="weak")
        assert found.inner_text() == "24 of 28 mistakes"
        page.select_option("[name=right]", label="good")
        assert found.inner_text() == "22 of 28 mistakes"
        first = page.locator("#mistakes li").first
        assert "weak, d01 9-23, outer; right in good, like good" in first.inner_text()
        assert first.locator(".context .gold").inner_text() == "Trần Quốc Minh"
        page.fill("[name=text]", "d13")
        assert found.inner_text() == "1 of 28 mistakes"
        page.select_option("[name=kind]", label="spurious: predicted, not in gold")
        assert found.inner_text() == "0 of 28 mistakes"


def test_gold_is_underlined_and_prediction_shaded_to_the_character(browser, tmp_path: Path):
    gold = [Document("😀", *parse_markup("😀 [Đảng ủy Khối]{ORG} <b>họp</b>"))]
    predicted = [gold[0].with_spans([replace(gold[0].spans[0], start=0, end=9)])]
    content = format_page(compare_documents(gold, {"m": predicted}), "x")
    with open_page(browser, tmp_path / "page.html", content) as page:
        pieces = page.locator(".context span").all()
        assert [(p.get_attribute("class") or "", p.text_content()) for p in pieces] == [
            ("predicted", "😀 "),
            ("gold predicted", "Đảng ủy"),
            ("gold", " Khối"),
            ("", " <b>họp</b>"),
        ]
        assert not page.locator("[name=model]").is_visible()


def test_the_page_says_what_it_leaves_out():
    gold = make_gold(MOST_MISTAKES // 5 + 10)
    page = format_page(compare_documents(gold, {"m": [one.with_spans([]) for one in gold]}), "x")
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert len(data["rows"]) + data["left_out"]["m"] == 5 * len(gold)
    assert len(data["rows"]) <= MOST_MISTAKES


# --- the command -------------------------------------------------------------------------------


def run(monkeypatch, *words: object) -> None:
    from annotate.cli import main

    monkeypatch.setattr(sys, "argv", ["vipol", *map(str, words)])
    try:
        main()
    except SystemExit as end:
        assert end.code in (0, None), end.code


def test_the_command_compares_files(monkeypatch, capsys, tmp_path: Path):
    gold = make_gold(4)
    write_documents(tmp_path / "gold.jsonl", gold)
    write_documents(tmp_path / "a.jsonl", drop(gold, "ORG", 2))
    write_documents(tmp_path / "b.jsonl", gold)
    files = [tmp_path / "gold.jsonl", tmp_path / "a.jsonl", f"B={tmp_path / 'b.jsonl'}"]
    run(monkeypatch, "compare", *files, "--html", tmp_path / "page.html")
    out, err = capsys.readouterr()
    assert out.startswith("B: F1 1.0000")
    assert "page.html: open it in a browser" in err
    assert "Comparison of a, B" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["compare", "score"])
def test_predictions_without_a_document_are_refused(monkeypatch, capsys, tmp_path: Path, command):
    write_documents(tmp_path / "gold.jsonl", make_gold(3))
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    monkeypatch.setattr(
        sys, "argv", ["vipol", command, *(str(tmp_path / f"{n}.jsonl") for n in ("gold", "empty"))]
    )
    from annotate.cli import main

    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "empty.jsonl: holds no documents" in capsys.readouterr().err


def test_two_models_of_one_name_are_refused(monkeypatch, capsys, tmp_path: Path):
    from annotate.cli import main

    write_documents(tmp_path / "gold.jsonl", make_gold(1))
    monkeypatch.setattr(sys, "argv", ["vipol", "compare", *[str(tmp_path / "gold.jsonl")] * 3])
    with pytest.raises(SystemExit):
        main()
    assert "a model needs a name of its own; write NAME=" in capsys.readouterr().err


def test_score_tells_seen_mentions_by_what_was_trained_on(monkeypatch, capsys, tmp_path: Path):
    gold = make_gold(2)
    write_documents(tmp_path / "gold.jsonl", gold)
    write_documents(tmp_path / "train.jsonl", drop(gold, "PERSON", 1))
    files = [tmp_path / "gold.jsonl", tmp_path / "gold.jsonl"]
    run(monkeypatch, "score", *files)
    assert "in training" not in capsys.readouterr().out
    page = tmp_path / "page.html"
    run(monkeypatch, "score", *files, "--train", tmp_path / "train.jsonl", "--html", page)
    assert "in training       seen 1.0000 (8)   unseen 1.0000 (2)" in capsys.readouterr().out
    assert "<title>Scores of gold</title>" in page.read_text(encoding="utf-8")
