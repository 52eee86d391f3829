"""Token classifiers of others: any `transformers` folder with IOB2 labels, as it was published.

The text is read as our own transformers read it (`baselines.transformer`): in the pieces of its
tokenizer, word by word for PhoBERT, long sentences in overlapping windows. A unit has the tag
that the classifier gives to its first piece; tags that cannot follow are repaired as others do
it: an `I-` that continues nothing begins a span. Importing this module imports torch.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch

from annotate.document import Document, Span, sort_spans, token_sentences
from annotate.errors import DataError
from annotate.tags import tags_to_spans
from annotate.tokens import Offsets
from baselines import BatchLabeller
from baselines.foreign import repair_tags
from baselines.neural import choose_device, memory_errors
from baselines.transformer import (
    TransformerReader,
    count_positions,
    is_phobert,
    load_errors,
    load_tokenizer,
)

SOURCE = "transformers"
BATCH_SIZE = 32


def is_classifier_folder(folder: str | Path) -> bool:
    """Whether a folder holds a model of `transformers`."""
    return Path(folder, "config.json").is_file()


def load_classifier(folder: str) -> tuple[BatchLabeller, tuple[str, ...]]:
    """A labeller of a folder with config, weights and tokenizer, and its labels.

    Raises DataError where the folder cannot be loaded, or where its labels are not IOB2 tags.
    """
    from transformers import AutoConfig, AutoModelForTokenClassification

    with load_errors(folder):
        config = AutoConfig.from_pretrained(folder)
        tokenizer = load_tokenizer(folder, config)
        model = AutoModelForTokenClassification.from_pretrained(
            folder, config=config, dtype=torch.float32
        )
    tags = [str(config.id2label[number]) for number in range(config.num_labels)]
    labels = {tag.partition("-")[2] for tag in tags if tag != "O"}
    strange = [tag for tag in tags if tag != "O" and (tag[:2] not in ("B-", "I-") or not tag[2:])]
    if strange or not labels:
        raise DataError(
            f"{folder}: its labels are no IOB2 tags ({', '.join(strange or tags)}); "
            "a token classifier with O, B-LABEL and I-LABEL in config.json was wanted"
        )
    positions = count_positions(model.base_model, tokenizer)
    reader = TransformerReader(tokenizer, positions, is_phobert(folder, config))
    model.to(choose_device()).eval()

    def label_batch(documents: Sequence[Document]) -> list[tuple[Span, ...]]:
        with memory_errors(BATCH_SIZE):
            return _label(model, reader, tags, documents)

    return label_batch, tuple(sorted(labels))


@torch.inference_mode()
def _label(
    model: torch.nn.Module,
    reader: TransformerReader,
    tags: Sequence[str],
    documents: Sequence[Document],
) -> list[tuple[Span, ...]]:
    device = next(model.parameters()).device
    sentences = [
        (number, tokens, reader.read(document.text, tokens))
        for number, document in enumerate(documents)
        for tokens in token_sentences(document)
    ]
    sentences.sort(key=lambda sentence: len(sentence[1]))
    spans: list[list[Span]] = [[] for _ in documents]
    for first in range(0, len(sentences), BATCH_SIZE):
        batch = sentences[first : first + BATCH_SIZE]
        inputs = reader.collate([read for _, _, read in batch])
        piece = inputs["piece"].to(device)
        ready = {name: inputs[name].to(device) for name in ("input_ids", "attention_mask")}
        scores = model(**ready).logits.float().softmax(-1).flatten(0, 1)[piece]
        chances, numbers = scores.max(-1)
        rows = zip(batch, numbers.tolist(), chances.tolist(), strict=True)
        for (number, tokens, read), of_row, chance in rows:
            names = [tags[tag] for tag in of_row[: len(tokens)]]
            spans[number] += _spans_of(tokens, read.unit, names, chance)
    return [sort_spans(of_document) for of_document in spans]


def _spans_of(
    tokens: Sequence[Offsets], units: Sequence[int], tags: Sequence[str], chances: Sequence[float]
) -> list[Span]:
    firsts = [place for place, unit in enumerate(units) if not place or unit != units[place - 1]]
    offsets = [
        (tokens[first][0], tokens[last - 1][1]) for first, last in pairwise([*firsts, len(tokens)])
    ]
    chance_at = {tokens[first][0]: chances[first] for first in firsts}
    return [
        Span(
            span.start,
            span.end,
            span.label,
            SOURCE,
            round(min(c for start, c in chance_at.items() if span.start <= start < span.end), 4),
        )
        for span in tags_to_spans(offsets, repair_tags([tags[first] for first in firsts]))
    ]
