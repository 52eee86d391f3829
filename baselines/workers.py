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
from pathlib import Path

from annotate.document import Document, Span
from annotate.errors import DataError, ServiceError
from annotate.legacy import describe_text
from baselines import Labeller
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
    warn: Callable[[Document, str], None] = lambda document, what: None,
) -> Iterator[Document]:
    """The documents with the labeller's spans, in the order in which they came.

    labeller_name: what `open_labeller` takes. workers: processes; 1 labels in this one.
    project: the `vipol.toml` whose own rules join the built-in ones.
    warn: called, in order, for a document that is no Vietnamese text, with what it looks like
    (`annotate.legacy.describe_text`); such a document gets no spans.

    Raises DataError for an unknown labeller or less than one worker, ServiceError where a worker
    is killed.
    """
    if workers < 1:
        raise DataError(f"{workers} workers were asked for; at least 1 is wanted")
    name, file = labeller_name, None if project is None else str(project)
    batches = batch_documents(documents, BATCH_DOCUMENTS)
    answers = (
        _label_here(name, file, batches)
        if workers == 1
        else _label_there(name, file, batches, workers)
    )
    for batch, of_batch in answers:
        for document, (spans, problem) in zip(batch, of_batch, strict=True):
            if problem is not None:
                warn(document, problem)
            yield document.with_spans(spans)


def open_labeller(name: str, project: str | Path | None = None) -> Labeller:
    """The labeller of a name (see `baselines.foreign.load_labeller`); `rules`, and the rules of an
    `ensemble:…`, with the project's own where `project` names a `vipol.toml` that has some.

    Raises DataError.
    """
    kind, _, spec = name.partition(":")
    if kind in ("rules", "ensemble") and project is not None:
        from annotate.prelabel.project import read_project_rules

        own = read_project_rules(project)
        if own is not None and name == "rules":
            return own.label_document
        if own is not None and kind == "ensemble":
            from baselines.ensemble import load_ensemble

            return load_ensemble(spec, rules=own.label_document)
    from baselines.foreign import load_labeller

    return load_labeller(name)


def _answer(label: Labeller, document: Document) -> Answer:
    problem = describe_text(document.text)
    return ((), problem) if problem is not None else (label(document), None)


def _label_here(
    name: str, project: str | None, batches: Iterable[list[Document]]
) -> Iterator[tuple[list[Document], Iterable[Answer]]]:
    label = open_labeller(name, project)
    for batch in batches:
        yield batch, (_answer(label, document) for document in batch)


def _label_there(
    name: str, project: str | None, batches: Iterable[list[Document]], workers: int
) -> Iterator[tuple[list[Document], list[Answer]]]:
    open_labeller(name, project)  # its errors are told here, not by a broken worker
    # Not forked: libraries that run threads (torch) do not survive it.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, context, _start_worker, (name, project))
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


_label: Labeller
"""The labeller of this worker."""


def _start_worker(name: str, project: str | None) -> None:
    global _label
    _label = open_labeller(name, project)


def _label_batch(batch: list[Document]) -> list[Answer]:
    return [_answer(_label, document) for document in batch]
