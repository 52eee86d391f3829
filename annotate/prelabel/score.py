"""How far a rule can be trusted: its observed precision on the sample corpus.

`lexicons/scores.toml` is written by `scripts/fit_scores`. A rule seen `n` times and right `k`
times scores `(k + 5 p) / (n + 5)`, where `p` is the precision of its label: additive smoothing
towards the label, so that a rule seen twice is not called certain.
"""

import tomllib
from functools import cache
from pathlib import Path

from annotate.errors import DataError

SCORES = Path(__file__).parent / "lexicons" / "scores.toml"


@cache
def load_scores() -> dict[str, float]:
    """Score by source (`rule:date.day`), and by label for a source not in the table.

    Raises DataError for a table that cannot be read.
    """
    try:
        table = tomllib.loads(SCORES.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{SCORES}: {error}; run scripts/fit_scores") from None
    return {**table["label"], **table["source"]}


def score_of(source: str, label: str) -> float:
    """The score of a span by its source, or by its label where the source was never seen."""
    scores = load_scores()
    return scores.get(source, scores.get(label, 0.5))
