"""A comparison as text, Markdown, LaTeX and JSON: the answer first, then its tables."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from annotate.document import Document
from annotate.scheme import LAYERS
from baselines.compare import SURE, Comparison, Place, headline
from baselines.grid import NO_FIGURE, Grid, escape_markdown, to_latex, to_markdown, to_text
from baselines.mistakes import KINDS, find_mistakes
from baselines.resampling import SHUFFLES, Interval
from baselines.score import Figures
from baselines.score_table import WIDTH, scores_to_dict, shorten

ComparisonFormat = Literal["text", "markdown", "latex", "json"]

EXAMPLES = 3
"""Examples of what one model finds and another misses, for each two models."""

NAME_WIDTH = 11
"""Characters of a model's name in tables of the terminal."""


def format_comparison(comparison: Comparison, to: ComparisonFormat = "text") -> str:
    """The comparison in a format; text has at most 80 columns."""
    if to == "json":
        return json.dumps(comparison_to_dict(comparison), ensure_ascii=False, indent=2)
    grids = list(comparison_grids(comparison, NAME_WIDTH if to == "text" else None))
    answer, signature = find_answer(comparison), signature_of(comparison)
    if to == "latex":
        return "\n\n".join([f"% {signature}", *map(to_latex, grids)])
    examples = list(_format_examples(comparison))
    if to == "markdown":
        parts = [escape_markdown(answer), f"`{signature}`"]
        for grid in grids:
            parts += [f"## {grid.title}", to_markdown(grid)]
        for title, lines in examples:
            items = "\n".join(f"- {escape_markdown(line)}" for line in lines)
            parts += [f"### {escape_markdown(title)}", items]
        return "\n\n".join(parts)
    parts = [_wrap(answer), *map(to_text, grids)]
    parts += ["\n".join([title, *(shorten(f"  {line}") for line in of)]) for title, of in examples]
    return "\n\n".join([*parts, signature])


def signature_of(comparison: Comparison) -> str:
    """What was measured how: the same for all models of a comparison."""
    return next(iter(comparison.models.values())).signature


def find_answer(comparison: Comparison) -> str:
    """Which model is best, and over which others that is sure."""
    best, *others = comparison.ranking
    scores = comparison.models[best]
    answer = f"{best}: F1 {headline(scores):.4f}, outer layer, seqeval strict IOB2"
    if not others:
        return answer + "."
    tests = {test.other: test for test in comparison.tests if test.one == best}
    sure = [name for name in others if tests[name].is_sure]
    unsure = [name for name in others if not tests[name].is_sure]
    said = [f"surely better than {', '.join(sure)}"] if sure else []
    said += [f"not surely better than {', '.join(unsure)}"] if unsure else []
    return f"{answer}: {'; '.join(said)}."


# --- the tables -------------------------------------------------------------------------


def comparison_grids(comparison: Comparison, width: int | None = None) -> Iterator[Grid]:
    """Models, labels, tests, mistakes by kind, and who finds what another misses; names of models
    are cut to a width."""
    ranking = comparison.ranking
    short = {name: _cut(name, width) for name in ranking}
    documents = next(iter(comparison.models.values())).documents
    # A second layer is shown where there is one.
    layers = [
        layer
        for layer in LAYERS
        if layer == "outer"
        or any(of.layers[layer].seqeval.micro.f1 is not None for of in comparison.models.values())
    ]

    def cells(figures: Figures) -> tuple[str, str]:
        return _rate(figures.f1), _ends(figures.intervals.get("f1"))

    yield Grid(
        f"F1 on {documents:,} document{'' if documents == 1 else 's'}",
        (
            "model",
            *(head for layer in layers for head in (layer, "95 %")),
            *(("both", "95 %") if len(layers) > 1 else ()),
        ),
        [
            (
                short[name],
                *(
                    cell
                    for layer in layers
                    for cell in cells(comparison.models[name].layers[layer].seqeval.micro)
                ),
                *(cells(comparison.models[name].nested.micro) if len(layers) > 1 else ()),
            )
            for name in ranking
        ],
        "Layers: seqeval, strict, IOB2."
        + (" Both: strict spans of both layers." if len(layers) > 1 else ""),
    )
    labels = list(
        dict.fromkeys(
            label
            for scores in comparison.models.values()
            for label, figures in scores.nested.labels.items()
            if figures.f1 is not None
        )
    )
    yield Grid(
        "F1 by label, strict spans of both layers",
        ("model", *labels),
        [
            (
                short[name],
                *(
                    _rate(of.f1) if (of := comparison.models[name].nested.labels.get(label))
                    else NO_FIGURE
                    for label in labels
                ),
            )
            for name in ranking
        ],
    )  # fmt: skip
    if comparison.tests:
        yield _test_grid(comparison, short)
    yield kind_grid(comparison, short)
    if len(ranking) > 1:
        numbers = [str(number) for number in range(1, len(ranking) + 1)]
        yield Grid(
            "Gold spans that the row finds and the column misses",
            ("", *numbers),
            [
                (
                    f"{number} {short[one]}",
                    *(
                        NO_FIGURE if one == other else str(len(comparison.only_found(one, other)))
                        for other in ranking
                    ),
                )
                for number, one in zip(numbers, ranking, strict=True)
            ],
        )


def _test_grid(comparison: Comparison, short: Mapping[str, str]) -> Grid:
    return Grid(
        "Differences of outer F1",
        ("better", "worse", "difference", "95 %", "p", "p (Holm)", "sure"),
        [
            (
                short[test.one],
                short[test.other],
                f"{test.difference:+.4f}",
                NO_FIGURE
                if test.interval is None
                else f"{test.interval[0]:+.4f} {test.interval[1]:+.4f}",
                _chance(test.p),
                _chance(test.corrected),
                "yes" if test.is_sure else "no",
            )
            for test in comparison.tests
        ],
        f"Approximate randomisation over documents, {SHUFFLES:,} shuffles or all "
        f"that there are (Yeh 2000); corrected by Holm's method (1979); sure: p (Holm) < {SURE}.",
    )


def kind_grid(comparison: Comparison, short: Mapping[str, str] | None = None) -> Grid:
    """How many mistakes of each kind each model makes."""
    rows = []
    for name in comparison.ranking:
        counts = Counter(mistake.kind for mistake in find_mistakes(comparison.pairs[name]))
        rows.append((short[name] if short else name, *(str(counts[kind]) for kind in KINDS)))
    return Grid("Mistakes by kind, both layers", ("model", *KINDS), rows)


def _cut(name: str, width: int | None) -> str:
    """A name with its middle cut out where it is too long: both ends tell models apart."""
    if width is None or len(name) <= width:
        return name
    return f"{name[: width // 2]}…{name[-(width - width // 2 - 1) :]}"


def _rate(value: float | None) -> str:
    return NO_FIGURE if value is None else f"{value:.4f}"


def _ends(ends: Interval | None) -> str:
    return NO_FIGURE if ends is None else f"{ends[0]:.4f}-{ends[1]:.4f}"


def _chance(p: float) -> str:
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


# --- examples ---------------------------------------------------------------------------


def _format_examples(comparison: Comparison) -> Iterator[tuple[str, list[str]]]:
    """What the best model finds and each other misses, and the other way round."""
    best, *others = comparison.ranking
    texts = {gold.id: gold for gold, _ in comparison.pairs[best]}
    for other in others:
        for one, two in ((best, other), (other, best)):
            places = comparison.only_found(one, two)
            if places:
                spread = [places[len(places) * n // EXAMPLES] for n in range(EXAMPLES)]
                yield (
                    f"{_cut(one, 30)} finds, {_cut(two, 30)} misses ({len(places):,}):",
                    list(dict.fromkeys(_in_context(texts, place) for place in spread)),
                )


def _in_context(texts: dict[str, Document], place: Place, width: int = WIDTH - 4) -> str:
    """`a01 ORG …ngày ⟦Huyện ủy Sơn Hà⟧ họp…`, the mention near the middle of the line."""
    id, span = place
    text = texts[id].text.replace("\n", "⏎")
    head = f"{shorten(id, 12)} {span.label} "
    mention = shorten(text[span.start : span.end], 40)
    room = max(0, width - len(head) - len(mention) - 4) // 2
    before = text[max(0, span.start - room) : span.start]
    return f"{head}…{before}⟦{mention}⟧{text[span.end : span.end + room]}…"


def _wrap(text: str) -> str:
    import textwrap

    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


# --- JSON -------------------------------------------------------------------------------


def comparison_to_dict(comparison: Comparison) -> dict[str, Any]:
    """What `vipol compare --to json` prints: every score, test and difference in full."""
    ranking = comparison.ranking

    def places(found: Sequence[Place]) -> list[dict[str, Any]]:
        return [
            {"document": id, "start": span.start, "end": span.end, "label": span.label}
            for id, span in found
        ]

    return {
        "signature": signature_of(comparison),
        "ranking": ranking,
        "models": {name: scores_to_dict(scores) for name, scores in comparison.models.items()},
        "tests": [{**asdict(test), "sure": test.is_sure} for test in comparison.tests],
        "only_found": [
            {"finds": one, "misses": other, "spans": places(comparison.only_found(one, other))}
            for one in ranking
            for other in ranking
            if one != other
        ],
    }
