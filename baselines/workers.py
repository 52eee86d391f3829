"""Labelling a stream of documents on several cores, in order, in constant memory.

Each worker is a process of its own that loads the labeller once. Documents go out in batches
(`training.batch_documents`), a few ahead of what was taken, so memory does not grow with the
stream. `ProcessPoolExecutor` and not `Pool`: a `Pool` waits for ever for a killed worker.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from pathlib import Path

from annotate.document import Document, Span, labels_of
from annotate.errors import DataError, ServiceError
from annotate.legacy import describe_text
from baselines import BatchLabeller, Labeller
from baselines.foreign import LabelMap, load_batch_labeller, load_labeller
from baselines.training import batch_documents

BATCH_DOCUMENTS = 256
"""Most documents of one batch, however short."""

_AHEAD = 2
"""Batches that wait for each worker."""

Answer = tuple[tuple[Span, ...], str | None]
"""The spans of a document, and what keeps it from being Vietnamese text (then no spans)."""


def label_stream(
    labeller_name: str,
    documents: Iterable[Document],
    workers: int = 1,
    *,
    project: str | Path | None = None,
    label_map: LabelMap | None = None,
    warn: Callable[[Document, str], None] = lambda document, what: None,
) -> Iterator[Document]:
    """The documents with the labeller's spans, in the order in which they came.

    labeller_name, project, label_map: what `load_batch_labeller` takes. workers: processes; 1
    labels in this one. The labels that may come out are those of the documents' own label set.
    warn: called, in order, for a document that is no Vietnamese text, with what it looks like
    (`annotate.legacy.describe_text`); such a document gets no spans. Others' tokens are taken
    for Vietnamese.

    Raises DataError for an unknown labeller, one of another label set, documents of several label
    sets or less than one worker, ServiceError where a worker is killed.
    """
    if workers < 1:
        raise DataError(f"{workers} workers were asked for; at least 1 is wanted")
    stream = iter(documents)
    first = next(stream, None)
    if first is None:
        return
    labels = labels_of(first)
    file = None if project is None else str(project)
    how: _How = (labeller_name, labels, dict(label_map) if label_map else None, file)
    batches = batch_documents(_of_one_set(chain([first], stream), labels), BATCH_DOCUMENTS)
    answers = _label_here(how, batches) if workers == 1 else _label_there(how, batches, workers)
    for batch, of_batch in answers:
        for document, (spans, problem) in zip(batch, of_batch, strict=True):
            if problem is not None:
                warn(document, problem)
            yield document.with_spans(spans)


_How = tuple[str, tuple[str, ...], LabelMap | None, str | None]
"""What a worker is told: the labeller, labels that may come out, label map, project file."""


def _of_one_set(documents: Iterable[Document], labels: tuple[str, ...]) -> Iterator[Document]:
    for document in documents:
        if labels_of(document) != labels:
            raise DataError(
                f"document {document.id}: its labels are {', '.join(labels_of(document))}, those "
                f"before it {', '.join(labels)}; label documents of one label set at a time"
            )
        yield document


def open_labeller(name: str, project: str | Path | None = None) -> Labeller:
    """The labeller of a name, with the own rules of a `vipol.toml` (see
    `baselines.foreign.load_batch_labeller`). Raises DataError."""
    return load_labeller(name, project=project)


def _open(how: _How) -> BatchLabeller:
    name, labels, label_map, project = how
    return load_batch_labeller(name, labels=labels, label_map=label_map, project=project)


def _answer(label: BatchLabeller, batch: list[Document]) -> list[Answer]:
    problems = [None if one.foreign else describe_text(one.text) for one in batch]
    good = [one for one, problem in zip(batch, problems, strict=True) if problem is None]
    spans = iter(label(good))
    return [((), problem) if problem is not None else (next(spans), None) for problem in problems]


def _label_here(
    how: _How, batches: Iterable[list[Document]]
) -> Iterator[tuple[list[Document], Iterable[Answer]]]:
    label = _open(how)
    for batch in batches:
        yield batch, _answer(label, batch)


def _label_there(
    how: _How, batches: Iterable[list[Document]], workers: int
) -> Iterator[tuple[list[Document], list[Answer]]]:
    _open(how)  # its errors are told here, not by a broken worker
    # Not forked: libraries that run threads (torch) do not survive it.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, context, _start_worker, (how,))
    waiting: deque[tuple[list[Document], Future[list[Answer]]]] = deque()
    try:
        for batch in batches:
            waiting.append((batch, executor.submit(_label_batch, batch)))
            if len(waiting) > workers * _AHEAD:
                yield _take(waiting)
        while waiting:
            yield _take(waiting)
    except BrokenProcessPool:
        raise ServiceError(
            "a worker was killed before it was done, by a person or for want of memory; run it "
            "again with fewer --workers"
        ) from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _take(
    waiting: "deque[tuple[list[Document], Future[list[Answer]]]]",
) -> tuple[list[Document], list[Answer]]:
    batch, future = waiting.popleft()
    return batch, future.result()


_label: BatchLabeller
"""The labeller of this worker."""


def _start_worker(how: _How) -> None:
    global _label
    _label = _open(how)


def _label_batch(batch: list[Document]) -> list[Answer]:
    return _answer(_label, batch)
