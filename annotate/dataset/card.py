"""The dataset's card: YAML that the Hub reads, numbers from the data, sections by people.

A section that people write stands between two markers and survives every new build:

    <!-- vipol:keep limits -->
    …
    <!-- vipol:end -->
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotate.agreement import Agreement, Estimate
from annotate.dataset.counts import SeenShare, count_meta
from annotate.dataset.describe import About, Benchmark
from annotate.dataset.folder import read_manifest
from annotate.dataset.plots import PLOTS, draw_counts, draw_estimates, draw_shares
from annotate.dataset.rows import CONFIGS, TOKEN_CONFIGS, Losses, features_of
from annotate.dataset.split import SPLITS, Split, SplitBy
from annotate.document import Document
from annotate.errors import DataError
from annotate.scheme import LABEL_NAMES, LABELS, LAYERS, SCHEME_VERSION

if TYPE_CHECKING:
    from datasets import DatasetInfo

_OPEN = re.compile(r"<!-- vipol:keep ([\w-]+) -->\n")
_CLOSE = "<!-- vipol:end -->"

CARD = "README.md"

_DEFAULTS = {
    "about": "Named entities in Vietnamese political text, in two layers.",
    "process": "Not described yet: who annotated, how they were taught, what was checked.",
    "uses": "Training and scoring named-entity recognition in Vietnamese political text. Not for "
    "decisions about persons.",
    "limits": "Not described yet.",
    "personal-data": "Not described yet: whose names the texts hold, and on what ground.",
    "citation": "Not given yet.",
}
"""The sections that people write, with what stands there until they do."""

_TITLES = {
    "process": "How it was annotated",
    "uses": "Uses",
    "limits": "Known limits",
    "personal-data": "Personal data",
    "citation": "Citation",
}


_SPLIT_WORDS: dict[SplitBy, str] = {
    "balanced": "balanced over labels and layers",
    "random": "at random",
    "date": "the oldest in train and the newest in test",
    "source": "each source in one split, balanced over labels and layers",
}


@dataclass(frozen=True, slots=True)
class PartSize:
    """The size of one split of one configuration: rows, bytes in memory, bytes on disk."""

    rows: int
    memory: int
    disk: int


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Everything that the card says and no person wrote."""

    parts: Mapping[Split, Sequence[Document]]
    sizes: Mapping[tuple[str, Split], PartSize]
    tokens: Mapping[tuple[str, Split], int]
    counts: Counter[tuple[str, str, str]]
    seen: Mapping[str, SeenShare]
    losses: Losses
    clusters: int
    seed: int
    split_by: SplitBy
    origins: bool
    agreement: Agreement | None = None
    benchmark: Benchmark | None = None
    pseudonyms: str = ""
    """The pseudonyms of annotators, joined by commas."""


def read_sections(card: str, where: str) -> dict[str, str]:
    """The sections of a card that people wrote, by name.

    Raises DataError for a section that is opened and not closed, or that comes twice, so that
    no build loses it.
    """
    sections: dict[str, str] = {}
    for match in _OPEN.finditer(card):
        name = match.group(1)
        end = card.find(_CLOSE, match.end())
        following = _OPEN.search(card, match.end())
        if end < 0 or (following and following.start() < end):
            raise DataError(
                f"{where}: the section {name!r} is opened but not closed; put {_CLOSE} behind it"
            )
        if name in sections:
            raise DataError(f"{where}: the section {name!r} comes twice; keep one of them")
        sections[name] = card[match.end() : end].strip("\n")
    return sections


def edited_sections(folder: Path) -> dict[str, str]:
    """The sections of the card that is there, where they are not what a build put there.

    The manifest has the marks of the texts that the build would have written by itself.
    """
    path = folder / CARD
    manifest = read_manifest(folder)
    if not manifest:
        return {}
    try:
        found = read_sections(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    marks, now = manifest.facts.get("sections", {}), mark_sections(found)
    return {name: text for name, text in found.items() if marks.get(name) != now[name]}


def mark_sections(sections: Mapping[str, str]) -> dict[str, str]:
    """What the manifest keeps of the sections that a build plans, to know them again."""
    return {
        name: hashlib.sha256(text.strip("\n").encode()).hexdigest()
        for name, text in sections.items()
    }


def merge_sections(*sources: Mapping[str, str]) -> dict[str, str]:
    """Sections from the sources in turn, the later ones before the earlier; unknown ones last."""
    merged = dict(_DEFAULTS)
    for source in sources:
        merged.update({name: text.strip("\n") for name, text in source.items()})
    return merged


def build_card(facts: CardFacts, about: About, sections: Mapping[str, str]) -> str:
    """The text of README.md; `sections` are the complete ones of `merge_sections`."""
    body = [
        f"# {about.pretty_name}",
        keep_section("about", sections["about"]),
        _format_use(),
        _format_columns(),
        _format_splits(facts),
        _format_labels(facts),
        _format_seen(facts.seen),
        "## Who annotated",
        _format_annotators(facts),
    ]
    body += [
        "## Agreement",
        _format_agreement(facts.agreement),
        "## Baseline scores",
        _format_benchmark(facts),
    ]
    named = {**_TITLES, **{name: name for name in sections if name not in _DEFAULTS}}
    for name, title in named.items():
        body += [f"## {title}", keep_section(name, sections[name])]
    body += ["## Licence", _format_licence(facts), "## How it was built", _format_build(facts)]
    return f"---\n{_format_yaml(facts, about)}\n---\n\n" + "\n\n".join(body) + "\n"


def keep_section(name: str, text: str) -> str:
    """A section that people may write, between its markers."""
    return f"<!-- vipol:keep {name} -->\n{text}\n{_CLOSE}"


# --- YAML ------------------------------------------------------------------------------------


def list_licences(documents: Sequence[Document]) -> list[str]:
    """The licences of the documents as the Hub writes them; `unknown` where one lacks it."""
    found = {str(document.meta.get("licence") or "unknown").lower() for document in documents}
    return sorted(found)


def _format_yaml(facts: CardFacts, about: About) -> str:
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCardData

    documents = _all_documents(facts)
    licences = list_licences(documents)
    data = DatasetCardData(
        annotations_creators=list(about.annotations_creators),
        language=["vi"],
        language_creators=list(about.language_creators),
        license=licences[0] if len(licences) == 1 else licences,
        multilinguality=["monolingual"],
        pretty_name=about.pretty_name,
        size_categories=[_size_category(len(documents))],
        source_datasets=["original"],
        tags=list(about.tags) or None,
        task_categories=["token-classification"],
        task_ids=["named-entity-recognition"],
    )
    configs = {
        config: {
            "data_files": [
                {"split": split, "path": f"{config}/{split}-*.parquet"} for split in SPLITS
            ],
            **({"default": True} if config == CONFIGS[0] else {}),
        }
        for config in CONFIGS
    }
    MetadataConfigs(configs).to_dataset_card_data(data)
    infos = {config: _dataset_info(facts, config) for config in CONFIGS}
    DatasetInfosDict(infos).to_dataset_card_data(data)
    return data.to_yaml(line_break="\n")


def _dataset_info(facts: CardFacts, config: str) -> "DatasetInfo":
    from datasets import DatasetInfo, SplitDict, SplitInfo

    sizes = {split: facts.sizes[config, split] for split in SPLITS}
    return DatasetInfo(
        features=features_of(config, origins=facts.origins),
        splits=SplitDict(
            {split: SplitInfo(split, size.memory, size.rows) for split, size in sizes.items()}
        ),
        download_size=sum(size.disk for size in sizes.values()),
        dataset_size=sum(size.memory for size in sizes.values()),
    )


def _size_category(rows: int) -> str:
    """The Hub's word for a number of rows."""
    steps = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    for limit, word in steps:
        if rows < limit:
            return word
    return "100K<n<1M" if rows < 1_000_000 else "1M<n<10M"


# --- Sections made of numbers ------------------------------------------------------------------


def _format_use() -> str:
    return """\
## Load it

```python
from datasets import load_dataset

path = "."  # this folder, or the name of the dataset on the Hub
documents = load_dataset(path, "documents")  # texts with nested entities
sentences = load_dataset(path, "syllable")  # sentences with tokens and tags; or "word"
```"""


def _format_columns() -> str:
    return """\
## Configurations and columns

All offsets are code points into `text` of the document, end exclusive, `text[start:end]`.

- `documents`, one row a document: `id`, `text`, `entities` (`start`, `end`, `label`, `layer`),
  what is known of the text (`title`, `published`, `byline`, `source`, `url`, `licence`, `genre`),
  who annotated and decided, by which guidelines (`annotator`, `annotators`, `decided_by`,
  `guideline_version`), and `meta` with the rest as JSON.
- `syllable`, one row a sentence: `document_id`, `sentence` (number in the document), `start` and
  `end` of the sentence, `tokens`, `token_starts`, `token_ends`, `ner_tags` (outer layer) and
  `ner_tags_inner` (inner layer), IOB2 as ClassLabel. Tokens are syllables, numbers with what
  joins them (`13/10/2011`, `215-QĐ/TW`) and single signs.
- `word`: the same with the words of underthesea's segmenter as tokens. A word is the text as
  it stands, white space inside included; nothing is rewritten.

The outer layer holds the entities that lie inside no other; the inner layer an ORG, DATE or
PERSON inside a POSITION or DOCUMENT_REF. Every entity of `documents` is in each of the others."""


def _format_splits(facts: CardFacts) -> str:
    rows = []
    for split in SPLITS:
        entities = sum(count for key, count in facts.counts.items() if key[0] == split)
        rows.append(
            [
                split,
                len(facts.parts[split]),
                facts.sizes["syllable", split].rows,
                *(facts.tokens[config, split] for config in TOKEN_CONFIGS),
                entities,
            ]
        )
    header = ["split", "documents", "sentences", "syllable tokens", "words", "entities"]
    return "## Splits\n\n" + _table(header, [*rows, _sum_row(rows)])


def _format_labels(facts: CardFacts) -> str:
    rows: list[list[Any]] = []
    for label in LABEL_NAMES:
        for layer in LAYERS:
            counts = [facts.counts[split, layer, label] for split in SPLITS]
            if any(counts):
                rows.append([label, layer, *counts, sum(counts)])
    meanings = "\n".join(f"- `{label.name}`: {label.vietnamese}" for label in LABELS)
    table = _table(["label", "layer", *SPLITS, "all"], rows)
    picture = _picture(_LABELS_PLOT, "Bars of the entities of each label, by layer; numbers below")
    return f"## Labels\n\n{meanings}\n\n{picture}\n\n{table}"


def _format_seen(seen: Mapping[str, SeenShare]) -> str:
    rows = [
        [label, row.mentions, row.seen, "-" if row.share is None else f"{row.share:.1%}"]
        for label, row in seen.items()
    ]
    return (
        "## Test mentions seen in train\n\n"
        "Mentions of the test split that occur in train, character for character, with the same "
        "label. A model can know these by heart; the others it must recognise.\n\n"
        + _picture(_SEEN_PLOT, "Bars of the seen share of each label; numbers below")
        + "\n\n"
        + _table(["label", "test mentions", "seen in train", "share"], rows)
    )


def _format_annotators(facts: CardFacts) -> str:
    documents = _all_documents(facts)
    lines = []
    for key, title in (
        ("annotator", "Annotated by"),
        ("annotators", "Annotated by"),
        ("decided_by", "Decided by"),
        ("guideline_version", "Guidelines, version"),
    ):
        counts = count_meta(documents, key)
        lines += [
            f"- {title} {value}: {_documents(count)}" for value, count in sorted(counts.items())
        ]
    if not any("Annotated by" in line for line in lines):
        lines.append("- The documents do not say who annotated them.")
    lines.append(f"- Annotation scheme {SCHEME_VERSION}.")
    if facts.pseudonyms:
        lines.append(
            f"- E-mail addresses of annotators are replaced by pseudonyms ({facts.pseudonyms}); "
            "who is who is not published."
        )
    return "\n".join(lines)


def _format_agreement(agreement: Agreement | None) -> str:
    if agreement is None:
        return (
            "Not measured: it takes documents that several people annotated "
            "(`annotations.jsonl` of `vipol pull`, in `source/`)."
        )
    rows: list[list[Any]] = []
    for name, estimate in _estimates(agreement).items():
        interval = "-"
        if estimate.low is not None and estimate.high is not None:
            interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
        rows.append([name, "-" if estimate.value is None else f"{estimate.value:.3f}", interval])
    return (
        f"{len(agreement.annotators)} annotators on {agreement.documents} documents, "
        f"{agreement.tokens} tokens; intervals by bootstrap over documents.\n\n"
        + _picture(_AGREEMENT_PLOT, "Measures of agreement with their intervals; numbers below")
        + "\n\n"
        + _table(["measure", "value", "95 % interval"], rows)
    )


def _estimates(agreement: Agreement) -> dict[str, Estimate]:
    overall = agreement.overall
    return {
        "strict span F1": overall.strict,
        "relaxed span F1 (overlap)": overall.relaxed,
        "position F1 (any label)": overall.position,
        "Cohen's kappa, tokens": overall.kappa,
        "Krippendorff's alpha, tokens": overall.alpha,
        **{f"strict F1, {label}": one.strict for label, one in agreement.by_label.items()},
    }


def _format_benchmark(facts: CardFacts) -> str:
    benchmark = facts.benchmark
    if benchmark is None:
        return (
            "Not measured: `scripts/benchmark` of vipol trains and scores the baselines; what it "
            "writes (`benchmark.json`, in `source/`) is shown here when the dataset is built again."
        )

    def figure(value: float | None, interval: tuple[float, float] | None = None) -> str:
        if value is None:
            return "-"
        return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")

    rows = [
        [
            row.model,
            figure(row.outer_f1, row.outer_f1_interval),
            figure(row.inner_f1, row.inner_f1_interval),
            figure(row.both_f1),
            row.note,
        ]
        for row in benchmark.rows
    ]
    parts = [
        f"F1 on the {benchmark.split} split, with 95 % intervals: outer and inner layer by seqeval "
        f"(strict, IOB2), both layers as strict spans. Made by `{benchmark.command}`.",
        _table(["model", "outer layer", "inner layer", "both layers", "note"], rows),
        benchmark.note,
        f"`{benchmark.signature}`" if benchmark.signature else "",
    ]
    if _has_scores(benchmark):
        parts.insert(1, _picture(_SCORES_PLOT, "F1 of each baseline by layer; numbers below"))
    if not scores_fit(facts):
        parts.insert(
            1,
            "**These scores were measured on another version of the data.** Run the command again.",
        )
    return "\n\n".join(filter(None, parts))


def scores_fit(facts: CardFacts) -> bool:
    """Whether the baseline scores, where there are any, are of the split that was built."""
    benchmark = facts.benchmark
    if benchmark is None:
        return True
    wanted = [split for split in SPLITS if benchmark.split in (split, "all")]
    return benchmark.fits(document for split in wanted for document in facts.parts[split])


def _has_scores(benchmark: Benchmark) -> bool:
    return any(row.outer_f1 is not None for row in benchmark.rows)


def _format_licence(facts: CardFacts) -> str:
    documents = _all_documents(facts)
    counts = count_meta(documents, "licence")
    lines = [f"- {licence}: {_documents(count)}" for licence, count in sorted(counts.items())]
    missing = len(documents) - sum(counts.values())
    if missing:
        lines.append(f"- no licence given: {_documents(missing)}")
    return "\n".join(lines)


def _format_build(facts: CardFacts) -> str:
    losses = facts.losses
    documents = len(_all_documents(facts))
    cut = ", ".join(f"{count} {config} tokens" for config, count in losses.cut_tokens.items())
    return "\n".join(
        [
            f"- Splits by document, {_SPLIT_WORDS[facts.split_by]}, seed {facts.seed}. Documents "
            f"that are near-duplicates are in one split: {documents} documents in "
            f"{facts.clusters} groups.",
            f"- Sentence ends that lay inside an entity, not taken: {losses.merged_sentences}.",
            f"- Tokens cut because an entity begins or ends inside them: {cut}.",
            "- Made by `vipol build`; text between the markers `vipol:keep` and `vipol:end` is "
            "written by people and kept when the card is made again.",
        ]
    )


# --- Pictures ----------------------------------------------------------------------------------

_LABELS_PLOT, _SEEN_PLOT = f"{PLOTS}/labels.png", f"{PLOTS}/seen.png"
_AGREEMENT_PLOT, _SCORES_PLOT = f"{PLOTS}/agreement.png", f"{PLOTS}/scores.png"


def _picture(path: str, alt: str) -> str:
    return f"![{alt}]({path})"


def draw_plots(facts: CardFacts, folder: Path) -> None:
    """Write the pictures that the card shows into `folder`."""
    draw_counts(
        folder / _LABELS_PLOT,
        {
            label: {
                layer: sum(facts.counts[split, layer, label] for split in SPLITS)
                for layer in LAYERS
            }
            for label in LABEL_NAMES
        },
    )
    draw_shares(folder / _SEEN_PLOT, {name: row.share for name, row in facts.seen.items()})
    if facts.agreement:
        found = _estimates(facts.agreement)
        draw_estimates(
            folder / _AGREEMENT_PLOT,
            "agreement, with 95 % intervals",
            {"": [(each.value, each.low, each.high) for each in found.values()]},
            list(found),
        )
    if facts.benchmark and _has_scores(facts.benchmark):
        rows = [row for row in facts.benchmark.rows if row.outer_f1 is not None]
        draw_estimates(
            folder / _SCORES_PLOT,
            f"F1 on {facts.benchmark.split}",
            {
                "outer layer": [
                    (row.outer_f1, *(row.outer_f1_interval or (None, None))) for row in rows
                ],
                "inner layer": [
                    (row.inner_f1, *(row.inner_f1_interval or (None, None))) for row in rows
                ],
            },
            [row.model for row in rows],
        )


def _all_documents(facts: CardFacts) -> list[Document]:
    return [document for split in SPLITS for document in facts.parts[split]]


def _documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count:,} documents"


def _sum_row(rows: Sequence[Sequence[Any]]) -> list[Any]:
    return ["all", *(sum(column) for column in list(zip(*rows, strict=True))[1:])]


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; numbers to the right."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    numeric = [
        all(not isinstance(row[column], str) for row in rows) for column in range(len(header))
    ]
    rule = ["---:" if right else "---" for right in numeric]
    return "\n".join("| " + " | ".join(line) + " |" for line in [list(header), rule, *cells])
