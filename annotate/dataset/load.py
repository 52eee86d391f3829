"""A built dataset back as Documents."""

from pathlib import Path
from typing import Any

from annotate.dataset.rows import CONFIGS, row_to_document
from annotate.dataset.split import SPLITS
from annotate.document import Document, check_document
from annotate.errors import DataError, ServiceError


def load_documents(path: str | Path, split: str | None = None) -> list[Document]:
    """The documents of a built dataset, of one split or of all (train, validation, test).

    `path` is a folder or a name on the Hub (`ORG/NAME`). The inverse of `build_dataset`: ids,
    texts, spans and meta are what went in. Rows are read as a stream, so that no copy goes into
    the cache of `datasets`.

    Raises DataError for a folder that is no such dataset and for an unknown split, ServiceError
    where the Hub does not have it or does not answer.
    """
    if split is not None and split not in SPLITS:
        raise DataError(f"{path}: no split {split!r}; splits: {', '.join(SPLITS)}")
    documents: list[Document] = []
    for name in (split,) if split else SPLITS:
        for row in _read_rows(path, name):
            document = row_to_document(row)
            check_document(document, f"{path} (split {name}, document {document.id})")
            documents.append(document)
    return documents


def _read_rows(path: str | Path, split: str) -> list[dict[str, Any]]:
    from datasets import load_dataset

    folder = Path(path)
    if not folder.exists() and not _may_be_on_hub(str(path)):
        raise DataError(f"{path}: no such folder; the folder that vipol build wrote was wanted")
    if folder.is_file():
        raise DataError(f"{path}: is a file; the folder of a built dataset was wanted")
    try:
        rows = list(load_dataset(str(path), CONFIGS[0], split=split, streaming=True))
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        if folder.exists():
            raise DataError(
                f"{path}: not a dataset that vipol build wrote ({reason}); build it again"
            ) from None
        raise ServiceError(
            f"{path}: no such folder, and the Hub did not give it ({reason})"
        ) from None
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
