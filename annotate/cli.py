"""The `vipol` command: reads, calls one function, prints.

Data goes to `-o` or stdout; what was done goes to stderr. Exit 0: done; 1: an error of the
data or of a service; 2: wrong usage. Slow imports happen inside the command that needs them.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from annotate import __version__
from annotate.adjudicate import Policy
from annotate.dataset.exports import ExportFormat
from annotate.dataset.load import is_dataset
from annotate.dataset.sentences import TokenConfig
from annotate.dataset.split import Split, SplitBy
from annotate.document import Document, check_own, read_documents, write_documents
from annotate.errors import DataError, VipolError
from annotate.scheme import Language
from annotate.settings import PROJECT_FILE

Item = TypeVar("Item")
ComparisonFormat = Literal["text", "markdown", "latex", "json"]

app = typer.Typer(
    name="vipol",
    help="From Vietnamese political articles to a scored named-entity dataset.\n\n"
    "Each command reads and writes Document JSON Lines, so any step can be run by itself; "
    "- is stdin or stdout.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
studio = typer.Typer(
    help="The embedded Label Studio: start, stop, find.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
user = typer.Typer(help="Accounts for annotators.", no_args_is_help=True, rich_markup_mode=None)
train = typer.Typer(help="Train a baseline.", no_args_is_help=True, rich_markup_mode=None)
import_ = typer.Typer(help="Take in others' data.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(studio, name="studio")
studio.add_typer(user, name="user")
app.add_typer(train, name="train")
app.add_typer(import_, name="import")

Output = Annotated[str, typer.Option("--output", "-o", help="File to write; - is stdout.")]
ServerFolder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        help="Data folder of the embedded server.  [env var: VIPOL_STUDIO; default: that of "
        "vipol.toml, else ~/.local/share/vipol/studio]",
        show_default=False,
    ),
]
Project = Annotated[str, typer.Option("--project", help="Title of the project in Label Studio.")]
Url = Annotated[
    str | None,
    typer.Option(
        help="Label Studio to use instead of the embedded one; its key comes from "
        "LABEL_STUDIO_API_KEY or vipol.toml.  [env var: LABEL_STUDIO_URL]",
        show_default=False,
    ),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes to label with.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")]


# --- what the commands share ----------------------------------------------------------


def say(message: str) -> None:
    """One line for the person at the terminal."""
    print(message, file=sys.stderr)


def plural(number: int, thing: str) -> str:
    """`1 document`, `2,000 documents`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def progress(items: Iterable[Item], what: str) -> Iterator[Item]:
    """The items, counted in a progress bar on stderr when that is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, what, console=Console(stderr=True), transient=True)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A function to call with what is being done, how much is done and how much there is; each
    kind of work has a bar on stderr when that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    tasks: dict[str, TaskID] = {}
    with Progress(
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as bars:

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total)

        yield advance


@contextmanager
def counted(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """What to call with the number of things done since its last call; it has a bar as well."""
    with progress_bars() as advance:
        so_far = 0

        def add(count: int) -> None:
            nonlocal so_far
            so_far += count
            advance(what, so_far, total)

        yield add


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def load_gold(source: str, split: str | None = None, *, foreign: bool = False) -> list[Document]:
    """Labelled Documents of a Document file, a built dataset, or a folder of mark-up files.

    With `foreign` also those of imported datasets, with labels and tokens of their own.
    """
    path = Path(source)
    if is_dataset(path):
        from annotate.dataset.load import load_documents

        documents = load_documents(path, split)
        for document in () if foreign else documents:
            check_own(document, source)
        return documents
    if split:
        raise DataError(f"{source}: --split needs a built dataset, this is none")
    if path.is_dir():
        from annotate.markup import read_source_folder

        return read_source_folder(path)
    return list(progress(read_documents(source, labelled=True, foreign=foreign), "reading"))


def open_connection(url: str | None, folder: Path | None) -> Any:
    """A connection to the Label Studio that flags, environment or vipol.toml name, else to the
    embedded server."""
    from annotate.studio.connection import connect
    from annotate.studio.settings import Existing, choose_server

    chosen = choose_server(url, folder)
    if isinstance(chosen, Existing):
        return connect(chosen.url, chosen.key)
    server = require_server(chosen.folder)
    return connect(server.url, server.token)


def embedded_folder(folder: Path | None) -> Path:
    """The data folder of the embedded server, where that is the server that is meant."""
    from annotate.studio.settings import Existing, choose_server

    chosen = choose_server(None, folder)
    if isinstance(chosen, Existing):
        raise DataError(
            f"{chosen.url} is the Label Studio that LABEL_STUDIO_URL or vipol.toml names, and not "
            "one to start, stop or add users to from here; for one of your own say --folder"
        )
    return chosen.folder


def require_server(folder: Path) -> Any:
    """The embedded server that runs in `folder`."""
    from annotate.studio.server import find_server

    server = find_server(folder)
    if not server:
        raise DataError(
            f"{folder}: no Label Studio runs here; start one with vipol studio up, or set "
            "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY"
        )
    return server


# --- raw files to documents ---------------------------------------------------------------


@app.command()
def clean(
    inputs: Annotated[list[Path], typer.Argument(help="Raw .txt or .jsonl files, or folders.")],
    output: Output = "-",
    show_removed: Annotated[
        bool, typer.Option("--show-removed", help="Print each line that was taken out, and why.")
    ] = False,
) -> None:
    """Raw articles to clean documents, without page furniture.

    Finds headline, date and by-line, and composes Unicode.

    Example: vipol clean raw/ -o docs.jsonl
    """
    from annotate.clean import clean_page
    from annotate.readers import read_pages

    empty: list[str] = []
    removed = 0

    def documents() -> Iterator[Document]:
        nonlocal removed
        for page in progress(read_pages(inputs), "cleaning"):
            document, cleaned = clean_page(page)
            removed += len(cleaned.removed)
            if show_removed:
                for line in cleaned.removed:
                    say(f"{page.where}:{line.line}: {line.reason}: {line.text}")
            if document:
                yield document
            else:
                empty.append(page.where)

    written = write_documents(output, documents())
    for where in empty:
        say(f"{where}: left out, no article text was found")
    say(f"cleaned {plural(written, 'document')}: {plural(removed, 'line')} of furniture taken out")
    if not written:
        raise DataError("no document has any article text; see --show-removed")


# --- pre-labels and predictions --------------------------------------------------------------


def write_predictions(
    model: str,
    documents: Iterable[Document],
    output: str,
    workers: int,
    label_map: Path | None = None,
) -> None:
    from annotate.dataset.imports import read_label_map
    from baselines.foreign import KNOWN_NAMES, read_predictions
    from baselines.workers import label_stream

    labels = read_label_map(label_map) if label_map else None

    def warn(document: Document, looks_like: str) -> None:
        say(f"document {document.id}: {looks_like}; no spans")

    spans = 0

    def counted() -> Iterator[Document]:
        nonlocal spans
        stream = (
            read_predictions(model, documents, labels)
            if model not in KNOWN_NAMES and Path(model).is_file()
            else label_stream(
                model, documents, workers, project=PROJECT_FILE, label_map=labels, warn=warn
            )
        )
        for document in progress(stream, "labelling"):
            spans += len(document.spans)
            yield document

    written = write_documents(output, counted())
    say(f"labelled {plural(written, 'document')} with {model}: {plural(spans, 'span')}")


@app.command()
def prelabel(
    source: Annotated[str, typer.Argument(metavar="IN", help="Document file; - is stdin.")],
    output: Output = "-",
    model: Annotated[
        str,
        typer.Option(
            "--with",
            help="rules, underthesea, the folder of a trained model, or ensemble:FOLDER.",
        ),
    ] = "rules",
    workers: Workers = 1,
) -> None:
    """Label documents by rules or a model, before annotators do.

    Entities that come in are put aside.

    Example: vipol prelabel docs.jsonl -o prelabelled.jsonl
    """
    write_predictions(model, read_documents(source), output, workers)


@app.command()
def explain(
    source: Annotated[str, typer.Argument(metavar="FILE", help="Document file; - is stdin.")],
    document: Annotated[str, typer.Option(help="Id of the document to explain.")],
    html: Annotated[Path | None, typer.Option(help="Write an HTML page here instead.")] = None,
) -> None:
    """Why each pre-label is there, and what lost against it.

    Example: vipol explain docs.jsonl --document a01
    """
    from annotate.files import open_output
    from annotate.prelabel.explain import (
        explain_document,
        explanation_to_html,
        format_explanation,
    )
    from annotate.prelabel.project import read_project_rules

    seen: list[str] = []
    found = None
    for each in read_documents(source):
        seen.append(each.id)
        if each.id == document:
            found = each
    if found is None:
        some = ", ".join(seen[:5]) + (", …" if len(seen) > 5 else "")
        raise DataError(f"{source}: holds no document {document!r}; it has {some or 'none'}")
    explanation = explain_document(found, read_project_rules(PROJECT_FILE))
    if html:
        with open_output(html) as stream:
            stream.write(explanation_to_html(explanation))
        say(f"wrote the explanation to {html}")
    else:
        print(format_explanation(explanation, colour=sys.stdout.isatty()), end="")


@app.command()
def rules(
    source: Annotated[str, typer.Argument(metavar="FILE", help="Document file; - is stdin.")],
    gold: Annotated[
        str | None,
        typer.Option(help="Gold of the same documents (as by pull, or FILE itself, if gold)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What each rule does: coverage, conflicts, precision.

    Example: vipol rules docs.jsonl --gold gold.jsonl
    """
    from annotate.prelabel.project import read_project_rules
    from annotate.prelabel.statistics import (
        format_rule_report,
        measure_rules,
        rule_report_to_dict,
    )

    truth = {each.id: each for each in load_gold(gold)} if gold else None
    report = measure_rules(
        progress(read_documents(source), "measuring"),
        truth,
        rules=read_project_rules(PROJECT_FILE),
    )
    if as_json:
        print_json(rule_report_to_dict(report))
    else:
        print(format_rule_report(report), end="")


@app.command()
def retrain(
    source: Annotated[
        str, typer.Argument(metavar="GOLD", help="Document file, dataset, or mark-up folder.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the ensemble.")],
    seed: Annotated[int, typer.Option(help="Seed of the folds.")] = 13,
    as_json: AsJson = False,
) -> None:
    """Train rules and CRF together on your gold, and show the gain.

    About 50 documents are enough; of a built dataset its train split is taken.

    Then: vipol prelabel next.jsonl --with ensemble:FOLDER

    Example: vipol retrain gold.jsonl -o ensemble
    """
    from baselines.ensemble import (
        FOLDS,
        check_ensemble_output,
        format_retraining,
        retraining_to_dict,
    )
    from baselines.ensemble import retrain as retrain_ensemble
    from baselines.workers import open_labeller

    check_ensemble_output(output)
    gold = load_training([source])
    for document in gold:
        check_own(document, source)
    labeller = open_labeller("rules", PROJECT_FILE)

    with progress_bars() as advance:
        report = retrain_ensemble(
            gold,
            seed=seed,
            rules=labeller,
            on_fold=lambda done: advance("training", done, FOLDS + 1),
        )
    report.save(output)
    if as_json:
        print_json(retraining_to_dict(report))
    else:
        print(format_retraining(report))
    say(f"saved to {output}; use it with vipol prelabel --with ensemble:{output}")


@app.command()
def predict(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="rules, underthesea, ensemble:FOLDER, the folder of a trained model or of a "
            "transformers token classifier, or a CoNLL file of predictions.",
        ),
    ],
    source: Annotated[
        str, typer.Argument(metavar="IN", help="Document file (- is stdin) or built dataset.")
    ],
    output: Output = "-",
    split: Annotated[
        str | None, typer.Option(help="Split of the dataset: train, validation or test.")
    ] = None,
    label_map: Annotated[
        Path | None, typer.Option(help="TOML file: the model's labels to the data's.")
    ] = None,
    workers: Workers = 1,
) -> None:
    """Predict spans with a model, ours or others'.

    Entities that come in are put aside.

    Example: vipol predict model docs.jsonl -o predicted.jsonl
    """
    documents: Iterable[Document]
    if split or Path(source).is_dir():
        documents = load_gold(source, split, foreign=True)
    else:
        documents = read_documents(source, foreign=True)
    write_predictions(model, documents, output, workers, label_map)


# --- Label Studio ------------------------------------------------------------------------


@studio.command("up")
def studio_up(
    folder: ServerFolder = None,
    port: Annotated[
        int | None, typer.Option(help="Port on 127.0.0.1.  [default: a free one]")
    ] = None,
) -> None:
    """Start the embedded Label Studio, or find the one that runs.

    Example: vipol studio up
    """
    from annotate.studio.server import find_server, start_server
    from annotate.studio.settings import read_database

    place, database = embedded_folder(folder), read_database()
    running = find_server(place)
    if not running:
        say("starting Label Studio (under a minute the first time, then a few seconds)")
    server = start_server(place, port, database=database)
    print_server(server, "runs already" if running else "is up")


def print_server(server: Any, state: str) -> None:
    say(f"Label Studio {state}: {server.url}")
    say(f"  user      {server.user}")
    say(f"  password  {server.password}")
    say(f"  data      {server.folder}")


@studio.command("down")
def studio_down(folder: ServerFolder = None) -> None:
    """Stop the embedded Label Studio; its data stays.

    Example: vipol studio down
    """
    from annotate.studio.server import stop_server

    place = embedded_folder(folder)
    if stop_server(place):
        say(f"stopped the Label Studio of {place}; its data stays there")
    else:
        say(f"{place}: no Label Studio runs here")


@studio.command("status")
def studio_status(folder: ServerFolder = None) -> None:
    """Say where the Label Studio is that commands work with; exit 1 where none runs.

    Example: vipol studio status
    """
    from annotate.studio.connection import connect
    from annotate.studio.server import find_server
    from annotate.studio.settings import Existing, choose_server

    chosen = choose_server(None, folder)
    if isinstance(chosen, Existing):
        connection = connect(chosen.url, chosen.key)
        say(f"Label Studio answers: {connection.url}")
        say(f"  user      {connection.user}")
        return
    server = find_server(chosen.folder)
    if not server:
        say(f"{chosen.folder}: no Label Studio runs here; start one with vipol studio up")
        raise typer.Exit(1)
    print_server(server, "runs")


@user.command("add")
def studio_user_add(
    name: Annotated[str, typer.Argument(help="Name of the annotator.")],
    email: Annotated[
        str | None, typer.Option(help="Login.  [default: NAME@vipol.example]", show_default=False)
    ] = None,
    folder: ServerFolder = None,
) -> None:
    """Make an account for an annotator on the embedded server, or say the one there is.

    Example: vipol studio user add "Thu Hà"
    """
    from annotate.studio.annotators import create_annotator

    annotator = create_annotator(require_server(embedded_folder(folder)), name, email)
    say(f"{annotator.name} can log in:")
    say(f"  user      {annotator.email}")
    say(f"  password  {annotator.password}")


@app.command()
def push(
    source: Annotated[str, typer.Argument(metavar="DOCS", help="Document file; - is stdin.")],
    project: Project,
    per_task: Annotated[
        int | None,
        typer.Option(
            "--per-task",
            min=1,
            help="How many annotators label each task.  [default: as it is; 1 at first]",
            show_default=False,
        ),
    ] = None,
    unsure_first: Annotated[
        bool | None,
        typer.Option(
            "--unsure-first/--in-order",
            help="Which tasks annotators see first: those with low scores of their pre-labels, or "
            "in order of the push.  [default: as it is; in order at first]",
            show_default=False,
        ),
    ] = None,
    url: Url = None,
    folder: ServerFolder = None,
) -> None:
    """Send documents to Label Studio as tasks with pre-labels.

    Makes the project or brings it up to date: labels, hotkeys, the guidelines as instructions.
    Can be run again at any time: same input, same state.

    Example: vipol push prelabelled.jsonl --project "Party news"
    """
    from annotate.guide import GUIDELINES, render_instruction
    from annotate.studio.project import ensure_project
    from annotate.studio.push import push_documents

    documents = list(read_documents(source))
    connection = open_connection(url, folder)
    instruction = render_instruction() if GUIDELINES.is_dir() else None
    place = ensure_project(
        connection, project, per_task, instruction=instruction, unsure_first=unsure_first
    )
    with counted(len(documents), "pushing") as done:
        report = push_documents(connection, place, documents, progress=done)
    for left in (*report.kept, *report.refused):
        say(f"{left.task_url} (document {left.document}): {left.reason}")
    say(
        f"pushed {plural(len(documents), 'document')}: {report.created} new, {report.updated} "
        f"changed, {report.unchanged} as they were, {len(report.kept)} with annotations kept, "
        f"{len(report.refused)} refused"
        + (f"; {str(report.copies) + ' surplus copies'} removed" if report.copies else "")
    )
    say(f"label at {place.url}")
    if report.refused:
        raise DataError(
            f"{plural(len(report.refused), 'document')} refused: their text changed after they "
            "were annotated; push them under new ids"
        )


@app.command()
def pull(
    project: Project,
    output: Output = "-",
    mend: Annotated[
        bool,
        typer.Option(
            "--mend", help="Mend what has one right mending: edge spaces, spans that stand twice."
        ),
    ] = False,
    url: Url = None,
    folder: ServerFolder = None,
) -> None:
    """Fetch every annotation of a project, checked against the text.

    One line per document and annotator.

    Example: vipol pull --project "Party news" -o annotations.jsonl
    """
    from annotate.studio.project import find_project
    from annotate.studio.pull import pull_annotations, require_whole

    connection = open_connection(url, folder)
    place = find_project(connection, project)
    if place is None:
        raise DataError(f"{connection.url}: has no project {project!r}; check the title")
    documents, report = pull_annotations(connection, place, mend=mend)
    write_documents(output, documents)
    for problem in report.problems:
        say(f"{problem.task_url} ({problem.document}, {problem.annotator}): {problem.reason}")
    say(
        f"pulled {plural(report.documents, 'annotation')} of {plural(report.tasks, 'task')}: "
        f"{report.skipped} skipped, {plural(len(report.problems), 'problem')}, "
        f"{plural(report.unfinished, 'draft')} not submitted yet"
    )
    require_whole(report)


# --- guidelines -------------------------------------------------------------------------------


@app.command()
def guide(
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path(
        "guidelines.html"
    ),
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
) -> None:
    """The annotation guidelines as one HTML page.

    Example: vipol guide -o guidelines.html
    """
    import webbrowser

    from annotate.files import open_output
    from annotate.guide import render_guide

    page = render_guide()
    with open_output(output) as stream:
        stream.write(page)
    say(f"wrote the guidelines to {output}")
    if show:
        webbrowser.open(output.resolve().as_uri())


@app.command()
def quiz(
    answers: Annotated[
        str | None,
        typer.Argument(help="The filled-in sheet, or a Document file of the items."),
    ] = None,
    sheet: Annotated[bool, typer.Option("--sheet", help="Print the sheet to fill in.")] = False,
    language: Annotated[Language, typer.Option("--lang", help="Of sheet and report.")] = "vi",
    as_json: AsJson = False,
) -> None:
    """The annotators' quiz: print it, or score the answers.

    Names the rules to read again.

    Example: vipol quiz --sheet > sheet.txt, fill it in, then vipol quiz sheet.txt
    """
    from annotate.guide import read_guidelines
    from annotate.quiz import (
        format_quiz_result,
        format_sheet,
        quiz_result_to_dict,
        read_answers,
        read_quiz,
        score_quiz,
    )

    items = read_quiz()
    if sheet == (answers is not None):
        raise typer.BadParameter("name the file with the answers, or ask for the --sheet")
    if answers is None:
        print(format_sheet(items, language))
        return
    found = read_answers(answers, items)
    for problem in found.problems:
        say(problem)
    if found.problems:
        raise DataError(
            f"{answers}: {plural(len(found.problems), 'item')} cannot be scored; mend them first"
        )
    result = score_quiz(found.spans, items)
    if as_json:
        print_json(quiz_result_to_dict(result))
    else:
        print(format_quiz_result(result, read_guidelines(), language))


# --- annotations to a dataset -----------------------------------------------------------------


@app.command()
def agreement(
    source: Annotated[str, typer.Argument(metavar="ANNOTATIONS", help="File that pull wrote.")],
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with plots and examples here.")
    ] = None,
) -> None:
    """How far annotators agree, and what they dispute most.

    By pair, label and layer, with intervals.

    Example: vipol agreement annotations.jsonl --html agreement.html
    """
    from annotate.agreement import (
        agreement_to_dict,
        agreement_to_html,
        format_agreement,
        measure_agreement,
    )
    from annotate.files import open_output

    measured = measure_agreement(read_documents(source, labelled=True, annotations=True))
    if html:
        with open_output(html) as stream:
            stream.write(agreement_to_html(measured))
        say(f"wrote the page to {html}")
    if as_json:
        print_json(agreement_to_dict(measured))
    else:
        print(format_agreement(measured))


@app.command("adjudicate")
def adjudicate_command(
    source: Annotated[str, typer.Argument(metavar="ANNOTATIONS", help="File that pull wrote.")],
    output: Output = "-",
    policy: Annotated[
        Policy,
        typer.Option(
            help="all: every annotator drew the same; majority: more than half did, wherever they "
            "differ; reviewer: a reviewer decides each document."
        ),
    ] = "majority",
    project: Annotated[
        str | None,
        typer.Option(help="Title of the review project, for what the policy does not settle."),
    ] = None,
    url: Url = None,
    folder: ServerFolder = None,
) -> None:
    """Make gold of what annotators agree on and a reviewer decides.

    The policy settles what it can; the reviewer decides the rest in Label Studio.

    Run it again to take the reviewer's decisions in; earlier ones stay.

    Example: vipol adjudicate annotations.jsonl -o gold.jsonl --project "Party news review"
    """
    from annotate.adjudicate import adjudicate
    from annotate.studio.review import pull_decisions, push_reviews, withdraw_reviews

    annotations = list(read_documents(source, labelled=True, annotations=True))
    earlier = read_earlier(output)
    decisions: list[Document] = []
    problems: list[Any] = []
    connection: Any = open_connection(url, folder) if project else None
    if project:
        decisions, problems = pull_decisions(connection, project)
    result = adjudicate(
        annotations, policy, decisions=decisions, problems=problems, earlier=earlier
    )
    write_documents(output, result.gold)
    for line in (*result.remarks, *result.open, *(() if project else result.reviews.values())):
        say(str(line))
    say(
        f"adjudicated {plural(result.documents, 'document')} by {policy}: {result.settled} "
        f"settled, {result.decided} decided by a reviewer, {len(result.reviews)} to review, "
        f"{len(result.open)} open"
    )
    if project:
        withdrawn = withdraw_reviews(connection, project, [gold.id for gold in result.gold])
        if withdrawn:
            say(f"took {plural(withdrawn, 'task')} out of the review that are settled now")
    if result.reviews and project:
        place, report = push_reviews(connection, project, result.reviews)
        for left in (*report.kept, *report.refused):
            say(f"{left.task_url} (document {left.document}): {left.reason}")
        say(f"review at {place.url}: open each task from the list, then run this again")
    elif result.reviews:
        say('give --project "TITLE" to have the rest reviewed in Label Studio')


def read_earlier(output: str) -> list[Document]:
    """The gold that an earlier run wrote there, if any."""
    path = Path(output)
    if output == "-" or not path.is_file() or not path.stat().st_size:
        return []
    earlier = list(read_documents(path, labelled=True))
    for document in earlier:
        if "decided_by" not in document.meta:
            raise DataError(
                f"{output} (document {document.id}): is no gold that vipol adjudicate wrote, and "
                "would be lost; name another file to write"
            )
    return earlier


@app.command()
def build(
    source: Annotated[
        str,
        typer.Argument(metavar="GOLD", help="Document file, or folder of inline mark-up files."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the dataset.")],
    annotator: Annotated[
        str | None,
        typer.Option(help="Whose annotations to take from a file with several annotators."),
    ] = None,
    split_by: Annotated[
        SplitBy, typer.Option(help="How documents go into splits; near copies stay together.")
    ] = "balanced",
    seed: Annotated[int, typer.Option(help="Seed of the splits.")] = 13,
) -> None:
    """Build a Hugging Face dataset: Parquet, splits, card.

    Three splits, both layers, plots in the card.

    A folder of mark-up files, or else source/ in the dataset's folder, may hold dataset.toml
    (describes the dataset), annotations.jsonl (some documents, labelled by several: the agreement
    that the card states) and benchmark.json (the scores that scripts/benchmark wrote).

    Example: vipol build gold.jsonl -o datasets/party-news
    """
    from annotate.dataset.build import build_dataset
    from annotate.dataset.describe import read_description

    documents = choose_annotator(source, annotator) if annotator else load_gold(source)
    is_markup = Path(source).is_dir() and not is_dataset(source)
    described = read_description(Path(source) if is_markup else output / "source")
    with progress_bars() as advance:
        report = build_dataset(
            described.complete(documents),
            output,
            seed=seed,
            split_by=split_by,
            about=described.about,
            agreement=described.agreement,
            benchmark=described.benchmark,
            progress=advance,
        )
    say(str(report))


def choose_annotator(source: str, annotator: str) -> list[Document]:
    """The annotations of one annotator, without those that were skipped."""
    names: set[str] = set()
    chosen: list[Document] = []
    for document in read_documents(source, labelled=True, annotations=True):
        name = str(document.meta.get("annotator", ""))
        names.add(name)
        if name == annotator and not document.meta.get("skipped"):
            chosen.append(document)
    if not chosen:
        raise DataError(
            f"{source}: no annotations by {annotator!r}; annotators: {', '.join(sorted(names))}"
        )
    return chosen


@app.command()
def export(
    source: Annotated[
        str, typer.Argument(metavar="GOLD", help="Document file, built dataset or mark-up folder.")
    ],
    to: Annotated[ExportFormat, typer.Option(help="Format to write.")],
    output: Output = "-",
    tokens: Annotated[TokenConfig, typer.Option(help="Tokens of conll.")] = "syllable",
    split: Annotated[
        str | None, typer.Option(help="Split of the dataset: train, validation or test.")
    ] = None,
) -> None:
    """Write documents as CoNLL, JSON Lines, spaCy or Label Studio.

    Example: vipol export datasets/party-news --split test --to conll -o test.conll
    """
    from annotate.dataset.exports import export_documents

    written = export_documents(load_gold(source, split, foreign=True), output, to, tokens=tokens)
    say(f"exported {plural(written, 'document')} as {to}")


@import_.command("documents")
def import_documents_command(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="File that vipol export wrote.")],
    format: Annotated[ExportFormat, typer.Option("--from", help="Format of the file.")],
    output: Output = "-",
) -> None:
    """Read an export back, perhaps changed by other tools, as a Document file.

    Example: vipol import documents gold.spacy --from spacy -o gold.jsonl
    """
    from annotate.dataset.exports import read_export

    count = write_documents(output, read_export(source, format))
    say(f"read {plural(count, 'document')} from {format}")


@import_.command("conll")
def import_conll_command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the dataset.")],
    train: Annotated[Path | None, typer.Option(help="File of the train split.")] = None,
    validation: Annotated[Path | None, typer.Option(help="File of the validation split.")] = None,
    test: Annotated[Path | None, typer.Option(help="File of the test split.")] = None,
    label_map: Annotated[
        Path | None, typer.Option(help="TOML file: their labels to the ones wanted.")
    ] = None,
    token_column: Annotated[int, typer.Option(min=1, help="Column of the token.")] = 1,
    tag_column: Annotated[
        int | None,
        typer.Option(
            min=1, help="Column of the IOB2 tag.  [default: the second of two]", show_default=False
        ),
    ] = None,
    inner_column: Annotated[
        int | None, typer.Option(min=1, help="Column of a second layer's tag.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the data, as cc-by-4.0.")] = None,
) -> None:
    """Make a dataset of others' column files; their tokens and labels stay theirs.

    Example: vipol import conll --train train.conll --test test.conll -o datasets/theirs
    """
    from annotate.dataset.conll import Columns
    from annotate.dataset.imports import import_conll, read_label_map

    columns = None
    if (token_column, tag_column, inner_column) != (1, None, None):
        columns = Columns(token_column, tag_column or 2, inner_column)
    named: dict[Split, Path | None] = {"train": train, "validation": validation, "test": test}
    report = import_conll(
        {split: path for split, path in named.items() if path},
        output,
        columns=columns,
        labels=read_label_map(label_map) if label_map else None,
        licence=licence,
    )
    say(str(report))


@app.command()
def publish(
    source: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of a built dataset.")],
    repo: Annotated[str, typer.Option(help="ORG/NAME on the Hub.")],
    yes: Annotated[bool, typer.Option("--yes", help="Send it; without this, only show.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = (
        False
    ),
    pull_request: Annotated[
        bool, typer.Option("--pull-request", help="Propose the change instead of making it.")
    ] = False,
    version: Annotated[
        str | None, typer.Option(help="Version to tag, as 1.2.0.  [default: the next]")
    ] = None,
    note: Annotated[str, typer.Option(help="What changed, for the change log.")] = "",
) -> None:
    """Publish a dataset on the Hugging Face Hub.

    Without --yes it only shows what would go.

    The token comes from HF_TOKEN or the Hub's own login.

    Example: vipol publish datasets/party-news --repo my-lab/party-news
    """
    import time

    from annotate.dataset.publish import plan_publication
    from annotate.dataset.publish import publish as publish_plan

    def wait(seconds: float) -> None:
        say(f"the Hub asks to wait {seconds:.0f} s")
        time.sleep(seconds)

    plan = plan_publication(
        source,
        repo,
        version=version,
        note=note,
        private=private,
        pull_request=pull_request,
        wait=wait,
    )
    print(plan)
    if yes:
        with progress_bars() as advance:
            done = publish_plan(plan, wait=wait, progress=partial(advance, "sending"))
        print(done)
    elif plan.commits or plan.tags:
        say("nothing was sent; --yes sends it")


# --- models and scores --------------------------------------------------------------------


TrainingData = Annotated[
    list[str],
    typer.Argument(metavar="DATA...", help="Datasets (their train split) or Document files."),
]
ModelFolder = Annotated[Path, typer.Option("--output", "-o", help="Folder of the model.")]
Validation = Annotated[
    list[str] | None,
    typer.Option(
        help="Datasets or Document files to score on, and to stop by.  "
        "[default: the validation split of the datasets]",
        show_default=False,
    ),
]
Unlabelled = Annotated[
    list[str] | None,
    typer.Option(help="Document file, its labels put aside, to learn from what words are alike."),
]
TrainingSeed = Annotated[int, typer.Option("--seed", help="Seed of the training.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")]
Epochs = Annotated[int, typer.Option(min=1, help="At most so many passes over the data.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Sentences a step; less takes less memory.")]


def load_training(sources: list[str], split: str = "train") -> list[Document]:
    """The documents of all sources; of a built dataset those of one split."""
    documents: list[Document] = []
    for source in sources:
        is_built = is_dataset(source)
        documents += load_gold(source, split if is_built else None, foreign=True)
    return documents


def load_validation(sources: list[str], named: list[str] | None) -> list[Document] | None:
    """What a training is scored on: the named files, else the datasets' validation splits."""
    if named:
        return load_training(named, "validation")
    from annotate.dataset.load import has_split

    built = [source for source in sources if is_dataset(source) and has_split(source, "validation")]
    return load_training(built, "validation") if built else None


def train_model(
    kind: str,
    sources: list[str],
    validation: list[str] | None,
    output: Path,
    unlabelled: list[str] | None = None,
    **how: Any,
) -> None:
    """Load the data, train with `train_KIND` of baselines/KIND.py and a progress bar, and say what
    came of it."""
    from importlib import import_module

    from baselines.training import is_first_process

    if unlabelled:
        how["unlabelled"] = (
            document.text for path in unlabelled for document in read_documents(path, foreign=True)
        )
    documents = load_training(sources)
    held = load_validation(sources, validation)
    fit = getattr(import_module(f"baselines.{kind}"), f"train_{kind}")  # may import torch: late
    with progress_bars() as advance:
        steps = partial(advance, "training")
        model = fit(documents, validation=held, output=output, progress=steps, **how)
    if not is_first_process():
        return
    scored = ""
    if model.validation is not None:
        found = plural(model.validation["documents"], "document")
        scored = f"; strict span F1 on {found} of validation: {model.validation['f1']:.3f}"
    say(f"trained on {plural(len(documents), 'document')}{scored}")
    say(f"saved to {output}")


@train.command("crf")
def train_crf_command(
    sources: TrainingData,
    output: ModelFolder,
    validation: Validation = None,
    unlabelled: Unlabelled = None,
    seed: TrainingSeed = 13,
) -> None:
    """Train the CRF baseline, both layers, on any label set.

    Example: vipol train crf datasets/party-news -o model
    """
    train_model("crf", sources, validation, output, unlabelled, seed=seed)


@train.command("bilstm")
def train_bilstm_command(
    sources: TrainingData,
    output: ModelFolder,
    validation: Validation = None,
    unlabelled: Unlabelled = None,
    epochs: Epochs = 30,
    batch_size: BatchSize = 16,
    seed: TrainingSeed = 13,
    resume: Resume = False,
) -> None:
    """Train a BiLSTM-CRF with characters from nothing, both layers.

    Example: vipol train bilstm datasets/party-news -o model
    """
    how = {"epochs": epochs, "batch_size": batch_size, "seed": seed, "resume": resume}
    train_model("bilstm", sources, validation, output, unlabelled, **how)


@train.command("transformer")
def train_transformer_command(
    sources: TrainingData,
    output: ModelFolder,
    model: Annotated[
        str, typer.Option(help="Encoder to start from: a name on the Hub, or a folder.")
    ] = "vinai/phobert-base-v2",
    validation: Validation = None,
    epochs: Epochs = 20,
    batch_size: BatchSize = 16,
    learning_rate: Annotated[float, typer.Option(help="Of the encoder.")] = 5e-5,
    seed: TrainingSeed = 13,
    resume: Resume = False,
) -> None:
    """Fine-tune a transformer encoder, both layers.

    Several GPUs: accelerate launch -m annotate train transformer …

    Example: vipol train transformer datasets/party-news --model xlm-roberta-base -o model
    """
    how: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size}
    how |= {"learning_rate": learning_rate, "seed": seed, "resume": resume}
    train_model("transformer", sources, validation, output, model=model, **how)


GoldSplit = Annotated[
    str | None, typer.Option("--split", help="Split of the gold dataset: train, validation, test.")
]
TrainedOn = Annotated[
    list[str] | None,
    typer.Option(
        "--train",
        help="What was trained on, to tell seen mentions from unseen.  [default: the train split]",
        show_default=False,
    ),
]
HtmlPage = Annotated[
    Path | None, typer.Option("--html", help="Write a page with plots and every mistake here too.")
]


def load_scored(
    gold: str, split: str | None, trained_on: list[str] | None
) -> tuple[list[Document], list[Document] | None]:
    """Gold, and what the models were trained on where it is known: of a dataset's validation or
    test split that is its train split."""
    from annotate.dataset.load import has_split

    documents = load_gold(gold, split, foreign=True)
    if trained_on:
        train: list[Document] | None = load_training(trained_on)
    elif split in ("validation", "test") and has_split(gold, "train"):
        train = load_gold(gold, "train", foreign=True)
    else:
        train = None
    return documents, train


@app.command()
def score(
    gold: Annotated[str, typer.Argument(help="Document file or built dataset.")],
    predicted: Annotated[str, typer.Argument(metavar="PRED", help="Document file.")],
    split: GoldSplit = None,
    trained_on: TrainedOn = None,
    html: HtmlPage = None,
    as_json: AsJson = False,
) -> None:
    """Score predictions: seqeval, strict IOB2, with intervals.

    Beside it: partial matches, and kinds of spans by length, capitals, seen in training, genre.

    Example: vipol score datasets/party-news predicted.jsonl --split test
    """
    from baselines.compare import compare_documents
    from baselines.score_table import format_scores, scores_to_dict

    documents, train = load_scored(gold, split, trained_on)
    name = Path(predicted).stem or "predicted"
    found = compare_documents(
        documents,
        {name: read_documents(predicted, labelled=True, foreign=True)},
        split=split,
        train=train,
    )
    if html:
        write_page(html, found, f"Scores of {name}")
    scores = found.models[name]
    if as_json:
        print_json(scores_to_dict(scores))
    else:
        print(format_scores(scores))


@app.command()
def compare(
    gold: Annotated[str, typer.Argument(help="Document file or built dataset.")],
    predictions: Annotated[
        list[str], typer.Argument(metavar="[NAME=]PRED...", help="Document files, one a model.")
    ],
    split: GoldSplit = None,
    trained_on: TrainedOn = None,
    to: Annotated[ComparisonFormat, typer.Option(help="What to print.")] = "text",
    html: HtmlPage = None,
) -> None:
    """Compare models: intervals, paired tests, differences.

    Shows what one finds and another misses.

    Example: vipol compare gold.jsonl rules.jsonl CRF=crf.jsonl --html compare.html
    """
    from baselines.compare import compare_documents
    from baselines.compare_table import format_comparison

    documents, train = load_scored(gold, split, trained_on)
    files = name_predictions(predictions)
    found = compare_documents(
        documents,
        {name: read_documents(path, labelled=True, foreign=True) for name, path in files.items()},
        split=split,
        train=train,
    )
    if html:
        write_page(html, found, "Comparison of " + ", ".join(files))
    print(format_comparison(found, to))


def name_predictions(predictions: list[str]) -> dict[str, str]:
    """Files by the name of their model: `NAME=FILE`, or FILE, whose stem is the name."""
    named: dict[str, str] = {}
    for one in predictions:
        name, equals, path = one.partition("=")
        if not equals or Path(one).exists():
            name, path = Path(one).stem, one
        if not name or name in named:
            raise DataError(f"{one}: a model needs a name of its own; write NAME={path or 'FILE'}")
        named[name] = path
    return named


def write_page(path: Path, comparison: Any, title: str) -> None:
    from annotate.files import open_output
    from baselines.page import format_page

    with open_output(path) as stream:
        stream.write(format_page(comparison, title))
    say(f"wrote {path}: open it in a browser")


# --- everything at once -----------------------------------------------------------------


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for all that the demo writes.")
    ] = Path("demo-out"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave Label Studio running, and say how to log in.")
    ] = False,
) -> None:
    """Run the whole line on the sample, with its own Label Studio.

    Example: vipol demo --keep
    """
    from annotate.demo import run_demo

    run_demo(output, keep=keep)


def print_version(wanted: bool) -> None:
    if wanted:
        print(f"vipol {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; every error ends in one line on stderr, none in a traceback.

    With VIPOL_TRACEBACK set, an error that is our own bug shows where it came from.
    """
    try:
        app()
    except VipolError as error:
        fail(str(error))
    except BrokenPipeError:
        # The reader of our output went away (`| head`): no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        fail("out of memory; give fewer documents at a time")
    except Exception as error:
        if os.environ.get("VIPOL_TRACEBACK"):
            raise
        fail(
            f"unexpected {type(error).__name__}: {error}; this is a bug of vipol "
            "(set VIPOL_TRACEBACK=1 to see where)"
        )


def fail(message: str) -> None:
    say("vipol: " + " ".join(message.split()))
    sys.exit(1)
