"""Scores as JSON takes them, and as a table for the terminal."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from annotate.scheme import LAYERS
from baselines.partial import OUTCOMES
from baselines.resampling import Interval
from baselines.score import ALL, Figures, PartialFigures, Scores, Table

EXAMPLES_SHOWN = 5
EXAMPLES_IN_DICT = 20
WIDTH = 80
_LABEL_WIDTH = 14


# --- JSON -------------------------------------------------------------------------------


def scores_to_dict(scores: Scores) -> dict[str, Any]:
    """What `vipol score --json` prints; keys are stable, undefined figures are null."""
    sides = Counter(item.side for item in scores.inexpressible)
    return {
        "signature": scores.signature,
        "documents": scores.documents,
        "tokens": scores.tokens,
        "resamples": scores.resamples,
        "layers": {
            layer: {"seqeval": _table_to_dict(of.seqeval), "spans": _table_to_dict(of.spans)}
            for layer, of in scores.layers.items()
        },
        "nested": {"spans": _table_to_dict(scores.nested)},
        "partial": {
            scheme: {row: _partial_to_dict(figures) for row, figures in of.items()}
            for scheme, of in scores.partial.items()
        },
        "slices": {
            name: {row: figures_to_dict(figures) for row, figures in of.items()}
            for name, of in scores.slices.items()
        },
        "inexpressible": {
            "gold": sides["gold"],
            "predicted": sides["predicted"],
            "examples": [
                {
                    "document": item.document,
                    "side": item.side,
                    "layer": item.layer,
                    "start": item.span.start,
                    "end": item.span.end,
                    "label": item.span.label,
                    "mention": item.mention,
                    "reason": item.reason,
                }
                for item in scores.inexpressible[:EXAMPLES_IN_DICT]
            ],
        },
    }


def _table_to_dict(table: Table) -> dict[str, Any]:
    return {
        "micro": figures_to_dict(table.micro),
        "macro": figures_to_dict(table.macro),
        "labels": {label: figures_to_dict(figures) for label, figures in table.labels.items()},
    }


def figures_to_dict(figures: Figures) -> dict[str, Any]:
    """Figures with their intervals as JSON takes them."""
    return {
        **asdict(figures),
        "intervals": {name: list(ends) for name, ends in figures.intervals.items()},
    }


def _partial_to_dict(figures: PartialFigures) -> dict[str, Any]:
    return {
        **{outcome: figures.outcomes[outcome] for outcome in OUTCOMES},
        "precision": figures.precision,
        "recall": figures.recall,
        "f1": figures.f1,
        "interval": list(figures.interval) if figures.interval else None,
    }


# --- text -------------------------------------------------------------------------------


def format_scores(scores: Scores) -> str:
    """The scores as plain text of at most 80 columns, the headline first."""
    headline = scores.layers["outer"].seqeval.micro
    both = scores.nested.micro
    ends = headline.intervals.get("f1")
    lines = [
        f"F1 {format_rate(headline.f1)}  outer layer, micro, seqeval strict IOB2"
        + (f" (95 % {format_interval(ends)})" if ends else ""),
        f"{scores.documents:,} document{'' if scores.documents == 1 else 's'}, "
        f"{scores.tokens:,} tokens; spans: {both.support:,} gold, {both.predicted:,} predicted, "
        f"{both.correct:,} right",
        "",
        f"{'':{_LABEL_WIDTH}}{'prec.':>7}{'recall':>7}{'F1':>7}  {'95 % interval':13}"
        f"{'gold':>9}{'pred.':>9}{'right':>9}",
    ]
    for layer in LAYERS:
        table = scores.layers[layer].seqeval
        if layer == "inner" and table.micro.f1 is None and scores.nested.micro.f1 is not None:
            continue
        lines.append(f"{layer} layer, seqeval over tokens")
        lines += [
            _format_row(label, figures)
            for label, figures in table.labels.items()
            if layer == "outer" or figures.f1 is not None
        ]
        lines += [_format_row("micro", table.micro), _format_row("macro", table.macro)]
    lines += ["both layers, strict spans over characters", _format_row("micro", both), ""]
    lines += [*_format_partial(scores), "", *_format_slices(scores), ""]
    lines += [*_format_inexpressible(scores), "", scores.signature]
    return "\n".join(line.rstrip() for line in lines)


def format_rate(value: float | None) -> str:
    """A rate with four digits, `-` for none."""
    return "-" if value is None else f"{value:.4f}"


def format_interval(ends: Interval | None) -> str:
    """`0.9111-0.9777`, `-` for none."""
    return "-" if ends is None else f"{ends[0]:.4f}-{ends[1]:.4f}"


def shorten(line: str, width: int = WIDTH) -> str:
    """A text on one line, cut at the width."""
    line = line.replace("\n", "⏎")
    return line if len(line) <= width else line[: width - 1] + "…"


def _format_row(name: str, figures: Figures) -> str:
    rates = "".join(
        f"{format_rate(value):>7}" for value in (figures.precision, figures.recall, figures.f1)
    )
    counts: Sequence[int | str] = (figures.support, figures.predicted, figures.correct)
    if figures.f1 is None:
        counts = ("-", "-", "-")
    return (
        f"{shorten(name, _LABEL_WIDTH):{_LABEL_WIDTH}}{rates}  "
        f"{format_interval(figures.intervals.get('f1')):13}"
        + "".join(f"{count:>9}" for count in counts)
    )


def _format_partial(scores: Scores) -> Iterator[str]:
    names = "".join(f"{outcome:>{len(outcome) + 1}}" for outcome in OUTCOMES)
    yield f"{'partial match':{_LABEL_WIDTH}}{names}{'F1':>7}  95 % interval"
    for scheme, of in scores.partial.items():
        figures = of[ALL]
        counts = "".join(f"{figures.outcomes[outcome]:>{len(outcome) + 1}}" for outcome in OUTCOMES)
        yield (
            f"{scheme:{_LABEL_WIDTH}}{counts}{format_rate(figures.f1):>7}  "
            f"{format_interval(figures.interval)}"
        )


def _format_slices(scores: Scores) -> Iterator[str]:
    yield "kinds of spans: strict F1 of both layers (gold spans)"
    for name, of in scores.slices.items():
        cells = _slice_cells(of)
        if cells:
            yield textwrap.fill(
                "   ".join(cells),
                WIDTH,
                initial_indent=f"{name:18}",
                subsequent_indent=" " * 18,
                break_long_words=False,
                break_on_hyphens=False,
            ).replace("\xa0", " ")


def _slice_cells(of: Mapping[str, Figures]) -> list[str]:
    """One cell a bin that occurs; its own spaces do not break."""
    return [
        f"{row} {format_rate(figures.f1)} ({figures.support:,})".replace(" ", "\xa0")
        for row, figures in of.items()
        if figures.f1 is not None
    ]


def _format_inexpressible(scores: Scores) -> list[str]:
    if not scores.inexpressible:
        return ["Every span begins and ends at a token border: seqeval sees them all."]
    sides = Counter(item.side for item in scores.inexpressible)
    spans = scores.layers["outer"].spans.micro.f1
    lines = [
        f"{sides['gold']} gold and {sides['predicted']} predicted spans begin or end inside a "
        "token. No tag can",
        "express them: seqeval does not see them. Strict span F1, which counts them, is",
        f"{format_rate(spans)} in the outer layer.",
    ]
    for item in scores.inexpressible[:EXAMPLES_SHOWN]:
        lines += [
            shorten(
                f"  {item.document} {item.span.start}-{item.span.end} "
                f"{item.span.label} ({item.side}): {item.mention}"
            ),
            shorten(f"    {item.reason}"),
        ]
    more = len(scores.inexpressible) - EXAMPLES_SHOWN
    return [*lines, *([f"  … and {more} more"] if more > 0 else [])]
