"""The whole line on the sample articles, with a real Label Studio of its own.

Like `annotate.cli` this stands at the end of the line and may use every other module. It
has no data of its own and no shortcuts: the dataset is built from what was pulled.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from annotate.document import Document, Span, find_illegal, write_documents
from annotate.errors import DataError, VipolError

if TYPE_CHECKING:
    from annotate.studio.annotators import Annotator
    from annotate.studio.connection import Connection
    from annotate.studio.server import Server

Value = TypeVar("Value")

SAMPLE = Path(__file__).parents[1] / "datasets" / "vipol-sample"
PROJECT = "vipol demo"
FIRST, SECOND = "annotator-1", "annotator-2"
_MARK = ".vipol-demo"


class Steps:
    """Runs the steps of the demo: one line each with what was done and how long it took."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._number = 0

    def run(self, name: str, action: Callable[[], tuple[Value, str]]) -> Value:
        """The value of `action`, after printing its summary. An error names the step."""
        self._number += 1
        begun = time.perf_counter()
        try:
            value, summary = action()
        except VipolError as error:
            raise type(error)(f"demo stopped at step {self._number} ({name}): {error}") from None
        seconds = time.perf_counter() - begun
        self._show(f"{self._number:>2}  {name:<10} {summary} ({seconds:.1f} s)")
        return value


def run_demo(folder: Path, *, keep: bool = False, show: Callable[[str], None] = print) -> None:
    """Run the line from raw article to scored baseline; everything written lies in `folder`.

    An earlier demo in `folder` is replaced. With `keep` the server stays up afterwards.
    Raises VipolError naming the step that failed; the server is stopped then too.
    """
    from annotate.studio.server import stop_server

    steps = Steps(show)
    _make_room(folder)
    try:
        server = _run_line(folder, steps, show)
    except BaseException:
        stop_server(folder / "studio")
        raise
    if keep:
        show("")
        show(f"Label Studio stays up: {server.url}/projects")
        show(f"  user {server.user}, password {server.password}")
        show(f"  stop it with: vipol studio down --folder {folder / 'studio'}")
    else:
        steps.run("stop", lambda: (stop_server(folder / "studio"), "Label Studio is down"))
    show("")
    show(f"Everything lies in {folder}/: report/report.html is the place to begin.")


def _make_room(folder: Path) -> None:
    """An empty folder with our mark; an earlier demo in it goes, with its server."""
    from annotate.studio.server import stop_server

    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; name a folder for the demo")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise DataError(
                f"{folder}: holds files that no demo wrote; name a new folder with --output"
            )
        stop_server(folder / "studio")
    try:
        shutil.rmtree(folder, ignore_errors=False) if folder.exists() else None
        folder.mkdir(parents=True)
        (folder / _MARK).write_text("Made by vipol demo, which may delete this folder.\n")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror})") from None


def _run_line(folder: Path, steps: Steps, show: Callable[[str], None]) -> "Server":
    from annotate.agreement import format_agreement, measure_agreement
    from annotate.studio.pull import pull_annotations
    from baselines.score import format_scores

    documents = steps.run("clean", lambda: _clean(folder))
    gold = steps.run("gold", lambda: _match_gold(documents))
    prelabelled = steps.run("prelabel", lambda: _prelabel(documents, folder))
    server, connection = steps.run("studio", lambda: _start(folder))
    project = steps.run("push", lambda: _push(connection, prelabelled))
    steps.run("annotate", lambda: _annotate(server, connection, project, gold))

    def pull() -> tuple[list[Document], str]:
        annotations, report = pull_annotations(connection, project)
        write_documents(folder / "annotations.jsonl", annotations)
        return annotations, str(report)

    annotations = steps.run("pull", pull)

    def agree() -> tuple[str, str]:
        agreement = measure_agreement(annotations)
        text = format_agreement(agreement)
        return text, "two annotators compared"

    table = steps.run("agree", agree)
    show("")
    show(table)
    show("")
    parts = steps.run("build", lambda: _build(annotations, folder))
    predicted = steps.run("train", lambda: _train_and_predict(parts, folder))
    scores, paths = steps.run("score", lambda: _score(parts, predicted, folder))
    show("")
    show(format_scores(scores))
    show("")
    return server


def _clean(folder: Path) -> tuple[list[Document], str]:
    from annotate.clean import clean_page
    from annotate.readers import read_pages

    pages = SAMPLE / "raw"
    if not pages.is_dir():
        raise DataError(f"{pages}: the sample articles are not here; run the demo from a checkout")
    documents: list[Document] = []
    removed = 0
    for page in read_pages(sorted(pages.glob("*.txt"))):
        document, cleaned = clean_page(page)
        removed += len(cleaned.removed)
        if document is None:
            raise DataError(f"{page.where}: no article text was found")
        documents.append(document)
    write_documents(folder / "documents.jsonl", documents)
    return documents, f"{len(documents)} raw articles, {removed} lines of furniture taken out"


def _match_gold(documents: list[Document]) -> tuple[dict[str, Document], str]:
    """The sample's gold for the cleaned articles; offsets only fit the very same text."""
    from annotate.markup import read_source

    gold: dict[str, Document] = {}
    for document in documents:
        source = read_source(SAMPLE / "source" / f"{document.id}.txt")
        if source.text != document.text:
            raise DataError(
                f"document {document.id}: the cleaned article differs from the labelled one"
            )
        gold[document.id] = source
    spans = sum(len(document.spans) for document in gold.values())
    return gold, f"{len(gold)} articles have hand-made labels to the letter, {spans} spans"


def _prelabel(documents: list[Document], folder: Path) -> tuple[list[Document], str]:
    from annotate.prelabel import label_document

    labelled = [document.with_spans(label_document(document)) for document in documents]
    write_documents(folder / "prelabelled.jsonl", labelled)
    spans = sum(len(document.spans) for document in labelled)
    return labelled, f"{spans} pre-labels in {len(labelled)} articles, by rules"


def _start(folder: Path) -> tuple[tuple["Server", "Connection"], str]:
    from annotate.studio.connection import connect
    from annotate.studio.server import start_server

    server = start_server(folder / "studio")
    return (server, connect(server.url, server.token)), f"Label Studio runs at {server.url}"


def _push(connection: "Connection", documents: list[Document]) -> tuple["Project", str]:
    from annotate.studio.project import ensure_project
    from annotate.studio.push import push_documents

    project = ensure_project(connection, PROJECT, annotations_per_task=2)
    report = push_documents(connection, project, documents)
    return project, str(report)


def make_slips(document: Document) -> Document:
    """The document as a hasty second annotator might label it: of its spans every ninth is
    missed, every eleventh loses its last word, and every thirteenth outer ORG or PERSON becomes
    the other. A slip that the scheme does not allow is not made."""
    swap = {"ORG": "PERSON", "PERSON": "ORG"}
    spans = list(document.spans)
    for number, span in enumerate(document.spans, start=1):
        others = [s for s in spans if s != span]
        changed: Span | None = span
        if number % 9 == 0:
            changed = None
        elif number % 11 == 0:
            words = document.text[span.start : span.end].rstrip().rpartition(" ")[0].rstrip(" ,;:")
            changed = Span(span.start, span.start + len(words), span.label) if words else span
        elif number % 13 == 0 and span.label in swap:
            changed = Span(span.start, span.end, swap[span.label])
        candidate = others if changed is None else [*others, changed]
        if not find_illegal(document.text, candidate):
            spans = candidate
    return document.with_spans(spans)


def _annotate(
    server: "Server", connection: "Connection", project: "Project", gold: dict[str, Document]
) -> tuple[None, str]:
    """Submit as two users of the server; nobody is at the keyboard, and the line says so."""
    from annotate.studio.annotators import create_annotator
    from annotate.studio.connection import connect
    from annotate.studio.submit import submit_annotation

    tasks = find_tasks(connection, project)
    submitted = 0
    for name in (FIRST, SECOND):
        annotator = create_annotator(server, name)
        own = connect(server.url, annotator.token)
        for identity, document in gold.items():
            version = document if name == FIRST else make_slips(document)
            submit_annotation(own, tasks[identity], version.spans)
            submitted += 1
    return None, (
        f"nobody is at the keyboard: {submitted} annotations sent over the API as two users, "
        f"the sample's gold as {FIRST}, the same with deliberate slips as {SECOND}"
    )
