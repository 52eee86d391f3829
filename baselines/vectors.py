"""Word vectors and clusters from unlabelled text: embeddings of the BiLSTM, features of the CRF.

No neural training: counts of forms that stand near one another, as shifted positive pointwise
mutual information, reduced by a singular value decomposition (Levy, Goldberg & Dagan 2015, who
find it as good as word2vec's skip-gram for many uses). Forms are folded (`annotate.text.fold`).

    PPMI(w, c) = max(0, log(#(w, c) · Σ#(·)^0.75 / (#(w) · #(c)^0.75)))    vector(w) = U_w · √Σ

Clusters are those of k-means over the vectors, coarse and fine: a CRF learns of a form it never
saw from the others in its cluster (Turian, Ratinov & Bengio 2010). The same texts and seed give
the same vectors and clusters.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from annotate.errors import DataError
from annotate.text import fold
from annotate.tokens import split_sentences, tokenize

CONTEXT_POWER = 0.75
"""Smooths the counts of contexts, as word2vec does with its negative samples."""

CLUSTERS = (64, 512)
"""Numbers of clusters, from coarse to fine."""

MOST_FORMS = 50_000
_CHUNK = 400_000
"""Tokens whose neighbours are counted at once, to bound memory."""


def build_vectors(
    texts: Iterable[str],
    *,
    words: bool = False,
    size: int = 100,
    window: int = 5,
    min_count: int = 5,
    seed: int = 13,
) -> dict[str, list[float]]:
    """A vector of length 1 for each folded form that occurs at least `min_count` times, the
    MOST_FORMS most frequent ones first. The forms are syllable tokens or, with `words`, words of a
    segmenter. `window`: tokens on each side, those nearer counting more (1/distance).

    Raises DataError where no more forms than `size` are left.
    """
    import numpy as np
    from scipy.sparse import coo_matrix, csr_matrix
    from sklearn.utils.extmath import randomized_svd  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    found, tokens = _number_forms(texts, words, window)
    counts = np.bincount(tokens[tokens >= 0], minlength=len(found))
    order = sorted(range(len(found)), key=lambda number: (-counts[number], found[number]))
    kept = [number for number in order if counts[number] >= min_count][:MOST_FORMS]
    if len(kept) <= size:
        raise DataError(
            f"only {len(kept)} forms occur {min_count} times or more in the unlabelled text; "
            f"wanted more than {size}: give more text"
        )
    place = np.full(len(found) + 1, -1)  # the last is for -1, where a text ends
    place[kept] = np.arange(len(kept))
    tokens = place[tokens]
    shape = (len(kept), len(kept))
    near = csr_matrix(shape, dtype=np.float32)
    for first in range(0, len(tokens), _CHUNK):
        piece = tokens[first : first + _CHUNK + window]
        rows, columns, weights = [], [], []
        for distance in range(1, window + 1):
            left = piece[: min(_CHUNK, len(piece) - distance)]
            right = piece[distance : distance + len(left)]
            both = (left >= 0) & (right >= 0)
            rows.append(left[both])
            columns.append(right[both])
            weights.append(np.full(int(both.sum()), 1 / distance, dtype=np.float32))
        pairs = (np.concatenate(rows), np.concatenate(columns))
        near = near + coo_matrix((np.concatenate(weights), pairs), shape).tocsr()
    near = (near + near.T).tocoo()
    by_form = np.asarray(near.sum(1)).ravel()
    by_context = np.asarray(near.sum(0)).ravel() ** CONTEXT_POWER
    weight = np.log(near.data * by_context.sum() / (by_form[near.row] * by_context[near.col]))
    positive = coo_matrix((np.maximum(weight, 0), (near.row, near.col)), shape).tocsr()
    with threadpool_limits(1):  # so that the sums do not depend on the number of cores
        left, strength, _ = randomized_svd(positive, n_components=size, random_state=seed)
    vectors = left * np.sqrt(strength)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    rounded = np.round(vectors.astype(float), 5).tolist()
    return dict(zip((found[number] for number in kept), rounded, strict=True))


def _number_forms(texts: Iterable[str], words: bool, gap: int) -> tuple[list[str], Any]:
    """The folded forms, and the number of the form of each token; `gap` times -1 between texts."""
    import numpy as np

    by_surface: dict[str, int] = {}
    by_form: dict[str, int] = {}
    numbers = array("i")
    for text in texts:
        for start, end in _segment(text) if words else tokenize(text):
            surface = text[start:end]
            number = by_surface.get(surface)
            if number is None:
                form = " ".join(fold(surface).split())
                number = by_surface[surface] = by_form.setdefault(form, len(by_form))
            numbers.append(number)
        numbers.extend([-1] * gap)
    return list(by_form), np.frombuffer(numbers, dtype=np.int32).astype(np.int64)


def _segment(text: str) -> Iterable[tuple[int, int]]:
    from annotate.dataset.words import segment_words

    for start, end in split_sentences(text):
        yield from segment_words(text, start, end)


def build_clusters(
    vectors: Mapping[str, Sequence[float]], *, sizes: Sequence[int] = CLUSTERS, seed: int = 13
) -> dict[str, tuple[str, ...]]:
    """For each form the names of its clusters, one for each number of clusters in `sizes` (fewer
    clusters where there are not twice as many forms)."""
    import numpy as np
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits

    table = np.array(list(vectors.values()))
    columns = []
    for most in sizes:
        count = min(most, max(1, len(table) // 2))
        means = KMeans(count, random_state=seed, n_init=1, max_iter=50)
        with threadpool_limits(1):
            columns.append([str(number) for number in means.fit_predict(table)])
    return dict(zip(vectors, zip(*columns, strict=True), strict=True))
