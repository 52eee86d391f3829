"""Splits by document: seeded, balanced over labels, never across near-duplicates."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from annotate.document import Document, split_layers
from annotate.errors import DataError
from annotate.text import fold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, Split, Split] = ("train", "validation", "test")
SHARES: dict[Split, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}


def find_clusters(documents: Sequence[Document]) -> list[list[int]]:
    """Numbers of the documents that belong together, each document in one cluster.

    Two documents belong together when their texts are the same but for case, tone placement
    and white space. Clusters and their members are in the order of the documents.
    """
    clusters: dict[str, list[int]] = {}
    for number, document in enumerate(documents):
        clusters.setdefault(" ".join(fold(document.text).split()), []).append(number)
    return list(clusters.values())


def assign_splits(
    documents: Sequence[Document],
    clusters: Sequence[Sequence[int]],
    *,
    seed: int = 13,
    shares: Mapping[Split, float] = SHARES,
) -> list[Split]:
    """The split of each document.

    Clusters go one by one, those with most entities first, to the split that lacks most of
    what they hold: documents and entities by label and layer count alike (the greedy rule of
    Sechidis, Tsoumakas & Vlahavas 2011, "On the Stratification of Multi-label Data"). The
    result depends on ids, spans and seed, not on the order of the documents.

    Raises DataError for fewer than three clusters: a split would be empty.
    """
    import numpy as np

    if len(clusters) < len(SPLITS):
        raise DataError(
            f"{len(documents)} documents make {len(clusters)} groups of different texts; "
            "at least 3 are wanted for train, validation and test; add documents"
        )
    counts = _count_features(documents, clusters)
    total = counts.sum(0)
    relative = counts / np.maximum(total, 1)
    target = np.array([[shares[split]] for split in SPLITS]) * (total > 0)
    have = np.zeros_like(target)
    members = np.zeros(len(SPLITS), dtype=int)
    ranks = [_rank(seed, min(documents[n].id for n in cluster)) for cluster in clusters]
    order = sorted(range(len(clusters)), key=lambda n: (-int(counts[n].sum()), ranks[n]))
    chosen: list[Split] = ["train"] * len(documents)
    for left, number in zip(range(len(clusters), 0, -1), order, strict=True):
        gain = relative[number]
        # What the squared distance from the targets would grow by, split by split.
        growth = (gain * (gain + 2 * (have - target))).sum(1)
        if left <= np.count_nonzero(members == 0):
            growth[members > 0] = np.inf
        best = int(np.argmin(growth))
        have[best] += gain
        members[best] += 1
        for document in clusters[number]:
            chosen[document] = SPLITS[best]
    return chosen


def _rank(seed: int, document_id: str) -> str:
    return hashlib.sha256(f"{seed}:{document_id}".encode()).hexdigest()


def _count_features(
    documents: Sequence[Document], clusters: Sequence[Sequence[int]]
) -> "NDArray[np.float64]":
    """Documents, and entities by layer and label, of each cluster."""
    import numpy as np

    found: list[Counter[tuple[str, str]]] = []
    for cluster in clusters:
        counter: Counter[tuple[str, str]] = Counter({("", "documents"): len(cluster)})
        for number in cluster:
            for layer, spans in split_layers(documents[number].spans).items():
                counter.update((layer, span.label) for span in spans)
        found.append(counter)
    names = sorted({name for counter in found for name in counter})
    return np.array([[counter[name] for name in names] for counter in found], dtype=float)
