"""A trained linear chain, read out of its CRFsuite file to score many sequences at once.

python-crfsuite takes a sequence as lists of strings and looks each up again: half of the time of
tagging. Here the weights of a surface form are added up once and kept, and the sequences of a
document (or of many) go through Viterbi and forward-backward side by side in numpy. The best
tags are those of CRFsuite, but for one thing: a tag that cannot follow in the tagging scheme
(an `I-ORG` behind `O`) is never chosen.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from annotate.tags import OUTSIDE
from baselines.features import NEIGHBOURS, Form

Floats = npt.NDArray[np.float64]

MOST_FORMS = 100_000
"""Surface forms whose weights are kept before starting again, to bound memory."""


def may_follow(before: str | None, tag: str) -> bool:
    """Whether IOB2 lets `tag` stand behind `before` (None: at the start of a sequence)."""
    prefix, _, label = tag.partition("-")
    return prefix != "I" or (before is not None and before.partition("-")[2] == label)


class LinearChain:
    """The weights of a CRFsuite model; `tags` are in the order of all arrays."""

    def __init__(self, model: bytes) -> None:
        import pycrfsuite

        tagger = pycrfsuite.Tagger()
        tagger.open_inmemory(model)
        dump = tagger.info()
        self.tags: list[str] = sorted(tagger.labels(), key=lambda tag: (tag != OUTSIDE, tag))
        column = {tag: number for number, tag in enumerate(self.tags)}
        self._row: dict[str, int] = {}
        for feature, _ in dump.state_features:
            self._row.setdefault(feature, len(self._row) + 1)
        # row 0 is for features that the model does not know
        self._weights = np.zeros((len(self._row) + 1, len(self.tags)))
        for (feature, tag), weight in dump.state_features.items():
            self._weights[self._row[feature], column[tag]] = weight
        self._steps = np.zeros((len(self.tags), len(self.tags)))
        for (before, tag), weight in dump.transitions.items():
            self._steps[column[before], column[tag]] = weight
        for before in self.tags:
            for tag in self.tags:
                if not may_follow(before, tag):
                    self._steps[column[before], column[tag]] = -np.inf
        self._start = np.array([0.0 if may_follow(None, tag) else -np.inf for tag in self.tags])
        self._of_form: dict[str, Floats] = {}

    def add_up(self, features: Sequence[str]) -> Floats:
        """The summed weights of some features, one number a tag."""
        rows = [row for row in map(self._row.get, features) if row]
        total: Floats = self._weights[rows].sum(axis=0)
        return total

    def emissions(
        self, forms: Sequence[Form], sentences: npt.NDArray[np.int64], rows: Sequence[Sequence[str]]
    ) -> Floats:
        """Summed weights of all features of the tokens, shape (tokens, tags).

        `sentences` holds the number of the sentence of each token (neighbours count only
        within it), `rows` the features of each token beside those of forms.
        """
        by_form = np.array([self._form_weights(form) for form in forms])
        total: Floats = by_form[:, 0].copy()
        for place, distance in enumerate(NEIGHBOURS, start=1):
            if abs(distance) >= len(forms):
                continue
            here = slice(max(0, -distance), len(forms) - max(0, distance))
            there = slice(max(0, distance), len(forms) - max(0, -distance))
            same = sentences[here] == sentences[there]
            total[here] += by_form[there, place] * same[:, None]
        known = self._row.get
        flat: list[int] = []
        borders: list[int] = []
        for row in rows:
            borders.append(len(flat))
            flat.append(0)
            flat += [number for number in map(known, row) if number]
        total += np.add.reduceat(self._weights[flat], borders, axis=0)
        return total

    def _form_weights(self, form: Form) -> Floats:
        """Weights of a form for its own token and for its neighbours, shape (places, tags)."""
        weights = self._of_form.get(form.word)
        if weights is None:
            if len(self._of_form) >= MOST_FORMS:
                self._of_form.clear()
            weights = np.stack(
                [self.add_up(form.own), *(self.add_up(form.around[d]) for d in NEIGHBOURS)]
            )
            self._of_form[form.word] = weights
        return weights

    def decode(
        self, emissions: Floats, lengths: Sequence[int]
    ) -> tuple[npt.NDArray[np.int64], Floats]:
        """Best tags (as numbers) and their marginal probabilities, one a token.

        `emissions` holds the sequences behind one another, `lengths` how long each is (> 0).
        Viterbi and forward-backward as in Rabiner (1989), the latter scaled at each step.
        """
        order = np.argsort(-np.asarray(lengths), kind="stable")
        sizes = np.asarray(lengths)[order]
        firsts = (np.cumsum(lengths) - np.asarray(lengths))[order]
        alive = [int((sizes > step).sum()) for step in range(int(sizes[0]))]
        # emissions of step t of the sequences that are that long, the longest first
        slices = [emissions[firsts[:count] + step] for step, count in enumerate(alive)]
        best = self._viterbi(slices, sizes)
        marginal = self._marginals(slices)
        tags = np.empty(len(emissions), dtype=np.int64)
        chances = np.empty(len(emissions))
        for step, count in enumerate(alive):
            places = firsts[:count] + step
            tags[places] = best[step]
            chances[places] = marginal[step][np.arange(count), best[step]]
        return tags, chances

    def _viterbi(
        self, slices: Sequence[Floats], sizes: npt.NDArray[np.int64]
    ) -> list[npt.NDArray[np.int64]]:
        score = slices[0] + self._start
        sources: list[npt.NDArray[np.int64]] = []
        for emission in slices[1:]:
            count = len(emission)
            reached = score[:count, :, None] + self._steps
            source = reached.argmax(axis=1)
            sources.append(source)
            score[:count] = np.take_along_axis(reached, source[:, None], axis=1)[:, 0] + emission
        tag = score.argmax(axis=1)
        best = [tag[: len(slices[-1])].copy()]
        for step in range(len(slices) - 2, -1, -1):
            source = sources[step]
            count = len(source)
            tag[:count] = source[np.arange(count), tag[:count]]
            best.append(tag[: len(slices[step])].copy())
        return best[::-1]

    def _marginals(self, slices: Sequence[Floats]) -> list[Floats]:
        steps = np.exp(self._steps)
        weights = [np.exp(emission - emission.max(axis=1, keepdims=True)) for emission in slices]
        forward = [weights[0] * np.exp(self._start)]
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
