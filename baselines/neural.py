"""What the neural models share: a linear chain over the tags of both layers, and how a network's
vectors become spans.

Importing this module imports torch: do it inside the command that needs it.

A network reads sentences and gives one vector a syllable token. `TwoLayerHead` makes tags of
the vectors: a linear-chain CRF (Lafferty, McCallum & Pereira 2001) over the outer tags of a
sentence, and a second one over the inner tags of each host (an outer span that may hold others),
with a learned bias for the host's label. In training the hosts are the gold ones, in prediction
those that the outer chain found. Transitions that IOB2 forbids have the weight minus infinity, so
no illegal sequence is ever chosen; inner tags that the host may not hold are forbidden as well.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from annotate.document import Document, Span, sort_spans, token_sentences
from annotate.errors import DataError
from annotate.tags import tags_to_spans
from annotate.tokens import Offsets
from baselines.chain import may_follow
from baselines.training import (
    CURVE_NAME,
    Host,
    LabelSet,
    Point,
    TrainingCounts,
    batch_documents,
    check_tokens,
    draw_curve,
    write_model,
)

try:
    import torch
    from torch import Tensor, nn
except ImportError:  # pragma: no cover (the extra is there in tests)
    raise DataError("torch is not installed; pip install 'vipol[transformer]'") from None

WEIGHTS_NAME = "weights.safetensors"

Batch = dict[str, Tensor]


class Chain(nn.Module):
    """A linear-chain CRF over tags: scores of sequences, their best tags, their chances.

    All methods take `emissions` (sequences, length, tags) and `mask` (sequences, length), true
    at the tokens of a sequence: it fills the left, at least the first place.
    """

    def __init__(self, tags: Sequence[str]) -> None:
        super().__init__()
        count = len(tags)
        self.steps = nn.Parameter(torch.empty(count, count).uniform_(-0.1, 0.1))
        self.start = nn.Parameter(torch.empty(count).uniform_(-0.1, 0.1))
        self.end = nn.Parameter(torch.empty(count).uniform_(-0.1, 0.1))
        never = float("-inf")
        forbidden = [[0.0 if may_follow(one, tag) else never for tag in tags] for one in tags]
        first = [0.0 if may_follow(None, tag) else never for tag in tags]
        self.forbidden: Tensor
        self.forbidden_first: Tensor
        self.register_buffer("forbidden", torch.tensor(forbidden), persistent=False)
        self.register_buffer("forbidden_first", torch.tensor(first), persistent=False)

    def _weights(self) -> tuple[Tensor, Tensor]:
        return self.steps + self.forbidden, self.start + self.forbidden_first

    def loss(self, emissions: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        """Negative log-likelihood of `tags` (sequences, length), one number a sequence."""
        return self._log_total(emissions, mask) - self._score(emissions, mask, tags)

    def _score(self, emissions: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        chosen = emissions.gather(2, tags.unsqueeze(2)).squeeze(2)
        score = (chosen * mask).sum(1) + self.start[tags[:, 0]]
        score = score + (self.steps[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]).sum(1)
        last = tags.gather(1, mask.sum(1, keepdim=True) - 1).squeeze(1)
        return score + self.end[last]

    def _log_total(self, emissions: Tensor, mask: Tensor) -> Tensor:
        return torch.logsumexp(self._forward(emissions, mask)[-1] + self.end, 1)

    def _forward(self, emissions: Tensor, mask: Tensor) -> list[Tensor]:
        """Log-weight of all prefixes that end in each tag, by place; past the end it stays."""
        steps, start = self._weights()
        first, *others = emissions.unbind(1)  # slices would each make a whole gradient of zeros
        reached = [start + first]
        for place, emission in enumerate(others, start=1):
            new = torch.logsumexp(reached[-1].unsqueeze(2) + steps, 1) + emission
            reached.append(torch.where(mask[:, place, None], new, reached[-1]))
        return reached

    def _backward(self, emissions: Tensor, mask: Tensor) -> list[Tensor]:
        """Log-weight of all suffixes behind each tag, by place."""
        steps, _ = self._weights()
        behind = [self.end.expand(emissions.shape[0], -1)]
        for place in range(emissions.shape[1] - 1, 0, -1):
            new = torch.logsumexp(steps + (behind[-1] + emissions[:, place]).unsqueeze(1), 2)
            behind.append(torch.where(mask[:, place, None], new, behind[-1]))
        return behind[::-1]

    @torch.no_grad()
    def decode(self, emissions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Best tags (sequences, length) by Viterbi, and their marginal probabilities."""
        steps, start = self._weights()
        score = start + emissions[:, 0]
        sources: list[Tensor] = []
        stay = torch.arange(score.shape[1], device=score.device).expand_as(score)
        for place in range(1, emissions.shape[1]):
            best, source = (score.unsqueeze(2) + steps).max(1)
            here = mask[:, place, None]
            score = torch.where(here, best + emissions[:, place], score)
            sources.append(torch.where(here, source, stay))
        tag = (score + self.end).argmax(1)
        path = [tag]
        for source in reversed(sources):
            tag = source.gather(1, tag.unsqueeze(1)).squeeze(1)
            path.append(tag)
        tags = torch.stack(path[::-1], 1)
        forward = torch.stack(self._forward(emissions, mask), 1)
        backward = torch.stack(self._backward(emissions, mask), 1)
        total = torch.logsumexp(forward[:, -1] + self.end, 1)
        chance = torch.exp(forward + backward - total[:, None, None])
        return tags, chance.gather(2, tags.unsqueeze(2)).squeeze(2)


class TwoLayerHead(nn.Module):
    """Tags of both layers from token vectors (sentences, length, size)."""

    def __init__(self, size: int, labels: LabelSet) -> None:
        super().__init__()
        outer, inner = labels.tags("outer"), labels.tags("inner")
        self.outer = nn.Linear(size, len(outer))
        self.outer_chain = Chain(outer)
        self.inner: nn.Linear | None = None
        if labels.inner:
            self.inner = nn.Linear(size, len(inner))
            self.inner_chain = Chain(inner)
            self.host_bias = nn.Embedding(len(labels.hosts), len(inner))
        never = float("-inf")
        barred = [
            [0.0 if tag == "O" or tag.partition("-")[2] in held else never for tag in inner]
            for held in labels.holds.values()
        ]
        self.barred: Tensor
        self.register_buffer(
            "barred", torch.tensor(barred).reshape(-1, len(inner)), persistent=False
        )

    def loss(
        self,
        vectors: Tensor,
        mask: Tensor,
        outer_tags: Tensor,
        host_places: Tensor,
        host_mask: Tensor,
        host_labels: Tensor,
        host_tags: Tensor,
    ) -> Tensor:
        """Negative log-likelihood a token: of the outer tags of the sentences, plus that of the
        inner tags of the gold hosts. Shapes as `collate_tags` makes them."""
        emissions = self.outer(vectors).float()
        total = self.outer_chain.loss(emissions, mask, outer_tags).sum()
        if self.inner is not None:
            if len(host_labels):
                inner = self._inner_emissions(vectors, host_places, host_labels)
                total = total + self.inner_chain.loss(inner, host_mask, host_tags).sum()
            else:  # every parameter needs a gradient where several processes share them
                unused = [self.inner, self.inner_chain, self.host_bias]
                total = total + 0.0 * sum(p.sum() for m in unused for p in m.parameters())
        return total / mask.sum()

    def _inner_emissions(self, vectors: Tensor, places: Tensor, labels: Tensor) -> Tensor:
        assert self.inner is not None
        tokens = vectors.flatten(0, 1)[places]
        bias = self.host_bias(labels).float().unsqueeze(1)
        emissions: Tensor = self.inner(tokens).float() + bias
        return emissions

    @torch.no_grad()
    def decode_outer(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Best outer tags (sentences, length) and their marginal probabilities."""
        return self.outer_chain.decode(self.outer(vectors).float(), mask)

    @torch.no_grad()
    def decode_inner(
        self, vectors: Tensor, places: Tensor, mask: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Best inner tags of hosts (hosts, length), as the host's label allows them."""
        emissions = self._inner_emissions(vectors, places, labels)
        return self.inner_chain.decode(emissions + self.barred[labels].unsqueeze(1), mask)


def pad(rows: Sequence[Sequence[int]], value: int = 0) -> Tensor:
    """Rows of numbers as one tensor (rows, longest row), filled up on the right."""
    longest = max((len(row) for row in rows), default=0)
    full = [[*row, *[value] * (longest - len(row))] for row in rows]
    return torch.tensor(full, dtype=torch.long).reshape(len(rows), longest)


def mask_of(lengths: Sequence[int]) -> Tensor:
    """True at the first `length` places of each row, shape (rows, longest)."""
    longest = max(lengths, default=0)
    return torch.arange(longest) < torch.tensor(lengths, dtype=torch.long).unsqueeze(1)


def collate_hosts(hosts: Sequence[tuple[int, Host]], longest: int) -> Batch:
    """Hosts of a batch with the row of their sentence: the places of their tokens among those of
    the padded sentences (`longest` tokens each), which places are tokens, the labels."""
    return {
        "host_places": pad(
            [list(range(row * longest + h.first, row * longest + h.last)) for row, h in hosts]
        ),
        "host_mask": mask_of([host.last - host.first for _, host in hosts]),
        "host_labels": torch.tensor([host.label for _, host in hosts], dtype=torch.long),
    }


def collate_tags(outer: Sequence[list[int]], hosts: Sequence[Sequence[Host]]) -> Batch:
    """The gold tags of a batch of sentences, as `TwoLayerHead.loss` takes them."""
    flat = [(row, host) for row, of_row in enumerate(hosts) for host in of_row]
    return {
        "outer_tags": pad(outer),
        **collate_hosts(flat, max(map(len, outer))),
        "host_tags": pad([host.tags for _, host in flat]),
    }


class Network(nn.Module, ABC):
    """A network with a two-layer head. `vectors` is all that a kind of network adds."""

    head: TwoLayerHead

    @abstractmethod
    def vectors(self, inputs: Batch) -> Tensor:
        """One vector a token (sentences, longest, size) of what the reader collated."""

    def forward(
        self,
        inputs: Batch,
        mask: Tensor,
        outer_tags: Tensor,
        host_places: Tensor,
        host_mask: Tensor,
        host_labels: Tensor,
        host_tags: Tensor,
    ) -> dict[str, Tensor]:
        """The loss of a batch, under the key `loss`."""
        loss = self.head.loss(
            self.vectors(inputs), mask, outer_tags, host_places, host_mask, host_labels, host_tags
        )
        return {"loss": loss}


class Reader(ABC):
    """Turns sentences into what a network reads."""

    @abstractmethod
    def read(self, text: str, tokens: Sequence[Offsets]) -> Any:
        """One sentence, given by its tokens, made ready once."""

    @abstractmethod
    def collate(self, sentences: Sequence[Any]) -> Batch:
        """The inputs of a batch of sentences that `read` made ready."""


# --- labelling --------------------------------------------------------------------------


@dataclass(frozen=True)
class NeuralModel:
    """A trained network with all that is known of it; a Labeller by its `label_document`."""

    kind: ClassVar[str]
    source: ClassVar[str]

    network: Network
    reader: Reader
    labels: LabelSet
    settings: dict[str, Any]
    seed: int
    training: TrainingCounts
    validation: dict[str, Any] | None
    history: tuple[Point, ...]
    libraries: dict[str, str]

    def label_document(self, document: Document) -> tuple[Span, ...]:
        """Legal nested spans; the document's own spans are put aside.

        The score of a span is the least marginal probability of its tags: an upper bound on
        the probability that the model gives to the span.
        """
        return next(iter(self.label_documents([document]))).spans

    def label_documents(
        self, documents: Iterable[Document], batch_size: int = 32
    ) -> Iterator[Document]:
        """The documents with the model's spans, in order; `batch_size` sentences go through the
        network at once. The batch size changes the speed, not the spans.

        Raises DataError where the memory does not suffice.
        """
        for chunk in batch_documents(documents):
            for document, spans in zip(chunk, self.label_batch(chunk, batch_size), strict=True):
                yield document.with_spans(spans)

    def label_batch(
        self, documents: Sequence[Document], batch_size: int = 32
    ) -> list[tuple[Span, ...]]:
        """The spans of each document; see `label_documents`."""
        check_tokens(documents, self.training)
        with memory_errors(batch_size):
            return label_chunk(
                self.network, self.reader, self.labels, documents, self.source, batch_size
            )

    def save(self, folder: str | Path) -> None:
        """Write the model as a folder, whole or not at all; a model that is there is replaced.

        Raises DataError where the folder holds something else or cannot be written.
        """
        card = {
            "settings": self.settings,
            "seed": self.seed,
            "training": asdict(self.training),
            "validation": self.validation,
            "history": [asdict(point) for point in self.history],
            "libraries": self.libraries,
        }
        write_model(folder, self.kind, self.labels, card, self._write_files)

    def _write_files(self, folder: Path) -> None:
        from safetensors.torch import save_file

        state = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        save_file(state, folder / WEIGHTS_NAME)
        title = f"{self.kind}: {self.training.sentences} sentences"
        draw_curve(self.history, title, folder / CURVE_NAME)
        self.write_reader(folder)

    def write_reader(self, folder: Path) -> None:
        """Write what the reader and the network are made from."""
        raise NotImplementedError


def load_weights(network: Network, folder: Path) -> None:
    """Fill a network with the saved weights. Raises DataError where they do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS_NAME
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{path}: a damaged model ({reason}); train it again") from None
    network.to(choose_device()).eval()


def choose_device() -> torch.device:
    """The first GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def label_chunk(
    network: Network,
    reader: Reader,
    labels: LabelSet,
    documents: Sequence[Document],
    source: str,
    batch_size: int,
) -> list[tuple[Span, ...]]:
    """Legal nested spans of each document. Sentences of like length share a batch."""
    network.eval()
    sentences = [
        (number, tokens, reader.read(document.text, tokens))
        for number, document in enumerate(documents)
        for tokens in token_sentences(document)
    ]
    spans: list[list[Span]] = [[] for _ in documents]
    order = sorted(range(len(sentences)), key=lambda place: len(sentences[place][1]))
    for first in range(0, len(order), batch_size):
        batch = [sentences[place] for place in order[first : first + batch_size]]
        offsets = [tokens for _, tokens, _ in batch]
        inputs = reader.collate([ready for _, _, ready in batch])
        found = _label_batch(network, labels, inputs, offsets, source)
        for (number, _, _), of_sentence in zip(batch, found, strict=True):
            spans[number].extend(of_sentence)
    return [sort_spans(of_text) for of_text in spans]


@torch.inference_mode()
def _label_batch(
    network: Network,
    labels: LabelSet,
    inputs: Batch,
    offsets: Sequence[Sequence[Offsets]],
    source: str,
) -> list[list[Span]]:
    device = next(network.parameters()).device
    head = network.head
    mask = mask_of([len(tokens) for tokens in offsets]).to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        vectors = network.vectors({name: value.to(device) for name, value in inputs.items()})
    vectors = vectors.float()
    tags, chances = head.decode_outer(vectors, mask)
    spans: list[list[Span]] = []
    hosts: list[tuple[int, Host, Span]] = []
    outer = labels.tags("outer")
    rows = zip(offsets, tags.tolist(), chances.tolist(), strict=True)
    for row, (tokens, of_row, chance) in enumerate(rows):
        names = [outer[tag] for tag in of_row[: len(tokens)]]
        spans.append([])
        for span, first, last in _spans_of(tokens, names, chance, source):
            spans[-1].append(span)
            if span.label in labels.holds:
                hosts.append((row, Host(first, last, labels.hosts.index(span.label), []), span))
    if hosts:
        places = collate_hosts([(row, host) for row, host, _ in hosts], mask.shape[1])
        ready = [places[name].to(device) for name in ("host_places", "host_mask", "host_labels")]
        inner = labels.tags("inner")
        tags, chances = head.decode_inner(vectors, *ready)
        guests = zip(hosts, tags.tolist(), chances.tolist(), strict=True)
        for (row, host, around), of_host, chance in guests:
            tokens = offsets[row][host.first : host.last]
            names = [inner[tag] for tag in of_host[: len(tokens)]]
            for guest, _, _ in _spans_of(tokens, names, chance, source):
                if (guest.start, guest.end) != (around.start, around.end):
                    spans[row].append(guest)
    return spans


def _spans_of(
    offsets: Sequence[Offsets], tags: Sequence[str], chances: Sequence[float], source: str
) -> Iterator[tuple[Span, int, int]]:
    """Each span with its score, its first token and one past its last."""
    place = 0
    for span in tags_to_spans(offsets, tags):
        while offsets[place][0] < span.start:
            place += 1
        first = place
        while place < len(offsets) and offsets[place][0] < span.end:
            place += 1
        score = round(min(1.0, *chances[first:place]), 4)
        yield Span(span.start, span.end, span.label, source, score), first, place


@contextmanager
def memory_errors(batch_size: int) -> Iterator[None]:
    """Say in one line what to do when the memory of the GPU or the machine runs out."""
    try:
        yield
    except torch.OutOfMemoryError:
        where = "of the GPU"
    except MemoryError:
        where = "of the machine"
    except RuntimeError as error:
        if "allocate memory" not in str(error) and "out of memory" not in str(error):
            raise
        where = "of the machine"
    else:
        return
    raise DataError(
        f"the memory {where} does not suffice for a batch size of {batch_size}; "
        "lower the batch size, or take a smaller network"
    )
