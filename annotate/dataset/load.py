"""A built dataset back as Documents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotate.dataset.rows import CONFIGS, TOKEN_CONFIGS, row_to_document
from annotate.dataset.sentences import (
    ask_dataset,
    list_configs,
    list_splits,
    load_token_data,
    sentences_to_documents,
)
from annotate.dataset.split import SPLITS, Split
from annotate.document import Document, check_document
from annotate.errors import DataError


def is_dataset(path: str | Path) -> bool:
    """Whether a folder holds a built or imported dataset: a card, and Parquet in configurations."""
    return (Path(path) / "README.md").exists() and any(Path(path).glob("*/*.parquet"))


def load_documents(path: str | Path, split: str | None = None) -> list[Document]:
    """The documents of a built or imported dataset, of one split or of all that it has.

    `path` is a folder or a name on the Hub (`ORG/NAME`). The inverse of `build_dataset`: ids,
    texts, spans and meta are what went in. The documents of an imported dataset have its labels
    and tokens (`Document.foreign`). Rows are read as a stream, so that no copy goes into the
    cache of `datasets`.

    Raises DataError for a folder that is no such dataset and for an unknown split, ServiceError
    where the Hub does not have it or does not answer.
    """
    if split is not None and split not in SPLITS:
        raise DataError(f"{path}: no split {split!r}; splits: {', '.join(SPLITS)}")
    _check_path(path)
    documents: list[Document] = []
    for name, document in _read_parts(path, split):
        check_document(document, f"{path} (split {name}, document {document.id})")
        documents.append(document)
    return documents


def has_split(path: str | Path, split: Split) -> bool:
    """Whether a built or imported dataset has a split; of ours each has all three."""
    _check_path(path)
    configs = list_configs(path)
    return CONFIGS[0] in configs or split in list_splits(path, configs[0])


def _read_parts(path: str | Path, wanted: str | None) -> Iterator[tuple[Split, Document]]:
    chosen = tuple(split for split in SPLITS if wanted in (None, split))
    if _is_imported(path):
        data = load_token_data(path, chosen[0] if wanted else None)
        yield from sentences_to_documents(data)
        return
    for name in chosen:
        for row in _read_rows(path, name):
            yield name, row_to_document(row)


def _is_imported(path: str | Path) -> bool:
    """Whether a dataset has tokens but no configuration `documents`."""
    configs = list_configs(path)
    return CONFIGS[0] not in configs and any(config in configs for config in TOKEN_CONFIGS)


def _check_path(path: str | Path) -> None:
    if not Path(path).exists() and not _may_be_on_hub(str(path)):
        raise DataError(f"{path}: no such folder; the folder that vipol build wrote was wanted")
    if Path(path).is_file():
        raise DataError(f"{path}: is a file; the folder of a built dataset was wanted")


def _read_rows(path: str | Path, split: str) -> list[dict[str, Any]]:
    from datasets import load_dataset

    rows: list[dict[str, Any]] = ask_dataset(
        path, lambda name: list(load_dataset(name, CONFIGS[0], split=split, streaming=True))
    )
    missing = {"id", "text", "entities"} - (rows[0].keys() if rows else set())
    if missing:
        raise DataError(
            f"{path}: its configuration 'documents' has no {min(missing)!r}; "
            "a dataset that vipol build wrote was wanted"
        )
    return rows


def _may_be_on_hub(name: str) -> bool:
    """Whether a name that is no folder can be ORG/NAME on the Hub, not a mistyped path."""
    return name.count("/") == 1 and name[0] not in "./~" and not name.startswith("datasets/")
