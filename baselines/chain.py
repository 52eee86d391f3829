"""Trained linear chains, read out of their CRFsuite files to score many sequences at once.

python-crfsuite takes a sequence as lists of strings and looks each up again: half of the time of
tagging. Here the weights of a form are added up once and kept, the weights of all chains over the
same features are fetched together, and the sequences of a document (or of many) go through
Viterbi and forward-backward side by side in numpy. The best tags are those of CRFsuite, but for
one thing: a tag that cannot follow in the tagging scheme (an `I-ORG` behind `O`) is never chosen.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from annotate.tags import OUTSIDE
from baselines.features import NEIGHBOURS, Form

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MOST_FORMS = 100_000
"""Forms whose weights are kept before starting again, to bound memory."""


def may_follow(before: str | None, tag: str) -> bool:
    """Whether IOB2 lets `tag` stand behind `before` (None: at the start of a sequence)."""
    prefix, _, label = tag.partition("-")
    return prefix != "I" or (before is not None and before.partition("-")[2] == label)


class LinearChain:
    """Tags and transitions of a CRFsuite model.

    tags: in the order of all arrays. steps: weight of one tag behind another, shape (tags, tags);
    start: of a tag at the start of a sequence; both -inf where IOB2 forbids it.
    """

    def __init__(self, model: bytes) -> None:
        import pycrfsuite

        tagger = pycrfsuite.Tagger()
        tagger.open_inmemory(model)
        dump = tagger.info()
        self.tags: list[str] = sorted(tagger.labels(), key=lambda tag: (tag != OUTSIDE, tag))
        self.state_weights: dict[tuple[str, str], float] = dump.state_features
        column = {tag: number for number, tag in enumerate(self.tags)}
        self.steps = np.zeros((len(self.tags), len(self.tags)))
        for (before, tag), weight in dump.transitions.items():
            self.steps[column[before], column[tag]] = weight
        for before in self.tags:
            for tag in self.tags:
                if not may_follow(before, tag):
                    self.steps[column[before], column[tag]] = -np.inf
        self.start = np.array([0.0 if may_follow(None, tag) else -np.inf for tag in self.tags])

    def decode(self, emissions: Floats, lengths: Sequence[int]) -> tuple[Integers, Floats]:
        """Best tags (as numbers) and their marginal probabilities, one a token.

        `emissions` holds the summed weights of the tokens of all sequences, one sequence behind
        the other, shape (tokens, tags); `lengths` says how long each sequence is (> 0). Viterbi
        and forward-backward as in Rabiner (1989), the latter scaled at each step.
        """
        if not lengths:
            return np.empty(0, dtype=np.int64), np.empty(0)
        order = np.argsort(-np.asarray(lengths), kind="stable")
        sizes = np.asarray(lengths)[order]
        firsts = (np.cumsum(lengths) - np.asarray(lengths))[order]
        alive = np.searchsorted(-sizes, -np.arange(sizes[0]), side="left").tolist()
        # emissions of step t of the sequences that are that long, the longest first
        slices = [emissions[firsts[:count] + step] for step, count in enumerate(alive)]
        best = self._viterbi(slices)
        marginal = self._marginals(slices)
        places = np.concatenate([firsts[:count] + step for step, count in enumerate(alive)])
        found = np.concatenate(best)
        tags = np.empty(len(emissions), dtype=np.int64)
        tags[places] = found
        chances = np.empty(len(emissions))
        chances[places] = np.concatenate(marginal)[np.arange(len(found)), found]
        return tags, chances

    def _viterbi(self, slices: Sequence[Floats]) -> list[Integers]:
        score = slices[0] + self.start
        sources: list[Integers] = []
        for emission in slices[1:]:
            count = len(emission)
            reached = score[:count, :, None] + self.steps
            source = reached.argmax(axis=1)
            sources.append(source)
            score[:count] = reached.max(axis=1) + emission
        tag = score.argmax(axis=1)
        best = [tag[: len(slices[-1])].copy()]
        for step in range(len(slices) - 2, -1, -1):
            source = sources[step]
            count = len(source)
            tag[:count] = source[np.arange(count), tag[:count]]
            best.append(tag[: len(slices[step])].copy())
        return best[::-1]

    def _marginals(self, slices: Sequence[Floats]) -> list[Floats]:
        steps = np.exp(self.steps)
        weights = [np.exp(emission - emission.max(axis=1, keepdims=True)) for emission in slices]
        forward = [weights[0] * np.exp(self.start)]
        forward[0] /= forward[0].sum(axis=1, keepdims=True)
        for weight in weights[1:]:
            reached = (forward[-1][: len(weight)] @ steps) * weight
            forward.append(reached / reached.sum(axis=1, keepdims=True))
        backward = np.ones_like(weights[-1])
        marginals: list[Floats] = []
        for step in range(len(slices) - 1, -1, -1):
            both = forward[step] * backward
            marginals.append(both / both.sum(axis=1, keepdims=True))
            if step:
                before = np.ones_like(weights[step - 1])  # a sequence that ends here begins with 1
                passed = (backward * weights[step]) @ steps.T
                before[: len(passed)] = passed / passed.max(axis=1, keepdims=True)
                backward = before
        return marginals[::-1]


class Weights:
    """The state weights of several chains over one set of features, side by side.

    All arrays have one column a tag of each chain, the chains one behind the other; `split` cuts
    them apart again.
    """

    def __init__(self, chains: Sequence[LinearChain]) -> None:
        self._borders = np.cumsum([len(chain.tags) for chain in chains])
        self._row: dict[str, int] = {}
        for chain in chains:
            for feature, _ in chain.state_weights:
                self._row.setdefault(feature, len(self._row) + 1)
        # row 0 is for features that no chain knows
        self._table = np.zeros((len(self._row) + 1, int(self._borders[-1])))
        column = 0
        for chain in chains:
            place = {tag: column + number for number, tag in enumerate(chain.tags)}
            for (feature, tag), weight in chain.state_weights.items():
                self._table[self._row[feature], place[tag]] = weight
            column += len(chain.tags)
        self._place: dict[Form, int] = {}
        self._forms = self._no_forms()

    def _no_forms(self) -> Floats:
        return np.empty((0, 1 + len(NEIGHBOURS), self._table.shape[1]))

    def split(self, emissions: Floats) -> list[Floats]:
        """The emissions of each chain."""
        return np.split(emissions, self._borders[:-1], axis=1)

    def of_rows(self, rows: Iterable[Iterable[str]]) -> Floats:
        """Summed weights of the features in each row."""
        known = self._row.get
        flat: list[int] = []
        borders: list[int] = []
        for row in rows:
            borders.append(len(flat))
            flat.append(0)
            flat += filter(None, map(known, row))
        if not borders:
            return np.empty((0, self._table.shape[1]))
        total: Floats = np.add.reduceat(self._table[flat], borders, axis=0)
        return total

    def of_forms(self, columns: Sequence[Sequence[Form]], sentences: Integers) -> Floats:
        """Summed weights of the features that a token and its neighbours have by their forms.

        Each column has one form a token; `sentences` holds the number of the sentence of each
        token: neighbours count only within it.
        """
        count = len(sentences)
        by_form = np.zeros((count, 1 + len(NEIGHBOURS), self._table.shape[1]))
        for forms in columns:
            if count:
                by_form += self._form_weights(forms)
        total: Floats = by_form[:, 0].copy()
        for place, distance in enumerate(NEIGHBOURS, start=1):
            if abs(distance) < count:
                here = slice(max(0, -distance), count - max(0, distance))
                there = slice(max(0, distance), count - max(0, -distance))
                same = sentences[here] == sentences[there]
                total[here] += by_form[there, place] * same[:, None]
        return total

    def _form_weights(self, forms: Sequence[Form]) -> Floats:
        """For each form its weights for the token itself and for its neighbours."""
        place = self._place
        if len(place) > MOST_FORMS:
            place.clear()
            self._forms = self._no_forms()
        new = [form for form in dict.fromkeys(forms) if form not in place]
        if new:
            rows = ((form.own, *(form.around[distance] for distance in NEIGHBOURS)) for form in new)
            weights = self.of_rows(row for of_form in rows for row in of_form).reshape(
                len(new), *self._forms.shape[1:]
            )
            place.update(zip(new, range(len(place), len(place) + len(new)), strict=True))
            self._forms = np.concatenate([self._forms, weights])
        found: Floats = self._forms[[place[form] for form in forms]]
        return found
