"""Tables of plain text, and what a terminal, Markdown, LaTeX and HTML make of them."""

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

NO_FIGURE = "–"
"""Stands where there is nothing to measure."""

_FIGURE_SIGNS = set("0123456789.,-+–*%< ")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: its heads and rows of plain text. `note` is a line below it."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Whether a column holds figures, which are set to the right."""
        if not self.rows:
            return [False] * len(self.heads)
        return [
            all(set(cell) <= _FIGURE_SIGNS for cell in column)
            for column in zip(*self.rows, strict=True)
        ]


def to_text(grid: Grid) -> str:
    """The table for a terminal, columns two spaces apart."""
    rows = [grid.heads, *grid.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            f"{cell:>{width}}" if right else f"{cell:{width}}"
            for cell, width, right in zip(row, widths, grid.numeric, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([grid.title, *lines, *textwrap.wrap(grid.note, 80)])


def to_markdown(grid: Grid) -> str:
    """The table in Markdown, without its title."""
    rule = ["---:" if number else "---" for number in grid.numeric]
    rows = [grid.heads, tuple(rule), *grid.rows]
    lines = [
        "| " + " | ".join(cell if n == 1 else escape_markdown(cell) for cell in row) + " |"
        for n, row in enumerate(rows)
    ]
    return "\n".join(lines) + (f"\n\n{escape_markdown(grid.note)}" if grid.note else "")


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is."""
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return text


def to_latex(grid: Grid) -> str:
    """The table for LaTeX with booktabs, its title as the caption."""
    columns = "".join("r" if number else "l" for number in grid.numeric)
    lines = [" & ".join(map(escape_latex, row)) + r" \\" for row in (grid.heads, *grid.rows)]
    caption = escape_latex(" ".join(part for part in (grid.title, grid.note) if part))
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{caption}}}",
            r"\end{table}",
        ]
    )


def escape_latex(text: str) -> str:
    """Text that LaTeX shows as it is."""
    signs = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    signs |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
    return "".join(signs.get(sign, sign) for sign in text)


def to_html(grid: Grid, *, titled: bool = True) -> str:
    """The table as HTML, in a box that scrolls sideways where it is too wide."""
    kinds = [" class=number" if number else "" for number in grid.numeric]

    def cells(tag: str, texts: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{kind}>{html.escape(text)}</{tag}>"
            for kind, text in zip(kinds, texts, strict=True)
        )

    title = f"<h3>{html.escape(grid.title)}</h3>" if titled else ""
    rows = "".join(
        f"<tr{' class=average' if row[0] in ('micro', 'macro') else ''}>{cells('td', row)}</tr>"
        for row in grid.rows
    )
    head = f"<thead><tr>{cells('th', grid.heads)}</tr></thead>" if any(grid.heads) else ""
    note = f'<p class="note">{html.escape(grid.note)}</p>' if grid.note else ""
    return f'{title}<div class="wide"><table>{head}<tbody>{rows}</tbody></table></div>{note}'
