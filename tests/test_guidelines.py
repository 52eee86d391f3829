"""Guidelines and code cannot part: every example is parsed, judged and rendered here."""

import json
import re
import shutil
import subprocess
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from strategies import documents

from annotate.document import Document
from annotate.errors import DataError
from annotate.guide import (
    GUIDELINES,
    LANGUAGES,
    Example,
    Language,
    Section,
    markup_to_html,
    parse_page,
    read_guidelines,
    read_version,
    render_guide,
)
from annotate.markup import format_markup, parse_markup
from annotate.quiz import read_quiz
from annotate.scheme import LABELS, SCHEME_VERSION

SPEC = Path(__file__).parents[2] / "shared" / "annotation-spec.md"
COVERAGE = tomllib.loads((Path(__file__).parent / "cases" / "spec_rules.toml").read_text("utf-8"))
READ = read_guidelines()
RULES: dict[Language, dict[str, Section]] = {lang: READ.rules(lang) for lang in LANGUAGES}
EVERY_RULE = [(language, rule) for language in LANGUAGES for rule in RULES[language]]
SOURCES = sorted([*GUIDELINES.glob("*/*.md"), GUIDELINES / "CHANGELOG.md"])


# --- the version -------------------------------------------------------------------------


def test_the_version_is_that_of_the_scheme_and_of_the_last_change() -> None:
    assert read_version() == READ.version == SCHEME_VERSION
    changes = re.findall(
        r"^## (\S+) \((\S+)\)", (GUIDELINES / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert changes[0] == (SCHEME_VERSION, READ.released.isoformat())


# --- the examples ------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "rule"), EVERY_RULE)
def test_every_rule_has_examples_that_obey_the_scheme(language: Language, rule: str) -> None:
    section = RULES[language][rule]
    assert section.body
    assert sum(not example.is_counter for example in section.examples) >= 2
    assert sum(example.is_counter for example in section.examples) >= 1
    for example in section.examples:
        text, spans = parse_markup(example.markup, example.where)
        if example.wrong is None:
            assert bool(spans) != example.unlabelled, example.where
        else:
            check_counter_example(example, text)


def check_counter_example(example: Example, text: str) -> None:
    assert example.wrong is not None
    assert without_markup(example.wrong) == text, example.where
    if example.illegal:
        with pytest.raises(DataError):
            parse_markup(example.wrong, example.where)
    else:
        spans = parse_markup(example.wrong, example.where)[1]
        assert spans != parse_markup(example.markup)[1], example.where


def without_markup(markup: str) -> str:
    """The text of mark-up that need not be legal (no escapes are used in the guidelines)."""
    return re.sub(r"\[|\]\{[A-Z_]+\}", "", markup)


def test_both_languages_have_the_same_pages_rules_and_examples() -> None:
    for one, other in zip(READ.pages["vi"], READ.pages["en"], strict=True):
        assert one.name == other.name
        assert len(one.sections) == len(other.sections)
        for here, there in zip(one.sections, other.sections, strict=True):
            assert here.rule == there.rule
            assert [bare(example) for example in here.examples] == [
                bare(example) for example in there.examples
            ]
            assert code_with_markup(here.body) == code_with_markup(there.body)
            assert set(rule_ids(here.body)) == set(rule_ids(there.body))
            assert bool(here.body) == bool(there.body)


def bare(example: Example) -> tuple[str, str | None, bool, bool, int]:
    """All of an example that does not depend on the language."""
    return (
        example.markup,
        example.wrong,
        example.illegal,
        example.unlabelled,
        len(example.notes),
    )


def code_with_markup(markdown: str) -> list[str]:
    return [code for code in re.findall(r"`([^`\n]+)`", markdown) if "]{" in code]


def rule_ids(markdown: str) -> list[str]:
    return re.findall(r"\b[A-Z]+-\d+\b(?!/)", re.sub(r"`[^`]*`", "", markdown))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_mark_up_and_rule_ids_in_running_text(path: Path) -> None:
    prose = re.sub(r"^```examples\n.*?^```$", "", path.read_text("utf-8"), flags=re.M | re.S)
    for code in code_with_markup(prose):
        assert parse_markup(code, str(path))[1]
    for block in re.findall(r"^```text\n(.*?)^```$", prose, re.M | re.S):
        assert parse_markup(block.strip(), str(path))[1]
    named = {rule for rule in rule_ids(prose) if rule.split("-")[0] in PREFIXES}
    assert named <= RULES["vi"].keys()


PREFIXES = {rule.split("-")[0] for rule in RULES["vi"]}


def test_the_same_text_is_never_labelled_in_two_ways() -> None:
    seen: dict[str, tuple[str, str]] = {}
    answers = [
        (example.markup, example.where)
        for section in RULES["vi"].values()
        for example in section.examples
    ] + [(format_markup(i.text, i.spans), f"quiz {i.number}") for i in read_quiz().items]
    for markup, where in answers:
        text, _ = parse_markup(markup)
        first, first_where = seen.setdefault(text, (markup, where))
        assert markup == first, f"{where} and {first_where} part"


def test_every_label_is_shown_in_both_layers_it_may_have() -> None:
    shown = {
        (
            span.label,
            any(o is not span and o.start <= span.start <= span.end <= o.end for o in all_),
        )
        for section in RULES["vi"].values()
        for example in section.examples
        for all_ in [parse_markup(example.markup)[1]]
        for span in all_
    }
    outer = {(label.name, False) for label in LABELS}
    assert shown == outer | {("ORG", True), ("DATE", True), ("PERSON", True)}


# --- the scheme is covered ---------------------------------------------------------------


def test_every_rule_stands_for_a_part_of_the_scheme_and_back() -> None:
    named = {
        rule
        for section in COVERAGE["section"]
        for rule in [
            *section["opening"],
            *(rule for bullet in section["bullets"] for rule in bullet["rules"]),
        ]
    }
    assert named == RULES["vi"].keys()


def test_the_list_of_parts_is_the_scheme_itself() -> None:
    if not SPEC.exists():
        pytest.skip("../shared is not here: the annotation scheme lies outside the project")
    spec = SPEC.read_text("utf-8")
    assert f"version {SCHEME_VERSION}" in spec.splitlines()[0]
    parts = re.split(r"^#+ ", spec, flags=re.MULTILINE)[1:]
    for part, section in zip(parts, COVERAGE["section"], strict=True):
        assert part.startswith(section["heading"])
        bullets = re.findall(r"^- (.+)$", part, re.MULTILINE)
        for bullet, listed in zip(bullets, section["bullets"], strict=True):
            assert bullet.startswith(listed["opens"])


# --- reading -----------------------------------------------------------------------------

PAGE = "# Trang\n\nMở đầu.\n\n## POS-1 · Tên\n\nCâu.\n\n```examples\n{}\n```\n"


def test_a_page_as_read() -> None:
    page = parse_page("p", PAGE.format("✓ [a]{ORG}\n# nhớ\n✗! [b,]{ORG}\n→ [b]{ORG},\n∅ c"), "p.md")
    assert (page.title, page.intro) == ("Trang", "Mở đầu.")
    (section,) = page.sections
    assert (section.rule, section.title, section.body) == ("POS-1", "Tên", "Câu.")
    assert section.examples == (
        Example("[a]{ORG}", notes=("nhớ",), where="p.md:10"),
        Example("[b]{ORG},", wrong="[b,]{ORG}", illegal=True, where="p.md:12"),
        Example("c", unlabelled=True, where="p.md:14"),
    )


@pytest.mark.parametrize(
    ("examples", "says"),
    [
        ("[a]{ORG}", "p.md:10: an example begins with one of"),
        ("✓", "p.md:10: an example begins with one of"),
        ("✓ a\n✗ a\n✓ b", "p.md:12: a line ✗ must be mended"),
        ("✓ a\n✗ a", "p.md:11: a line ✗ must be mended"),
        ("→ a", "p.md:10: a line ✗ must be mended"),
        ("# nhớ", "p.md:10: a note stands below"),
    ],
)
def test_a_broken_examples_block_names_the_line(examples: str, says: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_page("p", PAGE.format(examples), "p.md")
    assert str(caught.value).startswith(says)


def test_a_page_without_a_title_is_refused() -> None:
    with pytest.raises(DataError, match=r"p\.md:1: begins without a title"):
        parse_page("p", "Mở đầu.", "p.md")


def write_folder(folder: Path, settings: str, page: str) -> Path:
    (folder / "guidelines.toml").write_text(settings, "utf-8")
    for language in LANGUAGES:
        (folder / language).mkdir()
        (folder / language / "p.md").write_text(page, "utf-8")
    return folder


SETTINGS = 'version = "9.1"\nreleased = 2026-01-02\npages = ["p"]\n'


@pytest.mark.parametrize(
    ("settings", "page", "says"),
    [
        ("version = ", "# P", "guidelines.toml: no TOML"),
        ('version = "1"', "# P", "guidelines.toml: 'released' is missing or no date"),
        (SETTINGS.replace('"p"', '"q"'), "# P", "vi/q.md: no such file"),
        (SETTINGS, "# P\n## A-1 · x\n## A-1 · y\n", "vi/p.md: the rule A-1 stands twice"),
    ],
)
def test_a_broken_folder(tmp_path: Path, settings: str, page: str, says: str) -> None:
    folder = write_folder(tmp_path, settings, page)
    with pytest.raises(DataError) as caught:
        read_guidelines(folder)
    assert str(caught.value).startswith(f"{folder}/{says}")


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file; give the folder guidelines/"):
        read_version(tmp_path / "none")


# --- the page -------------------------------------------------------------------------------


class PageReader(HTMLParser):
    """Ids, attributes that load something, links into the page, and whether tags balance."""

    VOID = frozenset({"meta", "input", "br", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.loads += [
            f"{tag} {key}" for key in found if key in ("src", "srcset", "data", "action")
        ]
        self.loads += [tag] * (tag in ("link", "iframe", "object", "embed", "img"))
        if tag == "a":
            self.links.append(found.get("href") or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["b"]:
            self.text.append(data)


@given(documents(clean_edges=True))
def test_rendered_mark_up_keeps_the_text(document: Document) -> None:
    html = markup_to_html(format_markup(document.text, document.spans), "en")
    assert "".join(PageReader(html).text) == document.text
    assert html.count('<span class="e ') == len(document.spans)


def test_rendered_mark_up_is_nested_and_named_in_the_language() -> None:
    markup = "[Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION}"
    assert markup_to_html(markup, "vi") == (
        '<span class="e POSITION">Bí thư <span class="e ORG">Huyện ủy Sơn Hà<b>Tổ chức</b></span>'
        "<b>Chức vụ</b></span>"
    )
    assert "<b>POSITION</b>" in markup_to_html(markup, "en")


@pytest.mark.parametrize(
    ("markup", "html"),
    [
        ("a [b", "a [b"),
        ("a]{ORG}", "a]{ORG}"),
        ("[a]{LOC}", "[a]{LOC}"),
        ("<a> & [b]{ORG}", '&lt;a&gt; &amp; <span class="e ORG">b<b>ORG</b></span>'),
    ],
)
def test_what_is_no_mark_up_is_shown_as_it_stands(markup: str, html: str) -> None:
    assert markup_to_html(markup, "en") == html


def test_the_page_is_whole_and_needs_nothing_from_outside() -> None:
    html = render_guide()
    page = PageReader(html)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert page.loads == []
    assert "http" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    for rule in RULES["vi"]:
        assert {rule, f"en-{rule}"} <= set(page.ids)
    assert f'<meta name="version" content="{SCHEME_VERSION}">' in html
    for label in LABELS:
        assert f".{label.name} {{ --colour: {label.colour};" in html
        assert html.count(label.hint) == 2 * 2  # two pages show the table, in two languages
    assert render_guide() == html


def test_colours_and_names_of_labels_stand_in_the_scheme_alone() -> None:
    for path in [*GUIDELINES.glob("*/*.md"), *GUIDELINES.glob("page.*")]:
        content = path.read_text("utf-8")
        assert "{{" not in content
        if path.suffix == ".md":
            assert not any(label.colour in content or label.hint in content for label in LABELS)


def test_the_page_needs_its_style(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, SETTINGS, "# P\n\n## A-1 · x\n\nA-1 `[b]{ORG}`\n")
    with pytest.raises(DataError, match=r"page\.css: no such file"):
        render_guide(folder)
    for name in ("page.css", "page.js"):
        shutil.copy(GUIDELINES / name, folder)
    html = render_guide(folder)
    assert "phiên bản 9.1 · 2026-01-02" in html
    assert '<a href="#A-1">A-1</a> <span class="markup" lang="vi"><span class="e ORG">b' in html


# --- in a browser ------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PROBE = """<script>
const shown = () => [...document.querySelectorAll("section.unit")]
  .filter((unit) => unit.checkVisibility()).map((unit) => unit.id);
const search = (words) => {
  const input = [...document.querySelectorAll("nav input")].find((one) => one.checkVisibility());
  input.value = words;
  input.dispatchEvent(new Event("input"));
  return shown();
};
const seen = { language: document.documentElement.lang, all: shown().length };
seen.marked = search("âm lịch");
seen.bare = search("am lich");
seen.rule = search("pos-14");
seen.none = search("qwxz").length;
seen.message = document.querySelector(".guide:not([hidden]) .count").textContent;
seen.again = search("").length;
document.querySelector('button[data-language="en"]').click();
seen.english = document.documentElement.lang;
seen.first = shown()[0];
document.body.innerHTML = "<pre id=seen>" + JSON.stringify(seen) + "</pre>";
</script>
"""


def open_in_browser(html: str, folder: Path, anchor: str = "") -> dict[str, object]:
    """What the probe saw in a real browser."""
    assert CHROMIUM
    page = folder / "guide.html"
    page.write_text(html.replace("</body>", PROBE + "</body>"), "utf-8")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    flags += "--disable-background-networking --disable-component-update --disable-sync --dump-dom"
    done = subprocess.run(
        [CHROMIUM, *flags.split(), f"--user-data-dir={folder}/profile", page.as_uri() + anchor],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout)
    assert found, done.stderr[-2000:]
    seen: dict[str, object] = json.loads(found.group(1))
    return seen


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
def test_search_and_language_in_a_browser(tmp_path: Path) -> None:
    seen = open_in_browser(render_guide(), tmp_path)
    sections = [section for page in READ.pages["vi"] for section in page.sections]
    assert seen["language"] == "vi"
    assert seen["all"] == seen["again"] == len(sections)
    assert seen["marked"] == seen["bare"] == ["DATE-6"]
    assert "POS-14" in str(seen["rule"])
    assert seen["none"] == 0
    assert seen["message"] == "Không tìm thấy. Thử từ khác ngắn hơn."
    assert seen["english"] == "en"
    assert seen["first"] == "en-start-1"


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
def test_an_address_with_a_rule_opens_its_language(tmp_path: Path) -> None:
    assert open_in_browser(render_guide(), tmp_path, "#en-POS-3")["language"] == "en"
