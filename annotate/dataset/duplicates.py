"""Near-duplicates: documents that share most of their wording, so that no split parts them.

Two documents are near-duplicates when the Jaccard similarity of their sets of five-syllable
shingles is at least one half. MinHash finds the candidates (Broder 1997, "On the resemblance and
containment of documents") and bands of the signatures bring them together (Leskovec, Rajaraman &
Ullman, "Mining of Massive Datasets", chapter 3); the similarity itself is then counted, so no
two documents are joined by chance. Time is linear in the size of the texts.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from annotate.document import Document
from annotate.text import fold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

SIMILAR = 0.5
"""The Jaccard similarity from which on two documents belong together."""

_SHINGLE = 5
# With 32 bands of 4 a pair of similarity s becomes a candidate with 1 - (1 - s^4)^32:
# 87 % at 0.5, 99.98 % at 0.7, 0.3 % at 0.1.
_BANDS, _ROWS = 32, 4
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd: the golden ratio in 64 bits, as in Fibonacci hashing


def find_clusters(
    documents: Sequence[Document], progress: Callable[[int, int], None] | None = None
) -> list[list[int]]:
    """Numbers of the documents that belong together, each document in one cluster.

    Case, tone placement, look-alike signs and white space make no difference. Clusters and
    their members are in the order of the documents. `progress` is called with the documents done
    and all.
    """
    import numpy as np

    shingles: list[Hashes] = []
    generator = np.random.default_rng(1)  # fixed: clusters must not depend on the seed of a split
    factors = generator.integers(0, 2**64, _BANDS * _ROWS, dtype=np.uint64) | np.uint64(1)
    offsets = generator.integers(0, 2**64, _BANDS * _ROWS, dtype=np.uint64)
    parents = list(range(len(documents)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    first_in: dict[tuple[int, bytes], int] = {}
    for number, document in enumerate(documents):
        hashes = _shingle(document.text)
        shingles.append(hashes)
        signature = (hashes[:, None] * factors + offsets).min(0)
        for band in range(_BANDS):
            key = (band, signature[band * _ROWS : (band + 1) * _ROWS].tobytes())
            other = first_in.setdefault(key, number)
            one, two = root(other), root(number)
            if one != two and _similarity(shingles[other], hashes) >= SIMILAR:
                parents[max(one, two)] = min(one, two)
        if progress:
            progress(number + 1, len(documents))
    clusters: dict[int, list[int]] = defaultdict(list)
    for number in range(len(documents)):
        clusters[root(number)].append(number)
    return list(clusters.values())


def _shingle(text: str) -> "Hashes":
    """Hashes of the runs of five syllables of a text, each once; of all of a shorter one."""
    import numpy as np

    syllables = fold(text).split()
    hashes = np.array([zlib.crc32(syllable.encode()) for syllable in syllables], dtype=np.uint64)
    width = min(_SHINGLE, len(hashes))
    if not width:
        return np.zeros(1, dtype=np.uint64)  # nothing but white space
    total: Hashes = np.zeros(len(hashes) - width + 1, dtype=np.uint64)
    for place in range(width):
        total = total * np.uint64(_MULTIPLIER) + hashes[place : len(hashes) - width + 1 + place]
    # The low bits of such sums are little mixed; the high ones come down.
    return np.unique((total ^ (total >> np.uint64(32))) * np.uint64(_MULTIPLIER))


def _similarity(left: "Hashes", right: "Hashes") -> float:
    """Jaccard similarity of two sets, each sorted and without repeats."""
    import numpy as np

    common = len(np.intersect1d(left, right, assume_unique=True))
    return common / (len(left) + len(right) - common)
