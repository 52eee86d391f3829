"""From several annotations of a document to one gold version: by a policy, else by a reviewer.

The policies, over the annotators who did not skip the document:

- all: settled when at least two annotated it and all of them drew the same spans.
- majority: settled when at least two annotated it and, in each stretch of the text where they
  differ, more than half read it alike (drew the same spans). Gold are then exactly the spans that
  more than half drew. With two annotators this is `all`.
- reviewer: no document is settled; the reviewer decides each.

What a majority drew is always legal: two spans that more than half drew stand together in
somebody's version, and the scheme's rules are rules about two spans. It is checked all the same.

A reviewer's decision goes before any policy. Each document ends as exactly one of: settled,
decided, in review (for the reviewer), or open (with the reason).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from annotate.agreement.disputes import find_stretches, spans_inside
from annotate.document import Document, Span, check_document, sort_spans
from annotate.errors import DataError
from annotate.studio.pull import ANNOTATION_META, Problem
from annotate.studio.review import Review

Policy = Literal["all", "majority", "reviewer"]

POLICY_PREFIX = "policy:"
"""`meta.decided_by` of gold is this and the policy, or the reviewer."""


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A document without gold that no review will settle by itself, and why."""

    document: str
    reason: str
    url: str | None = None

    def __str__(self) -> str:
        where = (
            f"{self.url} (document {self.document})" if self.url else f"document {self.document}"
        )
        return f"{where}: {self.reason}"


@dataclass(slots=True)
class Adjudication:
    """What became of each document: `documents` = settled + decided + reviews + open.

    gold holds the settled and the decided ones, in the order of the annotations. remarks: what
    the user should know of decisions that changed nothing.
    """

    documents: int = 0
    gold: list[Document] = field(default_factory=list)
    settled: int = 0
    decided: int = 0
    reviews: dict[str, Review] = field(default_factory=dict)
    open: list[OpenDocument] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def adjudicate(
    annotations: Iterable[Document],
    policy: Policy = "majority",
    *,
    decisions: Iterable[Document] = (),
    problems: Iterable[Problem] = (),
    earlier: Iterable[Document] = (),
) -> Adjudication:
    """Gold for what the policy settles or a reviewer decided, and what is left.

    annotations: Documents with `meta.annotator`. decisions, problems: as `pull_decisions` gives
    them. earlier: the gold of an earlier run; what a person decided there stays where the
    review project now says nothing else.

    Raises DataError for two annotations of a document by one annotator, and for an earlier
    decision that fits no annotated document (writing over it would lose it).
    """
    versions = _group(annotations)
    taken = _group_decisions(decisions, problems)
    kept = {gold.id: gold for gold in earlier if is_persons(gold)}
    lost = [name for name, gold in kept.items() if not _fits(gold, versions.get(name))]
    if lost:
        raise DataError(
            f"{len(lost)} earlier decisions are on documents that have no annotations here, or "
            f"another text (first: {lost[0]}); write to a new file, so that they stay in the old"
        )
    result = Adjudication(documents=len(versions))
    for name, those in versions.items():
        outcome = (
            _find_text_conflict(those)
            or _take_decision(those, taken.get(name), kept.get(name), result.remarks)
            or _apply(policy, those)
        )
        if isinstance(outcome, Review):
            result.reviews[name] = outcome
        elif isinstance(outcome, OpenDocument):
            result.open.append(outcome)
        else:
            result.gold.append(outcome)
            result.decided += is_persons(outcome)
    result.settled = len(result.gold) - result.decided
    if strange := sorted(taken.keys() - versions.keys()):
        result.remarks.append(
            f"{len(strange)} decisions are on documents that have no annotations here (first: "
            f"{strange[0]}); they stay in the review project"
        )
    return result


def is_persons(gold: Document) -> bool:
    """Whether a person decided this gold, no policy."""
    decided_by = gold.meta.get("decided_by")
    return isinstance(decided_by, str) and not decided_by.startswith(POLICY_PREFIX)


def settle(
    versions: Mapping[str, Sequence[Span]], policy: Policy
) -> tuple[tuple[Span, ...], tuple[tuple[int, int], ...], bool]:
    """The spans that more than half of the annotators drew; the stretches that the policy leaves
    open; and whether the policy settles the document."""
    number = len(versions)
    votes = Counter(span.key for spans in versions.values() for span in spans)
    majority = sort_spans(Span(*key) for key, count in votes.items() if count * 2 > number)
    stretches = find_stretches(versions.values())
    if policy == "majority":
        stretches = [stretch for stretch in stretches if not _has_majority(versions, *stretch)]
    settled = policy != "reviewer" and number > 1 and not stretches
    return majority, tuple(stretches), settled


def _has_majority(versions: Mapping[str, Sequence[Span]], start: int, end: int) -> bool:
    """Whether more than half of the annotators drew the same spans in a stretch."""
    readings = Counter(
        frozenset(span.key for span in spans_inside(spans, start, end))
        for spans in versions.values()
    )
    return max(readings.values()) * 2 > len(versions)


# --- one document --------------------------------------------------------------------------


@dataclass(slots=True)
class _Annotations:
    """The annotations of one document: those to be used, and the annotators who skipped it."""

    versions: dict[str, Document] = field(default_factory=dict)
    skipped: list[Document] = field(default_factory=list)

    @property
    def any(self) -> Document:
        return next(iter([*self.versions.values(), *self.skipped]))


@dataclass(slots=True)
class _Decisions:
    """What reviewers did with one document."""

    made: list[Document] = field(default_factory=list)
    skipped: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def _group(annotations: Iterable[Document]) -> dict[str, _Annotations]:
    grouped: dict[str, _Annotations] = {}
    for annotation in annotations:
        where = f"annotations (document {annotation.id})"
        annotator = annotation.meta.get("annotator")
        if not isinstance(annotator, str) or not annotator:
            raise DataError(
                f"{where}: no 'annotator' in 'meta'; give the file that vipol pull wrote"
            )
        those = grouped.setdefault(annotation.id, _Annotations())
        if annotation.meta.get("skipped") is True:
            those.skipped.append(annotation)
        elif annotator in those.versions:
            raise DataError(f"{where}: two annotations by {annotator}; keep one of them")
        else:
            those.versions[annotator] = annotation
    return grouped


def _group_decisions(
    decisions: Iterable[Document], problems: Iterable[Problem]
) -> dict[str, _Decisions]:
    grouped: dict[str, _Decisions] = {}
    for decision in decisions:
        these = grouped.setdefault(decision.id, _Decisions())
        (these.skipped if decision.meta["skipped"] else these.made).append(decision)
    for problem in problems:
        grouped.setdefault(problem.document, _Decisions()).problems.append(problem)
    return grouped


def _fits(gold: Document, those: _Annotations | None) -> bool:
    """Whether an earlier decision is on the text that was annotated."""
    if those is None:
        return False
    return all(one.text == gold.text for one in (*those.versions.values(), *those.skipped))


def _find_text_conflict(those: _Annotations) -> OpenDocument | None:
    if len({version.text for version in those.versions.values()}) < 2:
        return None
    reason = f"{_join(those.versions)} annotated different texts; pull them from one project"
    return OpenDocument(those.any.id, reason, _url(those.any))


def _take_decision(
    those: _Annotations,
    decisions: _Decisions | None,
    earlier: Document | None,
    remarks: list[str],
) -> Document | OpenDocument | None:
    """Gold that a person decided, now or earlier; or why there is none though one looked at it."""
    decided = _decide(those, decisions, remarks) if decisions else None
    if isinstance(decided, Document) or earlier is None:
        return decided
    if decided:
        remarks.append(f"{decided}; the earlier decision by {earlier.meta['decided_by']} stays")
    return earlier


def _apply(policy: Policy, those: _Annotations) -> Document | Review | OpenDocument:
    """What the policy makes of the annotations alone."""
    first = those.any
    skipped = f"{_join(_names(those.skipped))} skipped it"
    if not those.versions:
        return OpenDocument(first.id, skipped, _url(first))
    if len(those.versions) == 1 and policy != "reviewer":
        alone = f"only {_join(those.versions)} annotated it"
        reason = f"{alone}, {skipped}" if those.skipped else alone
        advice = "wait for a second annotator, or let a reviewer decide (--policy reviewer)"
        return OpenDocument(first.id, f"{reason}; {advice}", _url(first))
    versions = {name: version.spans for name, version in those.versions.items()}
    spans, stretches, settled = settle(versions, policy)
    meta = _meta(those) | {"annotators": sorted(versions)}
    if settled:
        meta["decided_by"] = f"{POLICY_PREFIX}{policy}"
    document = Document(first.id, first.text, spans, meta)
    check_document(document, f"the majority of document {first.id}")
    return document if settled else Review(document, versions, stretches, _url(first))


def _decide(
    those: _Annotations, decisions: _Decisions, remarks: list[str]
) -> Document | OpenDocument | None:
    """The gold that reviewers decided, or why their work gives none."""
    name = those.any.id
    if decisions.problems:
        problem = decisions.problems[0]
        return OpenDocument(
            name, f"the decision of {problem.annotator}: {problem.reason}", problem.task_url
        )
    if not decisions.made:
        if not decisions.skipped:
            return None
        skipped = f"{_join(_names(decisions.skipped))} skipped it in review"
        return OpenDocument(name, skipped, _url(decisions.skipped[0]))
    first, *others = sorted(decisions.made, key=lambda decision: str(decision.meta["updated_at"]))
    reviewers = _join(_names(decisions.made))
    if first.text != those.any.text:
        return OpenDocument(
            name,
            f"{reviewers} decided it over another text; give the document a new id",
            _url(first),
        )
    if any(decision.spans != first.spans for decision in others):
        return OpenDocument(
            name,
            f"{reviewers} decided differently; delete all but one of their annotations",
            _url(first),
        )
    if others:
        agreed = f"{_join(_names(others))} decided the same as {_names([first])[0]}"
        remarks.append(str(OpenDocument(name, agreed, _url(first))))
    meta = _meta(those) | {
        "annotators": first.meta.get("annotators", []),
        "decided_by": first.meta["annotator"],
        "decided_at": first.meta["updated_at"],
    }
    if first.meta.get("guideline_version"):
        meta["guideline_version"] = first.meta["guideline_version"]
    return Document(name, first.text, first.spans, meta)


def _meta(those: _Annotations) -> dict[str, Any]:
    """What is known of the document, without what is known of single annotations; the guideline
    versions where they differ are joined."""
    documents = [*those.versions.values(), *those.skipped]
    meta = {key: value for key, value in documents[0].meta.items() if key not in ANNOTATION_META}
    versions = sorted(
        {str(d.meta["guideline_version"]) for d in documents if d.meta.get("guideline_version")}
    )
    return meta | ({"guideline_version": ", ".join(versions)} if versions else {})


def _url(annotation: Document) -> str | None:
    url = annotation.meta.get("task_url")
    return url if isinstance(url, str) else None


def _names(annotations: Iterable[Document]) -> list[str]:
    return [str(annotation.meta["annotator"]) for annotation in annotations]


def _join(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
