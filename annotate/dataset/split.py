"""Splits by document: seeded, balanced over labels, never across near-duplicates."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from annotate.document import Document, split_layers
from annotate.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, Split, Split] = ("train", "validation", "test")
_ISO_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ].*)?)?)?", re.ASCII)
SplitBy = Literal["balanced", "random", "date", "source"]
SHARES: dict[Split, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}


def assign_splits(
    documents: Sequence[Document],
    clusters: Sequence[Sequence[int]],
    *,
    by: SplitBy = "balanced",
    seed: int = 13,
    shares: Mapping[Split, float] = SHARES,
) -> list[Split]:
    """The split of each document; the documents of a cluster have the same one.

    - `balanced`: clusters go one by one, those with most entities first, to the split that
      lacks most of what they hold: documents and entities by label and layer count alike (the
      greedy rule of Sechidis, Tsoumakas & Vlahavas 2011, "On the Stratification of Multi-label
      Data").
    - `random`: by the seed alone, only the numbers of documents count.
    - `date`: the oldest documents are train, the newest test (`meta.published`).
    - `source`: as `balanced`, and all documents of one source are in one split (`meta.source`).

    The result depends on the documents and the seed, not on the order of the documents.

    Raises DataError for fewer than three clusters or sources (a split would be empty) and for
    a document without the date or source that is asked for.
    """
    groups = _join_sources(documents, clusters) if by == "source" else clusters
    if len(groups) < len(SPLITS):
        what = "sources" if by == "source" else "different texts (near copies count once)"
        raise DataError(
            f"documents: {len(documents)}, {what}: {len(groups)}; "
            "at least 3 are wanted for train, validation and test; add documents"
        )
    if by == "date":
        chosen = _cut_by_date(documents, groups, shares)
    else:
        chosen = _fill(documents, groups, seed, shares, labels=by != "random")
    splits: list[Split] = ["train"] * len(documents)
    for group, split in zip(groups, chosen, strict=True):
        for number in group:
            splits[number] = split
    return splits


def _fill(
    documents: Sequence[Document],
    groups: Sequence[Sequence[int]],
    seed: int,
    shares: Mapping[Split, float],
    labels: bool,
) -> list[Split]:
    """The split of each group, filled greedily; without `labels` only documents count."""
    import numpy as np

    counts = _count_features(documents, groups, labels)
    total = counts.sum(0)
    relative = counts / np.maximum(total, 1)
    target = np.array([[shares[split]] for split in SPLITS]) * (total > 0)
    have = np.zeros_like(target)
    members = np.zeros(len(SPLITS), dtype=int)
    ranks = [_rank(seed, min(documents[n].id for n in group)) for group in groups]
    order = sorted(range(len(groups)), key=lambda n: (-int(counts[n].sum()), ranks[n]))
    chosen: list[Split] = ["train"] * len(groups)
    for left, number in zip(range(len(groups), 0, -1), order, strict=True):
        gain = relative[number]
        # What the squared distance from the targets would grow by, split by split.
        growth = (gain * (gain + 2 * (have - target))).sum(1)
        if left <= np.count_nonzero(members == 0):
            growth[members > 0] = np.inf
        best = int(np.argmin(growth))
        have[best] += gain
        members[best] += 1
        chosen[number] = SPLITS[best]
    return chosen


def _cut_by_date(
    documents: Sequence[Document],
    groups: Sequence[Sequence[int]],
    shares: Mapping[Split, float],
) -> list[Split]:
    """The split of each group by its oldest document: train, then validation, then test."""
    dates = [_known_date(document) for document in documents]
    keys = [min((dates[n], documents[n].id) for n in group) for group in groups]
    order = sorted(range(len(groups)), key=lambda number: keys[number])
    chosen: list[Split] = ["test"] * len(groups)
    place = taken = 0
    bound = 0.0
    for following, split in ((2, SPLITS[0]), (1, SPLITS[1])):
        bound += shares[split] * len(documents)
        first = place
        while place < len(order) - following and (place == first or taken < bound - 0.5):
            chosen[order[place]] = split
            taken += len(groups[order[place]])
            place += 1
    return chosen


def _join_sources(
    documents: Sequence[Document], clusters: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Clusters that share a source, joined."""
    parents: dict[str, str] = {}

    def root(source: str) -> str:
        while parents.setdefault(source, source) != source:
            parents[source] = parents[parents[source]]
            source = parents[source]
        return source

    names = [_known(document, "source") for document in documents]
    for cluster in clusters:
        for number in cluster:
            parents[root(names[number])] = root(names[cluster[0]])
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        groups.setdefault(root(name), []).append(number)
    return list(groups.values())


def _known(document: Document, key: str) -> str:
    value = document.meta.get(key)
    if not isinstance(value, str) or not value:
        raise DataError(
            f"document {document.id}: no {key!r} in 'meta', which the splits are to be made by; "
            "add it, or split in another way"
        )
    return value


def _known_date(document: Document) -> str:
    """The day in `published`, which sorts by time: 2019, 2019-03, 2019-03-05 or with a time."""
    value = _known(document, "published")
    if not _ISO_DATE.fullmatch(value):
        raise DataError(
            f"document {document.id}: 'published' in 'meta' is {value!r}, a date as 2019-03-05 was "
            "wanted, which the splits are to be made by; mend it, or split in another way"
        )
    return value


def _rank(seed: int, document_id: str) -> str:
    return hashlib.sha256(f"{seed}:{document_id}".encode()).hexdigest()


def _count_features(
    documents: Sequence[Document], groups: Sequence[Sequence[int]], labels: bool
) -> "NDArray[np.float64]":
    """Documents, and with `labels` entities by layer and label, of each group."""
    import numpy as np

    found: list[Counter[tuple[str, str]]] = []
    for group in groups:
        counter: Counter[tuple[str, str]] = Counter({("", "documents"): len(group)})
        for number in group if labels else ():
            for layer, spans in split_layers(documents[number].spans).items():
                counter.update((layer, span.label) for span in spans)
        found.append(counter)
    names = sorted({name for counter in found for name in counter})
    return np.array([[counter[name] for name in names] for counter in found], dtype=float)
