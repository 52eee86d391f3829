"""The `vipol` command: reads, calls one function, prints.

Data goes to `-o` or stdout; what was done goes to stderr. Exit 0: done; 1: an error of the
data or of a service; 2: wrong usage. Slow imports happen inside the command that needs them.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from annotate import __version__
from annotate.dataset.exports import ExportFormat
from annotate.dataset.sentences import TokenConfig
from annotate.dataset.split import Split, SplitBy
from annotate.document import Document, read_documents, write_documents
from annotate.errors import DataError, VipolError
from annotate.scheme import Language

Item = TypeVar("Item")

PROJECT_FILE = "vipol.toml"
"""A team's own lexicons and patterns, in the folder that the command runs in."""

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
        envvar="VIPOL_STUDIO",
        help="The server's data folder.  [default: ~/.local/share/vipol/studio]",
        show_default=False,
    ),
]
Project = Annotated[str, typer.Option("--project", help="Title of the project in Label Studio.")]
Url = Annotated[
    str | None,
    typer.Option(
        envvar="LABEL_STUDIO_URL",
        help="Label Studio to use instead of the embedded one; "
        "its key comes from LABEL_STUDIO_API_KEY.",
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
def counted(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """What is called with the number of things done since its last call, for a progress bar on
    stderr when that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def server_folder(folder: Path | None) -> Path:
    """The data folder of the embedded server: the one asked for, else the user's own."""
    if folder:
        return folder
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "vipol" / "studio"


def load_gold(source: str, split: str | None = None) -> list[Document]:
    """Labelled Documents of a Document file, a built dataset, or a folder of mark-up files."""
    path = Path(source)
    if path.is_dir() and (path / "README.md").exists():
        from annotate.dataset.load import load_documents

        return load_documents(path, split)
    if split:
        raise DataError(f"{source}: --split needs a built dataset, this is none")
    if path.is_dir():
        from annotate.markup import read_source_folder

        return read_source_folder(path)
    return list(read_documents(source, labelled=True))


def open_connection(url: str | None, folder: Path | None) -> Any:
    """A connection to the Label Studio at `url`, else to the embedded server of `folder`."""
    from annotate.studio.connection import connect

    if url:
        key = os.environ.get("LABEL_STUDIO_API_KEY")
        if not key:
            raise DataError(
                "LABEL_STUDIO_API_KEY is not set; put the key of your account on "
                f"{url} into it (Account & Settings, Access Token)"
            )
        return connect(url, key)
    server = require_server(folder)
    return connect(server.url, server.token)


def require_server(folder: Path | None) -> Any:
    """The embedded server that runs in `folder`."""
    from annotate.studio.server import find_server

    place = server_folder(folder)
    server = find_server(place)
    if not server:
        raise DataError(
            f"{place}: no Label Studio runs here; start one with vipol studio up, or set "
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
    """Take page furniture out of raw articles; find headline, date and by-line.

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


def write_predictions(model: str, documents: Iterable[Document], output: str, workers: int) -> None:
    from baselines.workers import label_stream

    def warn(document: Document, looks_like: str) -> None:
        say(f"document {document.id}: {looks_like}; no spans")

    spans = 0

    def counted() -> Iterator[Document]:
        nonlocal spans
        stream = label_stream(model, documents, workers, project=PROJECT_FILE, warn=warn)
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
            help="rules, underthesea, the folder of a trained model, or ensemble:rules+crf:FOLDER.",
        ),
    ] = "rules",
    workers: Workers = 1,
) -> None:
    """Label documents before annotators see them; entities that come in are put aside.

    Example: vipol prelabel docs.jsonl -o prelabelled.jsonl
    """
    write_predictions(model, read_documents(source), output, workers)


@app.command()
def explain(
    source: Annotated[str, typer.Argument(metavar="FILE", help="Document file; - is stdin.")],
    document: Annotated[str, typer.Option(help="Id of the document to explain.")],
    html: Annotated[Path | None, typer.Option(help="Write an HTML page here instead.")] = None,
) -> None:
    """Show why each pre-label of a document is there, and what lost against it.

    Example: vipol explain docs.jsonl --document a01
    """
    from annotate.files import open_output
    from annotate.prelabel.explain import (
        explain_document,
        explanation_to_html,
        format_explanation,
    )
    from annotate.prelabel.project import read_project_rules

    found = [each for each in read_documents(source) if each.id == document]
    if not found:
        raise DataError(f"{source}: holds no document {document!r}")
    explanation = explain_document(found[0], read_project_rules(PROJECT_FILE))
    if html:
        with open_output(html) as stream:
            stream.write(explanation_to_html(explanation))
        say(f"wrote the explanation to {html}")
    else:
        print(format_explanation(explanation, colour=sys.stdout.isatty()))


@app.command()
def rules(
    source: Annotated[str, typer.Argument(metavar="FILE", help="Document file; - is stdin.")],
    gold: Annotated[
        bool, typer.Option("--gold", help="The entities of the file are gold: show precision too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What each rule of pre-labelling does on documents: coverage, conflicts, precision.

    Example: vipol rules gold.jsonl --gold
    """
    from annotate.prelabel.project import read_project_rules
    from annotate.prelabel.statistics import (
        format_rule_report,
        measure_rules,
        rule_report_to_dict,
    )

    report = measure_rules(
        progress(read_documents(source, labelled=gold), "measuring"),
        has_gold=gold,
        rules=read_project_rules(PROJECT_FILE),
    )
    if as_json:
        print_json(rule_report_to_dict(report))
    else:
        print(format_rule_report(report))


@app.command()
def retrain(
    source: Annotated[
        str, typer.Argument(metavar="GOLD", help="Document file, dataset, or mark-up folder.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the ensemble.")],
    seed: Annotated[int, typer.Option(help="Seed of the folds.")] = 13,
    as_json: AsJson = False,
) -> None:
    """Train rules and CRF together on your gold, and show what the next batch gains.

    Then: vipol prelabel next.jsonl --with ensemble:FOLDER

    Example: vipol retrain gold.jsonl -o ensemble
    """
    from baselines.ensemble import format_retraining, retraining_to_dict
    from baselines.ensemble import retrain as retrain_ensemble
    from baselines.workers import open_labeller

    labeller = open_labeller("rules", PROJECT_FILE)
    report = retrain_ensemble(load_gold(source), seed=seed, rules=labeller)
    report.save(output)
    if as_json:
        print_json(retraining_to_dict(report))
    else:
        print(format_retraining(report))
    say(f"saved to {output}; use it with vipol prelabel --with ensemble:{output}")


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="rules, underthesea, or a model's folder.")],
    source: Annotated[
        str, typer.Argument(metavar="IN", help="Document file (- is stdin) or built dataset.")
    ],
    output: Output = "-",
    split: Annotated[
        str | None, typer.Option(help="Split of the dataset: train, validation or test.")
    ] = None,
    workers: Workers = 1,
) -> None:
    """Predict spans with a model; entities that come in are put aside.

    Example: vipol predict model docs.jsonl -o predicted.jsonl
    """
    if split or Path(source).is_dir():
        write_predictions(model, load_gold(source, split), output, workers)
    else:
        write_predictions(model, read_documents(source), output, workers)


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

    place = server_folder(folder)
    running = find_server(place)
    if not running:
        say("starting Label Studio (under a minute the first time, then a few seconds)")
    server = start_server(place, port)
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

    place = server_folder(folder)
    if stop_server(place):
        say(f"stopped the Label Studio of {place}; its data stays there")
    else:
        say(f"{place}: no Label Studio runs here")


@studio.command("status")
def studio_status(folder: ServerFolder = None) -> None:
    """Say where the embedded Label Studio is; exit 1 where none runs.

    Example: vipol studio status
    """
    from annotate.studio.server import find_server

    place = server_folder(folder)
    server = find_server(place)
    if not server:
        say(f"{place}: no Label Studio runs here; start one with vipol studio up")
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

    annotator = create_annotator(require_server(folder), name, email)
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
    """Send documents to a Label Studio project as tasks, their spans as predictions.

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
    """Fetch every annotation of a project: one line per document and annotator.

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
    """Write the guidelines as one HTML page, to read, search and print.

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
    """Score an annotator's answers to the quiz, and name the rules to read again.

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
) -> None:
    """How far annotators agree, by pair, label and layer.

    Example: vipol agreement annotations.jsonl
    """
    from annotate.agreement import agreement_to_dict, format_agreement, measure_agreement

    measured = measure_agreement(read_documents(source, labelled=True, annotations=True))
    if as_json:
        print_json(agreement_to_dict(measured))
    else:
        print(format_agreement(measured))


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
    """Build a Hugging Face dataset: Parquet, three splits, both layers, a card.

    Of a folder of mark-up files, dataset.toml in it describes the dataset, and annotations.jsonl
    in it (some documents, labelled twice) gives the agreement that the card states.

    Example: vipol build gold.jsonl -o datasets/party-news
    """
    from annotate.agreement import measure_agreement
    from annotate.dataset.build import build_dataset, read_dataset_source

    about = agreement = None
    folder = Path(source)
    if annotator:
        documents = choose_annotator(source, annotator)
    elif folder.is_dir():
        described = read_dataset_source(folder)
        documents, about = described.documents, described.about
        twice = folder / "annotations.jsonl"
        if twice.exists():
            agreement = measure_agreement(read_documents(twice, labelled=True, annotations=True))
    else:
        documents = load_gold(source)
    report = build_dataset(
        documents, output, seed=seed, split_by=split_by, about=about, agreement=agreement
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
    """Write documents in a format of other tools: CoNLL columns, spaCy, Label Studio.

    Example: vipol export datasets/party-news --split test --to conll -o test.conll
    """
    from annotate.dataset.exports import export_documents

    written = export_documents(load_gold(source, split), output, to, tokens=tokens)
    say(f"exported {plural(written, 'document')} as {to}")


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
    tag_column: Annotated[int, typer.Option(min=1, help="Column of the IOB2 tag.")] = 2,
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

    named: dict[Split, Path | None] = {"train": train, "validation": validation, "test": test}
    report = import_conll(
        {split: path for split, path in named.items() if path},
        output,
        columns=Columns(token_column, tag_column, inner_column),
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
    """Publish a dataset on the Hugging Face Hub; without --yes, show what would go.

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
        print(publish_plan(plan, wait=wait))


# --- models and scores --------------------------------------------------------------------


@train.command("crf")
def train_crf_command(
    sources: Annotated[
        list[str], typer.Argument(metavar="DATA...", help="Built datasets or Document files.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the model.")],
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 13,
) -> None:
    """Train the CRF baseline, both layers; of a dataset its train split.

    Example: vipol train crf datasets/party-news -o model
    """
    from baselines.crf import train_crf

    documents = load_training(sources)
    model = train_crf(documents, seed=seed)
    model.save(output)
    say(f"trained a CRF on {plural(len(documents), 'document')}: {output}")


def load_training(sources: list[str], split: str = "train") -> list[Document]:
    """The documents of all sources; of a built dataset those of one split."""
    documents: list[Document] = []
    for source in sources:
        is_built = (Path(source) / "README.md").exists()
        documents += load_gold(source, split if is_built else None)
    return documents


Validation = Annotated[
    list[str] | None,
    typer.Option(
        help="Document files to stop by.  [default: the validation split of the datasets]",
        show_default=False,
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")]
Epochs = Annotated[int, typer.Option(min=1, help="At most so many passes over the data.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Sentences a step; less takes less memory.")]


def load_validation(sources: list[str], named: list[str] | None) -> list[Document] | None:
    """What early stopping looks at: the named files, else the datasets' validation splits."""
    if named:
        return load_training(named, "validation")
    built = [source for source in sources if (Path(source) / "README.md").exists()]
    return load_training(built, "validation") if built else None


@train.command("bilstm")
def train_bilstm_command(
    sources: Annotated[
        list[str], typer.Argument(metavar="DATA...", help="Built datasets or Document files.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the model.")],
    validation: Validation = None,
    epochs: Epochs = 30,
    batch_size: BatchSize = 16,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 13,
    resume: Resume = False,
) -> None:
    """Train a BiLSTM-CRF with characters from nothing, both layers.

    Example: vipol train bilstm datasets/party-news -o model
    """
    documents = load_training(sources)
    held = load_validation(sources, validation)
    from baselines.bilstm import train_bilstm

    train_bilstm(
        documents,
        output=output,
        validation=held,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        resume=resume,
    )
    say(f"trained a BiLSTM-CRF on {plural(len(documents), 'document')}: {output}")


@train.command("transformer")
def train_transformer_command(
    sources: Annotated[
        list[str], typer.Argument(metavar="DATA...", help="Built datasets or Document files.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the model.")],
    model: Annotated[
        str, typer.Option(help="Encoder to start from: a name on the Hub, or a folder.")
    ] = "vinai/phobert-base-v2",
    validation: Validation = None,
    epochs: Epochs = 20,
    batch_size: BatchSize = 16,
    learning_rate: Annotated[float, typer.Option(help="Of the encoder.")] = 5e-5,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 13,
    resume: Resume = False,
) -> None:
    """Fine-tune a transformer encoder, both layers.

    Example: vipol train transformer datasets/party-news --model xlm-roberta-base -o model
    """
    documents = load_training(sources)
    held = load_validation(sources, validation)
    from baselines.transformer import train_transformer

    train_transformer(
        documents,
        model=model,
        output=output,
        validation=held,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        resume=resume,
    )
    say(f"trained {model} on {plural(len(documents), 'document')}: {output}")


@app.command()
def score(
    gold: Annotated[str, typer.Argument(help="Document file or built dataset.")],
    predicted: Annotated[str, typer.Argument(metavar="PRED", help="Document file.")],
    as_json: AsJson = False,
    split: Annotated[
        str | None, typer.Option(help="Split of the gold dataset: train, validation or test.")
    ] = None,
) -> None:
    """Score predictions against gold: seqeval (strict, IOB2) by layer, strict span F1 beside.

    Example: vipol score gold.jsonl predicted.jsonl
    """
    from baselines.score import format_scores, score_documents, scores_to_dict

    scores = score_documents(load_gold(gold, split), read_documents(predicted, labelled=True))
    if as_json:
        print_json(scores_to_dict(scores))
    else:
        print(format_scores(scores))


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
    """Run the whole line on the sample articles, with a Label Studio of its own.

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
