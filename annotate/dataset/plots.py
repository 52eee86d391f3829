"""The pictures of a dataset's card: PNG files whose bytes depend on the numbers alone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotate.scheme import LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOTS = "plots"
"""The folder of the pictures in the dataset."""

_COLOURS = {label.name: label.colour for label in LABELS}
_GREY = "#555555"
_WIDTH, _ROW = 7.0, 0.34  # inches


def draw_counts(path: Path, counts: Mapping[str, Mapping[str, int]]) -> None:
    """Bars of entities by label, the layers side by side; `counts` by label and layer."""
    with _picture(path, "entities", list(counts)) as axes:
        left = dict.fromkeys(counts, 0)
        for layer, alpha in (("outer", 1.0), ("inner", 0.45)):
            values = [by_layer.get(layer, 0) for by_layer in counts.values()]
            axes.barh(
                range(len(counts)),
                values,
                left=list(left.values()),
                color=[_COLOURS.get(label, _GREY) for label in counts],
                alpha=alpha,
                label=layer,
            )
            left = {label: left[label] + value for label, value in zip(left, values, strict=True)}
        for place, total in enumerate(left.values()):
            axes.annotate(f" {total:,}", (total, place), va="center")
        axes.legend(["outer layer", "inner layer (paler)"], frameon=False, loc="best")
        axes.set_xlim(0, max([*left.values(), 1]) * 1.12)
        axes.xaxis.set_major_formatter("{x:,.0f}")


def draw_shares(path: Path, shares: Mapping[str, float | None]) -> None:
    """Bars of shares between 0 and 1, by name; None where there is none."""
    with _picture(path, "share of test mentions that train has too", list(shares)) as axes:
        axes.barh(
            range(len(shares)),
            [share or 0.0 for share in shares.values()],
            color=[_COLOURS.get(name, _GREY) for name in shares],
        )
        for place, share in enumerate(shares.values()):
            text = " -" if share is None else f" {share:.1%}"
            axes.annotate(text, (share or 0.0, place), va="center")
        axes.set_xlim(0, 1.08)
        axes.xaxis.set_major_formatter(_percent)


def draw_estimates(
    path: Path,
    what: str,
    series: Mapping[str, Sequence[tuple[float | None, float | None, float | None]]],
    names: Sequence[str],
) -> None:
    """Points with intervals (value, low, high), by name; several series in different signs."""
    with _picture(path, what, names) as axes:
        for number, (title, row) in enumerate(series.items()):
            shift = (number - (len(series) - 1) / 2) * 0.22
            known = [
                (
                    place + shift,
                    value,
                    value if low is None else low,
                    value if high is None else high,
                )
                for place, (value, low, high) in enumerate(row)
                if value is not None
            ]
            axes.errorbar(
                [value for _, value, _, _ in known],
                [place for place, _, _, _ in known],
                xerr=[
                    [max(0.0, value - low) for _, value, low, _ in known],
                    [max(0.0, high - value) for _, value, _, high in known],
                ],
                fmt="os^D"[number % 4],
                color=("#0072B2", "#D55E00", "#009E73", _GREY)[number % 4],
                capsize=3,
                clip_on=False,
                label=title,
            )
        values = [
            n for points in series.values() for point in points for n in point if n is not None
        ]
        lowest = min(values, default=0.0)
        left = max(0.0, lowest - 0.1 * (1 - lowest) - 0.005)
        axes.set_xlim(left, 1 + 0.02 * (1 - left))
        if len(series) > 1:
            axes.legend(frameon=False, loc="best")


def _percent(share: float, _: float) -> str:
    return f"{share:.0%}"


@contextmanager
def _picture(path: Path, what: str, names: Sequence[str]) -> "Iterator[Axes]":
    """Axes with a row for each name, written to `path` at the end.

    The user's own settings of matplotlib are put aside and the file names no program or date, so
    that the same numbers give the same bytes.
    """
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {**matplotlib.rcParamsDefault, "font.size": 9, "svg.hashsalt": "vipol"}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(_WIDTH, 0.9 + _ROW * len(names)), dpi=110, layout="constrained")
        axes = figure.add_subplot()
        yield axes
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(what)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="#dddddd")
        axes.set_axisbelow(True)
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, format="png", metadata={"Software": None})
