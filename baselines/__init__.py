"""Baseline models and the scoring of predictions: the end of the line.

A model is a `Labeller`: a function from a document to its spans, in both layers. What comes
in labelled is ignored; the spans that go out obey the scheme.
"""

from collections.abc import Callable, Sequence

from annotate.document import Document, Span

Labeller = Callable[[Document], tuple[Span, ...]]
"""From a document (its own spans put aside) to legal spans over its text."""

BatchLabeller = Callable[[Sequence[Document]], list[tuple[Span, ...]]]
"""A labeller of many documents at once: one tuple of spans for each."""
