"""Pre-labelling by rules and lexicons: a Document to its spans, in both layers."""

from annotate.cycles import no_cycle_search
from annotate.document import Document, Span, sort_spans
from annotate.prelabel.acronym import find_defined, find_sources
from annotate.prelabel.candidate import Candidate
from annotate.prelabel.chart import Chart, build_chart
from annotate.prelabel.date import find_dates
from annotate.prelabel.document_ref import find_documents
from annotate.prelabel.org import find_orgs
from annotate.prelabel.person import find_persons
from annotate.prelabel.position import find_positions
from annotate.prelabel.resolve import resolve

RULES_VERSION = "0.2"
"""Version of rules and lexicons; it changes whenever their output may."""

__all__ = ["RULES_VERSION", "label_document"]


@no_cycle_search()
def label_document(document: Document) -> tuple[Span, ...]:
    """Spans that the rules find in a document, legal by the scheme, sorted by place.

    Spans that the document has already are put aside. Each span has `source`, the rule or
    lexicon that made it, and `score`, how often that rule is right (0 to 1).
    """
    chart = build_chart(document.text)
    return sort_spans(resolve(chart, find_candidates(chart)))


def find_candidates(chart: Chart) -> list[Candidate]:
    """What all rules propose for a text, in conflict or not."""
    orgs = find_orgs(chart)
    positions = find_positions(chart)
    documents = find_documents(chart)
    dates = _dates(chart, documents)
    persons = find_persons(chart, [*orgs, *positions, *documents])
    defined = [*find_defined(chart, [*orgs, *documents]), *find_sources(chart)]
    treaties = {k for one in documents for k in range(one.start, one.end)}
    places = {(c.start, c.end) for c in defined}
    kept = [
        c
        for c in [*orgs, *positions, *documents, *dates, *persons]
        if (c.label not in ("ORG", "DOCUMENT_REF", "PERSON") or (c.start, c.end) not in places)
        and not (c.source == "rule:org.acronym" and _is_party(chart, c, treaties))
    ]
    return [*kept, *defined]


def _is_party(chart: Chart, body: Candidate, treaties: set[int]) -> bool:
    """Whether a body is only one of the two in the name of a treaty: `Việt Nam - EU`."""
    return body.start in treaties and "-" in (chart.word(body.start - 1), chart.word(body.end))


def _dates(chart: Chart, documents: list[Candidate]) -> list[Candidate]:
    """All dates; four figures alone are none inside a document."""
    inside = {k for document in documents for k in range(document.start, document.end)}
    found = []
    for start, end, rule in find_dates(chart):
        i, j = chart.first.get(start), chart.after.get(end)
        if i is None or j is None or (i in inside and rule == "rule:date.bare-year"):
            continue
        found.append(Candidate(i, j, "DATE", rule))
    return found
