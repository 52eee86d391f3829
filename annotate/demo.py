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
    from annotate.agreement import Agreement
    from annotate.dataset.build import BuildReport
    from annotate.studio.connection import Connection
    from annotate.studio.project import Project
    from annotate.studio.review import Review
    from annotate.studio.server import Server
    from baselines.crf import CrfModel
    from baselines.score import Scores

Value = TypeVar("Value")

SAMPLE = Path(__file__).parents[1] / "datasets" / "vipol-sample"
PROJECT = "vipol demo"
REVIEW = "vipol demo review"
FIRST, SECOND, REVIEWER = "annotator-1", "annotator-2", "reviewer"
_ABOUT = """\
Made by `vipol demo` to show the line from raw article to dataset. Texts, events and persons are
invented. Nobody sat at the keyboard: the first annotator's labels are the sample's gold, the
second's the same with deliberate slips in every third document, and the reviewer decides for the
gold, so agreement and decisions say nothing about people."""
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
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        (folder / _MARK).write_text("Made by vipol demo, which may delete this folder.\n")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror})") from None


def _run_line(folder: Path, steps: Steps, show: Callable[[str], None]) -> "Server":
    from annotate.agreement import format_agreement
    from baselines.score_table import format_scores

    documents = steps.run("clean", lambda: _clean(folder))
    gold = steps.run("gold", lambda: _match_gold(documents))
    prelabelled = steps.run("prelabel", lambda: _prelabel(documents, folder))
    server, connection = steps.run("studio", lambda: _start(folder))
    project = steps.run("push", lambda: _push(connection, prelabelled))
    steps.run("annotate", lambda: _annotate(server, connection, project, gold))
    annotations = steps.run("pull", lambda: _pull(connection, project, folder))
    agreement = steps.run("agree", lambda: _agree(annotations, folder))
    disputed = steps.run("adjudicate", lambda: _adjudicate(connection, annotations))
    adjudicated = steps.run(
        "review", lambda: _review(server, connection, annotations, disputed, gold, folder)
    )
    steps.run("build", lambda: _build(adjudicated, agreement, folder))
    parts = steps.run("load", lambda: _load(folder))
    model = steps.run("train", lambda: _train(parts, folder))
    predicted = steps.run("predict", lambda: _predict(model, parts, folder))
    scores = steps.run("score", lambda: _score(parts, predicted, folder))
    show(f"\n{format_agreement(agreement, disputes=3)}\n\n{format_scores(scores)}\n")
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
    return gold, f"{len(gold)} articles have gold labels to the letter, {spans} spans"


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
    from annotate.guide import render_instruction
    from annotate.studio.project import ensure_project
    from annotate.studio.push import push_documents

    project = ensure_project(connection, PROJECT, per_task=2, instruction=render_instruction())
    report = push_documents(connection, project, documents)
    return project, f"{report.created} tasks with pre-labels in the project {PROJECT!r}"


def make_slips(document: Document) -> Document:
    """The document as a hasty second annotator might label it: every 19th span is missed, every
    23rd loses its last word, and every 29th, if it is an ORG or a PERSON, becomes the other. A
    slip that the scheme does not allow is not made."""
    swap = {"ORG": "PERSON", "PERSON": "ORG"}
    spans = list(document.spans)
    for number, span in enumerate(document.spans, start=1):
        others = [s for s in spans if s != span]
        changed: Span | None = span
        if number % 19 == 0:
            changed = None
        elif number % 23 == 0:
            words = document.text[span.start : span.end].rstrip().rpartition(" ")[0].rstrip(" ,;:")
            changed = Span(span.start, span.start + len(words), span.label) if words else span
        elif number % 29 == 0 and span.label in swap:
            changed = Span(span.start, span.end, swap[span.label])
        candidate = others if changed is None else [*others, changed]
        if not find_illegal(document.text, candidate):
            spans = candidate
    return document.with_spans(spans)


def _annotate(
    server: "Server", connection: "Connection", project: "Project", gold: dict[str, Document]
) -> tuple[int, str]:
    """Submit as two users of the server; how many annotations.

    Nobody is at the keyboard, and the line says so.
    """
    from annotate.studio.annotators import create_annotator
    from annotate.studio.connection import connect
    from annotate.studio.stored import find_tasks
    from annotate.studio.submit import submit_documents

    tasks = find_tasks(connection, project)
    first, second = (create_annotator(server, name) for name in (FIRST, SECOND))
    submitted = submit_documents(connect(server.url, first.token), tasks, gold.values())
    hasty = [
        document if number % 3 else make_slips(document)
        for number, document in enumerate(gold.values())
    ]
    submitted += submit_documents(connect(server.url, second.token), tasks, hasty)
    return submitted, (
        f"{submitted} annotations over the API; nobody is at the keyboard:\n"
        f"{'':15}{FIRST} sends the sample's gold,\n"
        f"{'':15}{SECOND} the same with deliberate slips in every third"
    )


def _pull(connection: "Connection", project: "Project", folder: Path) -> tuple[list[Document], str]:
    from annotate.studio.pull import pull_annotations, require_whole

    annotations, report = pull_annotations(connection, project)
    require_whole(report)
    write_documents(folder / "annotations.jsonl", annotations)
    spans = sum(len(document.spans) for document in annotations)
    return annotations, f"{report.documents} annotations of {report.tasks} tasks, {spans} spans"


def _agree(annotations: list[Document], folder: Path) -> tuple["Agreement", str]:
    from annotate.agreement import agreement_to_html, measure_agreement
    from annotate.files import open_output

    agreement = measure_agreement(annotations)
    with open_output(folder / "agreement.html") as stream:
        stream.write(agreement_to_html(agreement))
    return agreement, "the two compared (below, and in agreement.html)"


def _adjudicate(
    connection: "Connection", annotations: list[Document]
) -> tuple[dict[str, "Review"], str]:
    """Send to a review project what the majority does not settle; the reviews."""
    from annotate.adjudicate import adjudicate
    from annotate.studio.review import push_reviews

    result = adjudicate(annotations)
    push_reviews(connection, REVIEW, result.reviews)
    return result.reviews, (
        f"{result.settled} documents settled, {len(result.reviews)} in the project {REVIEW!r}"
    )


def _review(
    server: "Server",
    connection: "Connection",
    annotations: list[Document],
    disputed: dict[str, "Review"],
    gold: dict[str, Document],
    folder: Path,
) -> tuple[list[Document], str]:
    """Decide as a third user, take the decisions in, and write what is gold now."""
    from annotate.adjudicate import adjudicate
    from annotate.studio.annotators import create_annotator
    from annotate.studio.connection import connect
    from annotate.studio.project import find_project
    from annotate.studio.review import pull_decisions
    from annotate.studio.stored import find_tasks
    from annotate.studio.submit import submit_documents

    reviewer = connect(server.url, create_annotator(server, REVIEWER).token)
    project = find_project(reviewer, REVIEW)
    tasks = find_tasks(reviewer, project) if project else {}
    submit_documents(reviewer, tasks, [gold[name] for name in disputed])
    decisions, problems = pull_decisions(connection, REVIEW)
    result = adjudicate(annotations, decisions=decisions, problems=problems)
    if len(result.gold) != result.documents:
        raise DataError(f"{result.documents - len(result.gold)} documents have no gold")
    write_documents(folder / "gold.jsonl", result.gold)
    return result.gold, (
        f"{result.decided} decided over the API: {REVIEWER} sends the sample's gold"
    )


def _build(gold: list[Document], agreement: "Agreement", folder: Path) -> tuple["BuildReport", str]:
    from annotate.dataset.build import build_dataset
    from annotate.dataset.describe import About

    about = About(pretty_name="vipol demo", sections={"about": _ABOUT})
    report = build_dataset(gold, folder / "dataset", about=about, agreement=agreement)
    sizes = ", ".join(f"{split} {count}" for split, count in report.documents.items())
    return report, f"{len(gold)} adjudicated documents ({sizes})"


def _load(folder: Path) -> tuple[dict[str, list[Document]], str]:
    from annotate.dataset.load import load_documents
    from annotate.dataset.split import SPLITS

    parts: dict[str, list[Document]] = {
        split: load_documents(folder / "dataset", split) for split in SPLITS
    }
    documents = sum(len(part) for part in parts.values())
    return parts, f"{documents} documents read back with datasets.load_dataset"


def _train(parts: dict[str, list[Document]], folder: Path) -> tuple["CrfModel", str]:
    from baselines.crf import train_crf

    model = train_crf(parts["train"])
    model.save(folder / "model")
    return model, f"a CRF for both layers on {len(parts['train'])} documents"


def _predict(
    model: "CrfModel", parts: dict[str, list[Document]], folder: Path
) -> tuple[list[Document], str]:
    predicted = [d.with_spans(model.label_document(d)) for d in parts["test"]]
    write_documents(folder / "test.jsonl", parts["test"])
    write_documents(folder / "predictions.jsonl", predicted)
    spans = sum(len(document.spans) for document in predicted)
    return predicted, f"{spans} spans in the {len(predicted)} test documents"


def _score(
    parts: dict[str, list[Document]], predicted: list[Document], folder: Path
) -> tuple["Scores", str]:
    from baselines.report import write_report
    from baselines.score import score_documents

    scores = score_documents(parts["test"], predicted, split="test", train=parts["train"])
    write_report(
        folder / "report",
        scores,
        parts["test"],
        predicted,
        title="CRF baseline on the sample articles",
        model={"model": "linear-chain CRF, trained by vipol demo"},
        splits=parts,
    )
    return scores, "seqeval, strict, IOB2 (the table is below)"
