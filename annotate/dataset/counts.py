"""Every number of a dataset's card, from the documents themselves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from annotate.dataset.split import SPLITS, Split
from annotate.document import Document, split_layers
from annotate.scheme import LABEL_NAMES


@dataclass(frozen=True, slots=True)
class SeenShare:
    """How many mentions of test occur in train, character for character, with the same label."""

    mentions: int
    seen: int

    @property
    def share(self) -> float | None:
        """`seen` over `mentions`; None without mentions."""
        return self.seen / self.mentions if self.mentions else None


def count_entities(parts: Mapping[Split, Sequence[Document]]) -> Counter[tuple[str, str, str]]:
    """Entities by (split, layer, label)."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for split, documents in parts.items():
        for document in documents:
            for layer, spans in split_layers(document.spans).items():
                counts.update((split, layer, span.label) for span in spans)
    return counts


def measure_seen(parts: Mapping[Split, Sequence[Document]]) -> dict[str, SeenShare]:
    """The seen share by label, over both layers; all labels together under `all`.

    Augenstein, Derczynski & Bontcheva 2017 ("Generalisation in named entity recognition: A
    quantitative analysis") show how much of a score such mentions make.
    """

    def pairs(split: Split) -> list[tuple[str, str]]:
        return [
            (span.label, document.text[span.start : span.end])
            for document in parts[split]
            for span in document.spans
        ]

    known = set(pairs(SPLITS[0]))
    total: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for pair in pairs(SPLITS[-1]):
        for row in (pair[0], "all"):
            total[row] += 1
            seen[row] += pair in known
    return {row: SeenShare(total[row], seen[row]) for row in (*LABEL_NAMES, "all")}


def count_meta(documents: Sequence[Document], key: str) -> Counter[str]:
    """How many documents have each value of a key of `meta`; those without it are left out."""
    counts: Counter[str] = Counter()
    for document in documents:
        value = document.meta.get(key)
        if isinstance(value, str) and value:
            counts[value] += 1
        elif isinstance(value, list):
            counts.update(str(item) for item in value)
    return counts
