"""The guidelines: read from their folder, and rendered as one HTML page.

`guidelines/README.md` says how a page and its examples are written. The HTML holds both
languages, its own style and script, and needs nothing from outside.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import Any, get_args

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from annotate.errors import DataError
from annotate.scheme import LABELS, Label, Language

GUIDELINES = Path(__file__).parents[1] / "guidelines"
"""The guidelines of this checkout."""

LANGUAGES: tuple[Language, Language] = get_args(Language)

_RULE_ID = re.compile(r"[A-Z]+-\d+")
_RULE_HEADING = re.compile(r"([A-Z]+-\d+) · (.+)")
_EXAMPLES = re.compile(r"^```examples\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
_MARKS = ("✗!", "✗", "✓", "→", "∅", "#")  # the longer before its beginning


@dataclass(frozen=True, slots=True)
class Example:
    """One example of a rule, in inline mark-up.

    markup: the right labelling. wrong: the same text labelled wrongly, for a counter-example.
    illegal: the scheme does not even allow `wrong`. unlabelled: the text gets no label at all,
    though it looks like a case. notes: remarks in the language of the page. where: file and line.
    """

    markup: str
    wrong: str | None = None
    illegal: bool = False
    unlabelled: bool = False
    notes: tuple[str, ...] = ()
    where: str = ""

    @property
    def is_counter(self) -> bool:
        """Whether it shows what must not be done."""
        return self.wrong is not None or self.unlabelled


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page; with a rule id it is a rule. `body` is Markdown without examples."""

    title: str
    body: str
    rule: str | None = None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the guidelines in one language; `intro` is Markdown."""

    name: str
    title: str
    intro: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Guidelines:
    """The guidelines as read: version, day of release, pages by language in reading order."""

    version: str
    released: date
    pages: dict[Language, tuple[Page, ...]]

    def rules(self, language: Language) -> dict[str, Section]:
        """The rules of a language by id, in reading order."""
        return {
            section.rule: section
            for page in self.pages[language]
            for section in page.sections
            if section.rule
        }


# --- reading -----------------------------------------------------------------------------


def read_version(folder: Path = GUIDELINES) -> str:
    """The version of the guidelines in `folder`. Raises DataError."""
    return str(_read_settings(folder)["version"])


def read_guidelines(folder: Path = GUIDELINES) -> Guidelines:
    """The guidelines of a folder, both languages.

    Raises DataError naming file and line for a page that is missing, a page without a
    title, a rule id that comes twice, and an examples block that cannot be read.
    """
    settings = _read_settings(folder)
    pages: dict[Language, tuple[Page, ...]] = {}
    for language in LANGUAGES:
        pages[language] = tuple(
            parse_page(
                name, _read(folder / language / f"{name}.md"), f"{folder}/{language}/{name}.md"
            )
            for name in settings["pages"]
        )
        _refuse_repeated_rules(pages[language], folder / language)
    return Guidelines(str(settings["version"]), settings["released"], pages)


def parse_page(name: str, source: str, where: str) -> Page:
    """The page of a Markdown text: `#` its title, `##` its sections. Raises DataError."""
    starts = [match.start() for match in re.finditer(r"^## ", source, re.MULTILINE)]
    head = source[: starts[0]] if starts else source
    title, _, intro = head.partition("\n")
    if not title.startswith("# "):
        raise DataError(f"{where}:1: begins without a title; the first line must be `# Title`")
    sections = []
    for start, end in zip(starts, [*starts[1:], len(source)], strict=True):
        line = source.count("\n", 0, start) + 1
        sections.append(_parse_section(source[start:end], where, line))
    return Page(name, title[2:].strip(), intro.strip(), tuple(sections))


def _parse_section(source: str, where: str, line: int) -> Section:
    heading, _, body = source.removeprefix("## ").partition("\n")
    examples: list[Example] = []
    for block in _EXAMPLES.finditer(body):
        first = line + 2 + body.count("\n", 0, block.start())
        examples += _parse_examples(block.group(1), where, first)
    body = _EXAMPLES.sub("", body).strip()
    rule = _RULE_HEADING.fullmatch(heading.strip())
    if not rule:
        return Section(heading.strip(), body, None, tuple(examples))
    return Section(rule.group(2), body, rule.group(1), tuple(examples))


def _parse_examples(block: str, where: str, first_line: int) -> list[Example]:
    """The examples of a block, whose first line has the number `first_line` in its file."""
    examples: list[Example] = []
    wrong: tuple[str, str, str] | None = None  # mark, mark-up, place of a line yet to be mended
    for number, line in enumerate(block.splitlines(), start=first_line):
        place = f"{where}:{number}"
        mark, text = _split_mark(line, place)
        if (mark == "→") != (wrong is not None):
            raise DataError(
                f"{place}: a line ✗ must be mended by a line → right below it, and only it"
            )
        if mark == "#":
            if not examples:
                raise DataError(f"{place}: a note stands below the example that it explains")
            last = examples[-1]
            examples[-1] = Example(
                last.markup,
                last.wrong,
                last.illegal,
                last.unlabelled,
                (*last.notes, text),
                last.where,
            )
        elif mark in ("✗", "✗!"):
            wrong = (mark, text, place)
        elif wrong:
            examples.append(Example(text, wrong[1], illegal=wrong[0] == "✗!", where=wrong[2]))
            wrong = None
        else:
            examples.append(Example(text, unlabelled=mark == "∅", where=place))
    if wrong:
        raise DataError(f"{wrong[2]}: a line ✗ must be mended by a line → right below it")
    return examples


def _split_mark(line: str, place: str) -> tuple[str, str]:
    for mark in _MARKS:
        if line.startswith(f"{mark} ") and line.strip() != mark:
            return mark, line.removeprefix(mark).strip()
    raise DataError(f"{place}: an example begins with one of {' '.join(_MARKS)} and a space")


def _refuse_repeated_rules(pages: Sequence[Page], folder: Path) -> None:
    seen: set[str] = set()
    for page in pages:
        for section in page.sections:
            if section.rule and section.rule in seen:
                raise DataError(
                    f"{folder}/{page.name}.md: the rule {section.rule} stands twice; "
                    "give one of them another id"
                )
            seen.add(section.rule or "")


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / "guidelines.toml"
    try:
        settings = tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path}: no TOML: {error}") from None
    for key, kind in (("version", str), ("released", date), ("pages", list)):
        if not isinstance(settings.get(key), kind):
            raise DataError(f"{path}: {key!r} is missing or no {kind.__name__}")
    return settings


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; give the folder guidelines/ of a checkout of the project"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None


# --- mark-up as HTML -----------------------------------------------------------------------

_PIECES = re.compile(r"\\(?P<escaped>[\[\]{\\])|(?P<open>\[)|\]\{(?P<label>[A-Z_]+)\}")
_LABEL_BY_NAME = {label.name: label for label in LABELS}


def markup_to_html(markup: str, language: Language) -> str:
    """Inline mark-up as nested `<span>`s with the label's name behind each.

    Takes wrong mark-up as well as right: it shows what stands there, `annotate.markup` judges.
    A `[` that no label closes stays a bracket.
    """
    stack: list[tuple[str, list[str]]] = [("", [])]  # what opened, and the HTML since
    position = 0
    for match in _PIECES.finditer(markup):
        stack[-1][1].append(escape(markup[position : match.start()]))
        position = match.end()
        label = _LABEL_BY_NAME.get(match["label"] or "")
        if match["escaped"]:
            stack[-1][1].append(escape(match["escaped"]))
        elif match["open"]:
            stack.append(("[", []))
        elif label and len(stack) > 1:
            inside = "".join(stack.pop()[1])
            stack[-1][1].append(_span_html(inside, label, language))
        else:
            stack[-1][1].append(escape(match.group()))
    stack[-1][1].append(escape(markup[position:]))
    return "".join(opened + "".join(pieces) for opened, pieces in stack)


def _span_html(inside: str, label: Label, language: Language) -> str:
    return f'<span class="e {label.name}">{inside}<b>{_label_name(label, language)}</b></span>'


def _label_name(label: Label, language: Language) -> str:
    return label.vietnamese if language == "vi" else label.name


# --- the page --------------------------------------------------------------------------------

_WORDS: dict[Language, dict[str, str]] = {
    "vi": {
        "heading": "Hướng dẫn gắn nhãn",
        "subject": "Tên riêng trong văn bản chính trị tiếng Việt",
        "version": "phiên bản",
        "contents": "Mục lục",
        "search": "Tìm (gõ không dấu cũng được)",
        "nothing": "Không tìm thấy. Thử từ khác ngắn hơn.",
        "label": "Nhãn",
        "key": "Phím",
        "reminder": "Nhắc nhanh",
        "print": "In",
        "right": "Đúng",
        "wrong": "Sai",
        "mended": "Sửa",
        "unlabelled": "Không gắn",
    },
    "en": {
        "heading": "Annotation guidelines",
        "subject": "Named entities in Vietnamese political text",
        "version": "version",
        "contents": "Contents",
        "search": "Search (tone marks may be left out)",
        "nothing": "Nothing found. Try a shorter word.",
        "label": "Label",
        "key": "Key",
        "reminder": "In short",
        "print": "Print",
        "right": "Right",
        "wrong": "Wrong",
        "mended": "Mended",
        "unlabelled": "No label",
    },
}


def render_guide(folder: Path = GUIDELINES) -> str:
    """The guidelines of `folder` as one HTML page: both languages, contents, search, print.

    The page opens in Vietnamese. `#POS-3` in its address leads to a rule in Vietnamese,
    `#en-POS-3` to the same in English. Raises DataError as `read_guidelines` does.
    """
    guidelines = read_guidelines(folder)
    style, script = _read(folder / "page.css"), _read(folder / "page.js")
    guides = "".join(_guide_html(guidelines, language) for language in LANGUAGES)
    switch = "".join(
        f'<button type="button" data-language="{language}" lang="{language}">{name}</button>'
        for language, name in zip(LANGUAGES, ("Tiếng Việt", "English"), strict=True)
    )
    return f"""<!DOCTYPE html>
<html lang="vi" data-language="vi">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="version" content="{escape(guidelines.version)}">
<title>{_WORDS["vi"]["heading"]} {escape(guidelines.version)} · vipol</title>
<style>
{_label_style()}
{style}</style>
</head>
<body>
<div class="switch">{switch}</div>
{guides}<script>
{script}</script>
</body>
</html>
"""


def _guide_html(guidelines: Guidelines, language: Language) -> str:
    words = _WORDS[language]
    pages = guidelines.pages[language]
    markdown = _markdown(language)
    body = "".join(_page_html(page, language, markdown) for page in pages)
    version = f"{words['version']} {escape(guidelines.version)}"
    return f"""<div class="guide" lang="{language}">
<header>
<h1>{words["heading"]} <small>{version} · {guidelines.released.isoformat()}</small></h1>
<p>{words["subject"]}</p>
{_legend_html(language)}
</header>
<nav aria-label="{words["contents"]}">
<input type="search" placeholder="{words["search"]}" aria-label="{words["search"]}">
<p class="count" role="status" data-nothing="{words["nothing"]}"></p>
<button type="button" class="print">{words["print"]}</button>
{_contents_html(pages, language)}</nav>
<main>
{body}</main>
</div>
"""


def render_instruction(folder: Path = GUIDELINES) -> str:
    """The Vietnamese guidelines of `folder` as the instructions of a labelling project: HTML of
    plain elements, since styles and scripts do not get through; labels stay in inline mark-up.

    Raises DataError as `read_guidelines` does.
    """
    guidelines, language = read_guidelines(folder), LANGUAGES[0]
    words = _WORDS[language]
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    labels = "".join(
        f"<li><b>{label.vietnamese}</b> ({label.name}, {words['key'].lower()} {label.hotkey}): "
        f"{escape(label.hint)}</li>"
        for label in LABELS
    )

    def fence(token: Token) -> str:
        if token.info.strip() == "labels":
            return f"<ul>{labels}</ul>\n"
        return f"<p><code>{escape(token.content)}</code></p>\n"

    _render_by(markdown, "fence", fence)
    lines = [f"<h2>{words['heading']}, {words['version']} {escape(guidelines.version)}</h2>"]
    for page in guidelines.pages[language]:
        lines += [f"<br><br><h3>{escape(page.title)}</h3>", markdown.render(page.intro)]
        for section in page.sections:
            rule = f"{section.rule} · " if section.rule else ""
            title = markdown.renderInline(section.title)
            lines += [f"<br><h4>{rule}{title}</h4>", markdown.render(section.body)]
            for example in section.examples:
                lines.append(f"<p>{'<br>'.join(_instruction_lines(example))}</p>")
    # Label Studio shows lists without bullets and headings without space above them, and writes
    # quotation marks as themselves: so do we, to find the text unchanged.
    html = "\n".join(lines).replace("<li>", "<li>• ")
    return html.replace("&quot;", '"').replace("&#x27;", "'")


def _instruction_lines(example: Example) -> Iterator[str]:
    for _, mark, markup in _example_kinds(example):
        yield f"{mark} {escape(markup)}"
    for note in example.notes:
        yield f"<i>{escape(note)}</i>"


def _anchor(name: str, language: Language) -> str:
    return name if language == "vi" else f"en-{name}"


def _section_anchor(page: Page, number: int, language: Language) -> str:
    return _anchor(page.sections[number].rule or f"{page.name}-{number + 1}", language)


def _contents_html(pages: Sequence[Page], language: Language) -> str:
    lines = ["<ol>"]
    for page in pages:
        lines.append(f'<li><a href="#{_anchor(page.name, language)}">{escape(page.title)}</a><ul>')
        for number, section in enumerate(page.sections):
            anchor = _section_anchor(page, number, language)
            rule = f"<code>{section.rule}</code> " if section.rule else ""
            lines.append(f'<li><a href="#{anchor}">{rule}{_plain(section.title)}</a></li>')
        lines.append("</ul></li>")
    return "\n".join([*lines, "</ol>\n"])


def _plain(title: str) -> str:
    return escape(title.replace("`", ""))


def _page_html(page: Page, language: Language, markdown: MarkdownIt) -> str:
    sections = "".join(
        _section_html(section, _section_anchor(page, number, language), language, markdown)
        for number, section in enumerate(page.sections)
    )
    intro = f'<div class="unit">{markdown.render(page.intro)}</div>\n' if page.intro else ""
    return (
        f'<section class="page" id="{_anchor(page.name, language)}">\n'
        f"<h2>{escape(page.title)}</h2>\n{intro}{sections}</section>\n"
    )


def _section_html(section: Section, anchor: str, language: Language, markdown: MarkdownIt) -> str:
    rule = f'<a class="rule" href="#{anchor}">{section.rule}</a> ' if section.rule else ""
    examples = "".join(_example_lines(section.examples, language))
    listing = f'<div class="examples">\n{examples}</div>\n' if examples else ""
    return (
        f'<section class="unit" id="{anchor}">\n'
        f"<h3>{rule}{markdown.renderInline(section.title)}</h3>\n"
        f"{markdown.render(section.body)}{listing}</section>\n"
    )


def _example_lines(examples: Sequence[Example], language: Language) -> Iterator[str]:
    for example in examples:
        notes = "".join(f'<p class="note">{escape(note)}</p>' for note in example.notes)
        lines = "".join(
            f'<p class="{kind}"><span class="mark" title="{_WORDS[language][kind]}">{mark}</span>'
            f'<span lang="vi">{markup_to_html(markup, language)}</span></p>'
            for kind, mark, markup in _example_kinds(example)
        )
        yield f'<div class="example">{lines}{notes}</div>\n'


def _example_kinds(example: Example) -> list[tuple[str, str, str]]:
    """Kind, mark and mark-up of each line of an example."""
    if example.wrong is not None:
        return [("wrong", "✗", example.wrong), ("mended", "→", example.markup)]
    if example.unlabelled:
        return [("unlabelled", "∅", example.markup)]
    return [("right", "✓", example.markup)]


def _legend_html(language: Language) -> str:
    items = "".join(
        f'<li><span class="e {label.name}">{label.vietnamese}<b>{label.name}</b></span></li>'
        for label in LABELS
    )
    words = _WORDS[language]
    kinds = "".join(
        f'<li class="{kind}"><span class="mark">{mark}</span> {words[kind]}</li>'
        for kind, mark in zip(
            ("right", "wrong", "mended", "unlabelled"), ("✓", "✗", "→", "∅"), strict=True
        )
    )
    return f'<ul class="legend">{items}{kinds}</ul>'


def _labels_table(language: Language) -> str:
    words = _WORDS[language]
    rows = "".join(
        f"<tr><td><kbd>{escape(label.hotkey)}</kbd></td>"
        f'<td><span class="e {label.name}">{label.vietnamese}<b>{label.name}</b></span></td>'
        f'<td lang="vi">{escape(label.hint)}</td></tr>'
        for label in LABELS
    )
    return (
        f"<table><thead><tr><th>{words['key']}</th><th>{words['label']}</th>"
        f"<th>{words['reminder']}</th></tr></thead><tbody>{rows}</tbody></table>\n"
    )


def _label_style() -> str:
    """Colours of the labels, from the scheme; the tint is the colour at 22 % over white."""
    return "\n".join(
        f".{label.name} {{ --colour: {label.colour}; --tint: {_tint(label.colour, 0.22)}; }}"
        for label in LABELS
    )


def _tint(colour: str, part: float) -> str:
    """`#rrggbb` mixed with white: `part` of the colour, the rest white."""
    channels = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - value) * part):02x}" for value in channels)


# --- Markdown ------------------------------------------------------------------------------


def _markdown(language: Language) -> MarkdownIt:
    """A Markdown renderer in which mark-up in code is coloured, a rule id is a link, and the
    fenced block `labels` is the table of labels."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def inline_code(text: str) -> str:
        if "]{" in text:
            return f'<span class="markup" lang="vi">{markup_to_html(text, language)}</span>'
        return f'<code lang="vi">{escape(text)}</code>'

    def text_with_links(text: str) -> str:
        return _RULE_ID.sub(
            lambda match: f'<a href="#{_anchor(match.group(), language)}">{match.group()}</a>',
            escape(text),
        )

    def fence(token: Token) -> str:
        if token.info.strip() == "labels":
            return _labels_table(language)
        return f"<pre><code>{escape(token.content)}</code></pre>\n"

    _render_by(markdown, "code_inline", lambda token: inline_code(token.content))
    _render_by(markdown, "text", lambda token: text_with_links(token.content))
    _render_by(markdown, "fence", fence)
    return markdown


def _render_by(markdown: MarkdownIt, kind: str, render: Callable[[Token], str]) -> None:
    def rule(
        self: RendererHTML,
        tokens: Sequence[Token],
        index: int,
        options: OptionsDict,
        env: EnvType,
    ) -> str:
        return render(tokens[index])

    markdown.add_render_rule(kind, rule)
