"""What a rule proposes, in token numbers, before conflicts are resolved."""

from typing import NamedTuple


class Candidate(NamedTuple):
    """A labelled interval of tokens, end exclusive, with the rule that made it.

    `inner` holds what lies inside by the same rule (the body of a title).
    """

    start: int
    end: int
    label: str
    source: str
    inner: tuple["Candidate", ...] = ()
