"""Annotators in what is published: an e-mail address becomes annotator-1, annotator-2, ….

Who is who stays in `private/annotators.json` of the dataset's folder, which no publication takes.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from annotate.document import Document
from annotate.errors import DataError
from annotate.files import open_output

WHO_IS_WHO = Path("private", "annotators.json")
"""Where the folder of a dataset has the names behind the pseudonyms."""

PERSON_KEYS = ("annotator", "annotators", "decided_by")
"""Keys of `meta` whose values say who worked on a document."""

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Documents without annotators' e-mail addresses, and the address behind each pseudonym."""

    documents: list[Document]
    addresses: dict[str, str]


def replace_addresses(documents: Sequence[Document], known: Mapping[str, str]) -> Pseudonyms:
    """The documents with a pseudonym wherever `meta` has the e-mail address of an annotator.

    `known` are earlier pseudonyms with their addresses; they stay. New addresses are numbered in
    alphabetical order. Names that are no addresses stay as they are.
    """
    named = {name for document in documents for name in _people(document.meta)}
    pseudonyms = {address: name for name, address in known.items()}
    taken = {*known, *named}
    number = 0
    for address in sorted(name for name in named if _ADDRESS.fullmatch(name)):
        while address not in pseudonyms:
            number += 1
            if f"annotator-{number}" not in taken:
                pseudonyms[address] = f"annotator-{number}"
    if not pseudonyms:
        return Pseudonyms(list(documents), {})
    # Whole addresses in any case: an@x.vn is no part of lan@x.vn, nor of an@x.vn.edu.
    every = "|".join(map(re.escape, sorted(pseudonyms, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w.+%@-])(?:{every})(?![\w@-]|\.\w)", re.IGNORECASE)
    folded = {address.lower(): name for address, name in pseudonyms.items()}

    def hide(value: Any) -> Any:
        if isinstance(value, str):
            return pattern.sub(lambda match: folded[match.group().lower()], value)
        if isinstance(value, list):
            return [hide(item) for item in value]
        if isinstance(value, dict):
            return {hide(key): hide(item) for key, item in value.items()}
        return value

    return Pseudonyms(
        [replace(document, meta=hide(document.meta)) for document in documents],
        {name: address for address, name in sorted(pseudonyms.items(), key=lambda item: item[1])},
    )


def _people(meta: Mapping[str, Any]) -> Iterator[str]:
    for key in PERSON_KEYS:
        value = meta.get(key)
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str):
                yield name


def read_addresses(folder: Path) -> dict[str, str]:
    """The pseudonyms of a dataset's folder with their addresses; none where it has no file.

    Raises DataError.
    """
    path = folder / WHO_IS_WHO
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(known, dict) or not all(isinstance(v, str) for v in known.values()):
            raise ValueError("names with their addresses were wanted")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); mend it or move it away") from None
    if len(set(known.values())) < len(known):
        raise DataError(f"{path}: two pseudonyms have one address; keep one of them")
    return known


def write_addresses(folder: Path, addresses: Mapping[str, str]) -> None:
    """Write who is who for the owner of the folder alone; nothing where there is no address."""
    path = folder / WHO_IS_WHO
    if not addresses or read_addresses(folder) == addresses:
        return
    with open_output(path) as stream:
        json.dump(addresses, stream, ensure_ascii=False, indent=2)
        stream.write("\n")
    path.chmod(0o600)
