"""Word vectors from unlabelled text, for the embeddings of the BiLSTM.

No neural training: counts of forms that stand near one another, as shifted positive pointwise
mutual information, reduced by a singular value decomposition (Levy, Goldberg & Dagan 2015, who
find it as good as word2vec's skip-gram for many uses). Forms are folded (`annotate.text.fold`).

    PPMI(w, c) = max(0, log(#(w, c) · Σ#(·)^0.75 / (#(w) · #(c)^0.75)))    vector(w) = U_w · √Σ

The file is that of word2vec in text form: a line `count size`, then a line a form: the form and
its numbers, separated by spaces.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from annotate.errors import DataError
from annotate.files import open_input, open_output
from annotate.text import fold
from annotate.tokens import tokenize

CONTEXT_POWER = 0.75
"""Smooths the counts of contexts, as word2vec does with its negative samples."""


def build_vectors(
    texts: Iterable[str],
    *,
    size: int = 100,
    window: int = 5,
    min_count: int = 5,
    most: int = 50_000,
    seed: int = 13,
) -> dict[str, list[float]]:
    """A vector of length 1 for each folded form that occurs at least `min_count` times, the `most`
    frequent ones. `window`: tokens on each side, those nearer counting more (1/distance).

    Raises DataError where fewer forms than `size` are left.
    """
    import numpy as np
    from scipy.sparse import coo_matrix, csr_matrix
    from sklearn.utils.extmath import randomized_svd  # type: ignore[import-untyped]

    lines = [[fold(text[start:end]) for start, end in tokenize(text)] for text in texts]
    counts = Counter(form for line in lines for form in line)
    forms = [form for form, count in counts.most_common(most) if count >= min_count]
    if len(forms) <= size:
        raise DataError(
            f"only {len(forms)} forms occur {min_count} times or more; wanted more than {size}: "
            "give more text, or ask for smaller vectors"
        )
    number = {form: place for place, form in enumerate(forms)}
    shape = (len(forms), len(forms))
    near = csr_matrix(shape, dtype=np.float32)
    for first in range(0, len(lines), 2_000):  # in pieces, to bound memory
        flat: list[int] = []
        for line in lines[first : first + 2_000]:
            flat += [number.get(form, -1) for form in line] + [-1] * window
        tokens = np.array(flat)
        for distance in range(1, window + 1):
            left, right = tokens[:-distance], tokens[distance:]
            both = (left >= 0) & (right >= 0)
            ones = np.full(int(both.sum()), 1 / distance, dtype=np.float32)
            pairs = coo_matrix((ones, (left[both], right[both])), shape).tocsr()
            near = near + pairs + pairs.T
    near = near.tocoo()
    by_form = np.asarray(near.sum(1)).ravel()
    by_context = np.asarray(near.sum(0)).ravel() ** CONTEXT_POWER
    weight = np.log(near.data * by_context.sum() / (by_form[near.row] * by_context[near.col]))
    positive = coo_matrix((np.maximum(weight, 0), (near.row, near.col)), shape).tocsr()
    left, strength, _ = randomized_svd(positive, n_components=size, random_state=seed)
    vectors = left * np.sqrt(strength)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.maximum(lengths, 1e-9)
    return {
        form: [round(float(value), 5) for value in row]
        for form, row in zip(forms, vectors, strict=True)
    }


def write_vectors(path: str | Path, vectors: Mapping[str, list[float]]) -> None:
    """Write vectors in word2vec's text form, whole or not at all."""
    size = len(next(iter(vectors.values())))
    with open_output(path) as stream:
        stream.write(f"{len(vectors)} {size}\n")
        for form, values in vectors.items():
            stream.write(f"{form} {' '.join(map(str, values))}\n")


def read_vectors(path: str | Path) -> dict[str, list[float]]:
    """Vectors by folded form; of forms that fold to one the first counts (files begin with the
    frequent ones). The first line may be left out, as GloVe's files do.

    Raises DataError that names file and line for anything else than a form and its numbers, for
    vectors of unequal length, and for none.
    """
    vectors: dict[str, list[float]] = {}
    size = 0
    with open_input(path) as stream:
        for line_number, raw in enumerate(stream, start=1):
            where = f"{path}:{line_number}"
            try:
                form, *values = raw.decode("utf-8").rstrip().split(" ")
                numbers = [float(value) for value in values]
            except ValueError:
                raise DataError(f"{where}: a form and its numbers were wanted") from None
            if line_number == 1 and len(numbers) == 1:
                continue
            size = size or len(numbers)
            if len(numbers) != size or not size:
                raise DataError(f"{where}: {len(numbers)} numbers, wanted {size or 'some'}")
            if not all(map(math.isfinite, numbers)):
                raise DataError(f"{where}: a number that is not finite")
            vectors.setdefault(fold(form), numbers)
    if not vectors:
        raise DataError(f"{path}: holds no vectors; make them from unlabelled text first")
    return vectors
