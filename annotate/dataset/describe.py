"""What describes a dataset beside its documents: a folder that people keep.

    dataset.toml        names, creators, first texts of the card's sections, meta of all documents
    annotations.jsonl   some documents, labelled by several: the agreement that the card states
    benchmark.json      scores of baselines, as scripts/benchmark writes them

Each may be missing. The folder is the one of the mark-up files, else `source/` of the dataset.
"""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from annotate.agreement import Agreement, measure_agreement
from annotate.document import Document, hash_gold, read_documents
from annotate.errors import DataError

SETTINGS = "dataset.toml"
ANNOTATIONS = "annotations.jsonl"
BENCHMARK = "benchmark.json"


@dataclass(frozen=True, slots=True)
class About:
    """What the documents do not say of the dataset; see `read_description` for its file.

    `annotations_creators` and `language_creators` are words of the Hub: expert-generated,
    crowdsourced, machine-generated, found, other. `sections` are by name: about, process,
    uses, limits, personal-data, citation.
    """

    pretty_name: str = "Named entities in Vietnamese political text"
    annotations_creators: tuple[str, ...] = ("other",)
    language_creators: tuple[str, ...] = ("other",)
    tags: tuple[str, ...] = ()
    sections: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BaselineScore:
    """One row of the benchmark: F1 (0 to 1) by layer, None where the model was not run."""

    model: str
    outer_f1: float | None = None
    outer_f1_interval: tuple[float, float] | None = None
    inner_f1: float | None = None
    inner_f1_interval: tuple[float, float] | None = None
    both_f1: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Scores of baselines on one split: the command that wrote them, what they were measured by."""

    command: str
    split: str
    rows: tuple[BaselineScore, ...]
    signature: str = ""
    note: str = ""

    def fits(self, gold: Iterable[Document]) -> bool:
        """Whether the scores are of these documents; true where the signature does not say."""
        _, _, data = self.signature.partition("data:")
        return not data or hash_gold(gold).startswith(data.partition("|")[0])


@dataclass(frozen=True, slots=True)
class Description:
    """All that the folder says; `meta` is what a document has unless it says otherwise."""

    about: About = field(default_factory=About)
    meta: dict[str, Any] = field(default_factory=dict)
    agreement: Agreement | None = None
    benchmark: Benchmark | None = None

    def complete(self, documents: Iterable[Document]) -> list[Document]:
        """The documents with the meta of all."""
        return [replace(document, meta={**self.meta, **document.meta}) for document in documents]


def read_description(folder: Path) -> Description:
    """What a folder says of a dataset; its `dataset.toml`:

        pretty_name = "…"
        annotations_creators = ["expert-generated"]
        language_creators = ["found"]
        tags = ["politics"]
        [meta]          # what every document has unless its front matter says otherwise
        licence = "cc-by-4.0"
        [sections]      # first texts of the card's sections
        about = "…"

    Raises DataError.
    """
    about, meta = _read_settings(folder / SETTINGS)
    twice, scores = folder / ANNOTATIONS, folder / BENCHMARK
    return Description(
        about,
        meta,
        measure_agreement(read_documents(twice, labelled=True, annotations=True))
        if twice.exists()
        else None,
        _read_benchmark(scores) if scores.exists() else None,
    )


def _read_settings(path: Path) -> tuple[About, dict[str, Any]]:
    if not path.exists():
        return About(), {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: cannot be read as TOML ({error})") from None
    meta = settings.pop("meta", {})
    if not isinstance(meta, dict):
        raise DataError(f"{path}: meta must be a table")
    known = [setting.name for setting in fields(About)]
    chosen: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in known:
            raise DataError(
                f"{path}: the setting {key!r} is not known; known: {', '.join(known)}, meta"
            )
        wanted = {"pretty_name": str, "sections": dict}.get(key, list)
        inside = value.values() if isinstance(value, dict) else value
        if not isinstance(value, wanted) or not all(isinstance(one, str) for one in inside):
            kind = {str: "a text", dict: "a table of texts"}.get(wanted, "a list of texts")
            raise DataError(f"{path}: {key} is not {kind}")
        chosen[key] = tuple(value) if wanted is list else value
    return About(**chosen), meta


def _read_benchmark(path: Path) -> Benchmark:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            {key: row[key] for key in row.keys() & {each.name for each in fields(BaselineScore)}}
            for row in record["rows"]
        ]
        for row in rows:
            for key in ("outer_f1_interval", "inner_f1_interval"):
                if row.get(key) is not None:
                    low, high = row[key]
                    row[key] = (float(low), float(high))
            for key in ("outer_f1", "inner_f1", "both_f1"):
                if row.get(key) is not None:
                    row[key] = float(row[key])
        return Benchmark(
            str(record["command"]),
            str(record["split"]),
            tuple(BaselineScore(**row) for row in rows),
            str(record.get("signature", "")),
            str(record.get("note", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: not the scores that scripts/benchmark writes ({error!r}); make them again, "
            "or move the file away"
        ) from None
