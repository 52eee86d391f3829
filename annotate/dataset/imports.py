"""Others' files in columns → a dataset with their own labels and tokens."""

import hashlib
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotate.dataset.card import CARD, edited_sections, keep_section, mark_sections
from annotate.dataset.conll import Columns, read_conll
from annotate.dataset.folder import check_replaceable, recover_dataset, replace_dataset
from annotate.dataset.sentences import (
    IMPORTED,
    TAG_COLUMNS,
    TokenConfig,
    TokenData,
    TokenSentence,
    count_labels,
    find_tag_problem,
    label_set,
    layers_of,
    sentences_to_documents,
    tag_names,
)
from annotate.dataset.split import SPLITS, Split
from annotate.document import check_document
from annotate.errors import DataError
from annotate.files import open_input
from annotate.scheme import LAYERS, Layer
from annotate.tags import OUTSIDE, tags_to_spans

if TYPE_CHECKING:
    from datasets import Features

_SECTIONS = {
    "about": "Not described yet: whose data these are, and where they are from.",
    "citation": "Not given yet: the paper of those who made the data.",
}
"""The sections of the card that people write, with what stands there until they do."""

LabelMap = Mapping[str, str | None]
"""From a label of the files to the label wanted; None leaves its entities out."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import took in; `dropped` are entities whose label the map leaves out."""

    folder: Path
    config: TokenConfig
    labels: tuple[str, ...]
    sentences: dict[Split, int]
    tokens: dict[Split, int]
    entities: Counter[tuple[Split, Layer, str]]
    dropped: Counter[str]
    unused: tuple[str, ...]
    """Labels of the map that no file has."""
    not_composed: int
    """Tokens that are not in NFC; they are kept as they are."""
    stray: Counter[str]
    """Runs of `I-` with no `B-` before, by file; kept, they are no entities in strict IOB2."""

    def __str__(self) -> str:
        return format_import(self)


def read_label_map(path: Path) -> dict[str, str | None]:
    """The label map of a TOML file; `false` leaves a label out:

        [labels]
        PER = "PERSON"
        MISC = false

    Raises DataError.
    """
    with open_input(path) as stream:
        try:
            settings = tomllib.loads(stream.read().decode("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise DataError(f"{path}: cannot be read as TOML ({error})") from None
    labels = settings.get("labels")
    if settings.keys() != {"labels"} or not isinstance(labels, dict) or not labels:
        raise DataError(f'{path}: a table [labels] and nothing else was wanted, as PER = "PERSON"')
    read: dict[str, str | None] = {}
    for name, wanted in labels.items():
        if wanted is not False and (
            not isinstance(wanted, str) or find_tag_problem(f"B-{wanted}") is not None
        ):
            raise DataError(
                f"{path}: {name} = {wanted!r}: a label without white space, or false, was wanted"
            )
        read[name] = wanted or None
    return read


def map_labels(sentence: TokenSentence, labels: LabelMap) -> TokenSentence:
    """The sentence with its labels mapped; every label of it must be in the map."""

    def mapped(tag: str) -> str:
        if tag == OUTSIDE:
            return OUTSIDE
        prefix, _, label = tag.partition("-")
        wanted = labels[label]
        return OUTSIDE if wanted is None else f"{prefix}-{wanted}"

    inner = None if sentence.inner is None else tuple(map(mapped, sentence.inner))
    return replace(sentence, tags=tuple(map(mapped, sentence.tags)), inner=inner)


_WORD = re.compile(r"[^\W\d_]_[^\W\d_]")


def import_conll(
    files: Mapping[Split, str | Path],
    folder: Path,
    *,
    columns: Columns | None = None,
    labels: LabelMap | None = None,
    config: TokenConfig | None = None,
    licence: str | None = None,
) -> ImportReport:
    """Make a dataset of files in columns, one file a split; tokens and labels stay theirs.

    The folder has one configuration, `word` or `syllable` (unless told: `word` where a token
    joins syllables by `_`), with the columns document_id, sentence, tokens, ner_tags and, where
    `columns` name a second layer, ner_tags_inner. Its manifest names the label set. The same
    files give the same bytes. `licence` is that of the data, as the Hub writes it; without one
    the dataset cannot be published.

    Raises DataError as `read_conll`; for no file, one file in two splits, a label that the map
    lacks, files without any entity, and a folder that holds other things. `folder` is then as it
    was before.
    """
    _check_files(files)
    found = {
        split: [_name_document(s, split) for s in read_conll(files[split], columns)]
        for split in SPLITS
        if split in files
    }
    stray = Counter({str(files[split]): _count_stray(part) for split, part in found.items()})
    before = count_labels(sentence for part in found.values() for sentence in part)
    unused: tuple[str, ...] = ()
    dropped: Counter[str] = Counter()
    if labels is not None:
        _check_labels(found, files, labels)
        known = {label for _, label in before}
        unused = tuple(sorted(labels.keys() - known))
        for (_, label), count in before.items():
            if labels[label] is None:
                dropped[label] += count
        found = {split: [map_labels(s, labels) for s in part] for split, part in found.items()}
    every = [sentence for part in found.values() for sentence in part]
    names = label_set(every)
    if not names:
        raise DataError(
            f"{_first_name(files)}: no entity is left in any file; "
            "check the column of the tags and the label map"
        )
    tokens = [token for sentence in every for token in sentence.tokens]
    if config is None:
        config = "word" if any(map(_WORD.search, tokens)) else "syllable"
    _check_layers(found, files)
    for split, document in sentences_to_documents(TokenData(config, names, found)):
        check_document(document, f"{files[split]} (document {document.id})")
    report = ImportReport(
        folder=folder,
        config=config,
        labels=names,
        sentences={split: len(part) for split, part in found.items()},
        tokens={split: sum(len(s.tokens) for s in part) for split, part in found.items()},
        entities=Counter(
            {
                (split, layer, label): count
                for split, part in found.items()
                for (layer, label), count in count_labels(part).items()
            }
        ),
        dropped=dropped,
        unused=unused,
        not_composed=sum(not unicodedata.is_normalized("NFC", token) for token in tokens),
        stray=stray,
    )
    recover_dataset(folder)
    check_replaceable(folder)
    sections = {**_SECTIONS, **edited_sections(folder)}
    facts = {
        "kind": IMPORTED,
        "sections": mark_sections(_SECTIONS),
        "config": config,
        "labels": list(names),
        "licence": licence,
        "imported": {split: _hash_file(files[split]) for split in found},
    }
    with replace_dataset(folder, facts) as new:
        _write_dataset(new, found, report, licence, sections)
    return report


def format_import(report: ImportReport) -> str:
    """The counts in a few lines of at most 80 columns."""
    lines = [
        f"{report.folder}: configuration {report.config}, {len(report.labels)} labels: "
        f"{', '.join(report.labels)}"
    ]
    for split, sentences in report.sentences.items():
        entities = sum(count for key, count in report.entities.items() if key[0] == split)
        lines.append(
            f"  {split:10} {sentences:7} sentences {report.tokens[split]:9} tokens "
            f"{entities:7} entities"
        )
    if report.dropped:
        named = ", ".join(f"{count} {label}" for label, count in sorted(report.dropped.items()))
        lines.append(f"  left out by the label map: {named}")
    if report.unused:
        lines.append(f"  in the label map, in no file: {', '.join(report.unused)}")
    for name, count in report.stray.items():
        if count:
            lines.append(f"  {name}: {count} runs of I- with no B-, kept; they are no entities")
    if report.not_composed:
        lines.append(f"  tokens not in NFC, kept as they are: {report.not_composed}")
    return "\n".join(lines)


def _first_name(files: Mapping[Split, str | Path]) -> str:
    return str(next(iter(files.values())))


def _check_files(files: Mapping[Split, str | Path]) -> None:
    if not files:
        raise DataError("no file to import; give at least one of train, validation and test")
    seen: dict[Path, Split] = {}
    for split, path in files.items():
        if split not in SPLITS:
            raise DataError(f"{path}: no split {split!r}; splits: {', '.join(SPLITS)}")
        place = Path(path).resolve()
        if place in seen:
            raise DataError(f"{path}: is given for {seen[place]} and {split}; give each file once")
        seen[place] = split


def _check_labels(
    found: Mapping[Split, list[TokenSentence]],
    files: Mapping[Split, str | Path],
    labels: LabelMap,
) -> None:
    for split, part in found.items():
        missing = [label for label in label_set(part) if label not in labels]
        if missing:
            raise DataError(
                f"{files[split]}: the label {missing[0]} is not in the label map; "
                f'write {missing[0]} = "{missing[0]}" to keep it, {missing[0]} = false to leave '
                "it out"
            )


def _count_stray(sentences: Iterable[TokenSentence]) -> int:
    return sum(
        find_tag_problem(tag, before) is not None
        for sentence in sentences
        for _, tags in layers_of(sentence)
        for before, tag in pairwise((OUTSIDE, *tags))
    )


def _name_document(sentence: TokenSentence, split: Split) -> TokenSentence:
    """The sentence with a document named after the split: files of two splits may share a name."""
    if sentence.document is None:
        return sentence
    return replace(sentence, document=f"{split}#{sentence.document.rpartition('#')[2]}")


def _check_layers(
    found: Mapping[Split, list[TokenSentence]], files: Mapping[Split, str | Path]
) -> None:
    """Raise DataError where an entity of the second column is not inside one of the first."""
    for split, part in found.items():
        for number, sentence in enumerate(part, start=1):
            if sentence.inner is None:
                continue
            places = [(place, place + 1) for place in range(len(sentence.tokens))]
            outer = tags_to_spans(places, sentence.tags)
            for span in tags_to_spans(places, sentence.inner):
                size = span.end - span.start
                if not any(
                    around.start <= span.start
                    and span.end <= around.end
                    and size < around.end - around.start
                    for around in outer
                ):
                    mention = " ".join(sentence.tokens[span.start : span.end])
                    raise DataError(
                        f"{files[split]} (sentence {number}): {span.label} {mention!r} of the "
                        "inner column is not inside a longer entity of the outer one; mend the "
                        "file, or leave the inner column out"
                    )


def _hash_file(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _features(names: Sequence[str], layers: Iterable[Layer]) -> "Features":
    from datasets import ClassLabel, Features, List, Value

    return Features(
        {
            "document_id": Value("string"),
            "sentence": Value("int32"),
            "tokens": List(Value("string")),
            **{TAG_COLUMNS[layer]: List(ClassLabel(names=list(names))) for layer in layers},
        }
    )


def _write_dataset(
    new: Path,
    found: Mapping[Split, list[TokenSentence]],
    report: ImportReport,
    licence: str | None,
    sections: Mapping[str, str],
) -> None:
    import pyarrow
    import pyarrow.parquet as parquet
    from datasets import DatasetInfo, SplitDict, SplitInfo

    names = tag_names(report.labels)
    numbers = {name: number for number, name in enumerate(names)}
    first = next(iter(found.values()))[0]
    features = _features(names, [layer for layer, _ in layers_of(first)])
    (new / report.config).mkdir()
    splits, disk = SplitDict(), 0
    for split, part in found.items():
        rows = [
            {
                "document_id": sentence.document,
                "sentence": number,
                "tokens": list(sentence.tokens),
                **{
                    TAG_COLUMNS[layer]: [numbers[tag] for tag in tags]
                    for layer, tags in layers_of(sentence)
                },
            }
            for number, sentence in enumerate(part)
        ]
        table = pyarrow.Table.from_pylist(rows, schema=features.arrow_schema)
        path = new / report.config / f"{split}-00000-of-00001.parquet"
        parquet.write_table(table, path)  # type: ignore[no-untyped-call]
        splits[split] = SplitInfo(split, table.nbytes, table.num_rows)
        disk += path.stat().st_size
    info = DatasetInfo(
        features=features,
        splits=splits,
        download_size=disk,
        dataset_size=sum(split.num_bytes for split in splits.values()),
    )
    card = _format_card(report, info, licence, sections)
    (new / CARD).write_text(card, encoding="utf-8", newline="\n")


def _format_card(
    report: ImportReport, info: Any, licence: str | None, sections: Mapping[str, str]
) -> str:
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCardData

    config = report.config
    data = DatasetCardData(
        language=["vi"],
        license=licence or "unknown",
        pretty_name=report.folder.resolve().name,
        task_categories=["token-classification"],
        task_ids=["named-entity-recognition"],
    )
    parts = [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in report.sentences]
    MetadataConfigs({config: {"data_files": parts, "default": True}}).to_dataset_card_data(data)
    DatasetInfosDict({config: info}).to_dataset_card_data(data)
    lines = ["| layer | label | " + " | ".join(report.sentences) + " |"]
    lines.append("| --- | --- |" + " ---: |" * len(report.sentences))
    for layer, label in sorted(
        {key[1:] for key in report.entities}, key=lambda key: (LAYERS.index(key[0]), key[1])
    ):
        counts = [f"{report.entities[split, layer, label]:,}" for split in report.sentences]
        lines.append(f"| {layer} | {label} | " + " | ".join(counts) + " |")
    sizes = ", ".join(
        f"{split} {sentences:,} sentences with {report.tokens[split]:,} tokens"
        for split, sentences in report.sentences.items()
    )
    kept = {name: keep_section(name, text) for name, text in sections.items()}
    body = [
        f"# {report.folder.resolve().name}",
        kept.pop("about"),
        "Made by `vipol import conll` from files in columns. Tokens are those of the files; tags "
        "are IOB2\nwith the label set of the files, or what a label map made of it.",
        f"Configuration `{config}`: {sizes}.",
        "\n".join(lines),
        "## Citation",
        kept.pop("citation"),
        *kept.values(),
    ]
    return f"---\n{data.to_yaml(line_break=chr(10))}\n---\n\n" + "\n\n".join(body) + "\n"
