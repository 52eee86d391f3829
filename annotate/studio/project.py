"""The Label Studio project: labelling configuration and settings, all from the scheme."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from annotate.errors import ServiceError
from annotate.scheme import GUESTS, HOSTS, LABEL_NAMES, LABELS, SCHEME_VERSION, Label
from annotate.studio.connection import Connection, write_once
from annotate.studio.task import LABELS_NAME, MODEL_VERSION, TEXT_NAME

SHORTEST_TITLE, LONGEST_TITLE = 3, 50
"""Characters that Label Studio allows in a project's title."""

_IN_ORDER, _UNSURE_FIRST = "Sequential sampling", "Uncertainty sampling"


@dataclass(frozen=True, slots=True)
class Project:
    """A project on a server; `url` is its page."""

    id: int
    title: str
    url: str

    def task_url(self, task: int) -> str:
        """The page that opens one task."""
        return f"{self.url}?task={task}"


def find_project(connection: Connection, title: str) -> Project | None:
    """The project with exactly this title, or None. White space around it does not count, as in
    `ensure_project` and on the server.

    Raises ServiceError where several have it, and for a failure of the service.
    """
    found = _same_title(connection, title.strip())
    return _project(connection, found) if found else None


def ensure_project(
    connection: Connection,
    title: str,
    per_task: int | None = None,
    instruction: str | None = None,
    model_version: str = MODEL_VERSION,
    unsure_first: bool | None = None,
) -> Project:
    """The project with exactly this title, made or brought up to date.

    `per_task` is how many annotators each task wants (Label Studio's `maximum_annotations`);
    `unsure_first` whether tasks with low scores of their pre-labels come first, not the order
    in which they were pushed. None leaves a project as it is; a new one wants one annotator a
    task, in order. `instruction` is HTML that annotators can open beside the task; by default a
    summary of the scheme.

    Raises ServiceError where the title does not fit, several projects have it, or the project
    is another kind of project, which is left as it is.
    """
    title = title.strip()
    if not SHORTEST_TITLE <= len(title) <= LONGEST_TITLE:
        raise ServiceError(
            f"project {title!r}: a title of {SHORTEST_TITLE} to {LONGEST_TITLE} characters was "
            f"wanted, found {len(title)}"
        )
    if per_task is not None and per_task < 1:
        raise ServiceError(f"project {title!r}: {per_task} annotators a task; wanted 1 or more")
    wanted: dict[str, Any] = {
        "label_config": labelling_configuration(),
        "expert_instruction": instruction or default_instruction(),
        "description": f"Vietnamese political entities, annotation scheme {SCHEME_VERSION} (vipol)",
        "model_version": model_version,
        "show_instruction": True,
        "show_skip_button": True,
        "enable_empty_annotation": True,
    }
    if per_task is not None:
        wanted["maximum_annotations"] = per_task
    if unsure_first is not None:
        wanted["sampling"] = _UNSURE_FIRST if unsure_first else _IN_ORDER
    found = _same_title(connection, title)
    if found is None:
        at_first: dict[str, Any] = {"maximum_annotations": 1, "sampling": _IN_ORDER}
        with connection.asking(f"to make the project {title!r}"):
            made = connection.client.projects.create(
                title=title, **at_first | wanted, request_options=write_once()
            )
        return _first_of(connection, _project(connection, made))
    _require_our_kind(connection, found)
    del wanted["model_version"]  # refused before there are such predictions; a push sets it
    outdated = {name: value for name, value in wanted.items() if getattr(found, name) != value}
    if outdated:
        with connection.asking(f"to bring the project {title!r} up to date"):
            connection.client.projects.update(found.id, **outdated, request_options=write_once())
    return _project(connection, found)


def show_prelabels(connection: Connection, project: Project, model_version: str) -> int:
    """Make annotators see the predictions of this name first (with another name set they see
    bare text); how many tasks the project has. Raises ServiceError."""
    with connection.asking(f"to show the pre-labels of {project.title!r}"):
        now = connection.client.projects.get(project.id)
        # Without any such predictions there is nothing to show, and the name would be refused.
        if now.model_version != model_version and model_version in connection.read(
            f"/api/projects/{project.id}/model-versions/", {}, "to list the names of pre-labels"
        ):
            connection.client.projects.update(
                project.id, model_version=model_version, request_options=write_once()
            )
    return now.task_number or 0


def _first_of(connection: Connection, made: Project) -> Project:
    """The project just made; where another push made one of this title at the same time, the
    older, and the younger goes, which is empty yet."""
    found = _all_of_title(connection, made.title)
    oldest = min(found, key=lambda project: project.id, default=None)
    if oldest is None or oldest.id >= made.id:
        return made
    with connection.asking(f"to remove the second project {made.title!r}"):
        connection.client.projects.delete(made.id, request_options=write_once())
    return _project(connection, oldest)


def _all_of_title(connection: Connection, title: str) -> list[Any]:
    with connection.asking(f"to find the project {title!r}"):
        # The server's own filter also finds titles that merely contain this one.
        similar: Iterable[Any] = connection.client.projects.list(title=title)
        return [project for project in similar if project.title == title]


def _same_title(connection: Connection, title: str) -> Any:
    found = _all_of_title(connection, title)
    if len(found) > 1:
        ids = ", ".join(str(project.id) for project in found)
        raise ServiceError(
            f"{connection.url}: {len(found)} projects are called {title!r} (ids {ids}); "
            "rename or delete all but one"
        )
    return found[0] if found else None


def _require_our_kind(connection: Connection, found: Any) -> None:
    """Refuse to change a project that labels something else."""
    controls = found.parsed_label_config or {}
    control = controls.get(LABELS_NAME)
    ours = not controls or (
        len(controls) == 1
        and control is not None
        and control["to_name"] == [TEXT_NAME]
        and set(control["labels"]) <= set(LABEL_NAMES)
    )
    if not ours:
        raise ServiceError(
            f"{_project(connection, found).url}: the project {found.title!r} has another labelling "
            "configuration; choose another title"
        )


def _project(connection: Connection, found: Any) -> Project:
    return Project(found.id, found.title, f"{connection.url}/projects/{found.id}/data")


# --- what annotators see ----------------------------------------------------------------

# White space is shown as it is, since a space that is collapsed is still one the offsets count.
# Lines are far apart, so that the little names behind spans do not touch the line above. The
# colours of page and border are Label Studio's own, which follow its light and dark modes.
# A chosen span is widened and narrowed by two handles, which Label Studio makes of <area>; newer
# browsers hide that element unless told otherwise.
_STYLE = """
.vipol-labels { position: sticky; top: 0; z-index: 5; padding: 6px 0;
  background: var(--color-neutral-background); }
.vipol-columns { display: grid; grid-template-columns: minmax(0, 1fr) 230px; gap: 28px; }
.vipol-text .lsf-richtext__container { font-size: 17px; line-height: 2.1; }
.vipol-text .lsf-richtext__line { white-space: pre-wrap; }
.vipol-text .htx-highlight { padding: 3px 0; border-radius: 3px; }
.vipol-text .htx-highlight[data-label]::after { font-family: inherit; font-size: 10px;
  font-weight: 600; white-space: nowrap; opacity: 0.8; }
.vipol-text .htx-highlight area { display: inline; z-index: 2; }
.vipol-hint { margin-bottom: 14px; padding-left: 10px; }
.vipol-hint h4 { margin: 0 !important; font-size: 13px; line-height: 1.45; font-weight: 400; }
.vipol-hint h4:first-child { font-weight: 600; }
"""


def labelling_configuration() -> str:
    """The labelling configuration (XML), generated from `annotate.scheme`.

    Annotators see Vietnamese names; `alias` is what is stored. Selections snap to whole
    words: a Vietnamese syllable is one, and no mention ends inside one.
    """
    labels = "\n".join(_label_tag(label) for label in LABELS)
    hints = "\n".join(_hint_tags(label) for label in LABELS)
    return f"""<View>
<Style>{_STYLE}</Style>
<View className="vipol-labels">
<Labels name="{LABELS_NAME}" toName="{TEXT_NAME}" showInline="true">
{labels}
</Labels>
</View>
<View className="vipol-columns">
<View className="vipol-text">
<Header value="$title" size="5"/>
<Text name="{TEXT_NAME}" value="${TEXT_NAME}" granularity="word" showLabels="true"/>
</View>
<View>
{hints}
</View>
</View>
</View>"""


def _label_tag(label: Label) -> str:
    return (
        f'<Label value="{escape(label.vietnamese)}" alias="{label.name}" hotkey="{label.hotkey}" '
        f'background="{label.colour}" hint="{escape(f"{label.name}: {label.hint}")}"/>'
    )


def _hint_tags(label: Label) -> str:
    head = escape(f"{label.hotkey} · {label.vietnamese} ({label.name})")
    return (
        f'<View className="vipol-hint" style="border-left: 4px solid {label.colour}">\n'
        f'<Header value="{head}" size="6"/>\n'
        f'<Header value="{escape(label.hint)}" size="6"/>\n'
        "</View>"
    )


def default_instruction() -> str:
    """A summary of the scheme for annotators, in Vietnamese HTML."""
    rules = "".join(
        f"<li>• <b>{escape(label.vietnamese)}</b> ({label.name}, phím {label.hotkey}): "
        f"{escape(label.hint)}</li>"
        for label in LABELS
    )
    hosts = _names(HOSTS)
    guests = _names(GUESTS)
    # Label Studio takes styles out of it and shows lists without bullets and paragraphs
    # without space between them, so both are written.
    return (
        f"<p>Quy ước gán nhãn {SCHEME_VERSION}. Bấm phím số của nhãn rồi kéo chuột; "
        "Ctrl+Enter để gửi.</p><br>"
        f"<ul>{rules}</ul><br>"
        f"<p>Chỉ {guests} được nằm trong {hosts}, nhiều nhất hai lớp; "
        "các đoạn không bao giờ cắt chéo nhau.</p><br>"
        "<p>Đoạn không bắt đầu hay kết thúc bằng khoảng trắng hoặc dấu câu.</p>"
    )


def _names(names: frozenset[str]) -> str:
    return ", ".join(label.vietnamese for label in LABELS if label.name in names)
