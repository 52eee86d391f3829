"""Word segmentation that changes no text: where the words are, not what they look like.

underthesea's `word_tokenize` returns rewritten strings (`Uỷ` → `Ủy`). Its words are groups of
the tokens that its pattern finds, so the pattern gives the places and `word_tokenize` only
says how many tokens each word has.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from annotate.errors import DataError
from annotate.tokens import Offsets

# Starting a process costs seconds (it imports underthesea); below this it never pays.
PARALLEL_FROM = 300
"""Documents from which on segmentation uses processes."""


def segment_words(text: str, start: int = 0, end: int | None = None) -> list[Offsets]:
    """Offsets of the words of `text[start:end]`, in order, into the whole text.

    A word may hold white space (`Hà Nội`). Every character but white space is in one word.
    Give one sentence at a time: the segmenter's time grows faster than its input.
    """
    from underthesea.pipeline.word_tokenize import word_tokenize
    from underthesea.pipeline.word_tokenize.regex_tokenize import patterns

    stop = len(text) if end is None else end
    sentence = text[start:stop]
    pieces = [match.span() for match in patterns.finditer(sentence)]
    words = word_tokenize(sentence, use_token_normalize=False)
    sizes = [word.count(" ") + 1 for word in words]
    if sum(sizes) != len(pieces):
        # underthesea maps some rare characters before it looks for tokens. Where that changes
        # their number, each token is a word by itself.
        sizes = [1] * len(pieces)
    offsets: list[Offsets] = []
    first = 0
    for size in sizes:
        last = first + size - 1
        offsets.append((start + pieces[first][0], start + pieces[last][1]))
        first += size
    return offsets


_Task = tuple[str, Sequence[Offsets]]


def _segment(task: _Task) -> list[list[Offsets]]:
    text, sentences = task
    return [segment_words(text, start, end) for start, end in sentences]


def segment_texts(
    tasks: Iterable[_Task], *, processes: int | None = None
) -> Iterator[list[list[Offsets]]]:
    """Words of each sentence of each text: (text, offsets of its sentences) → lists of offsets.

    With `processes` above 1 the texts are shared out; the order is kept. Raises DataError
    where a process was killed.
    """
    if not processes or processes < 2:
        yield from map(_segment, tasks)
        return
    # Not "fork": a fork of a program with threads (pyarrow's, a progress bar's) may hang.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(_segment, tasks, chunksize=16)
        except BrokenProcessPool:
            raise DataError(
                "word segmentation: one of its processes was killed (out of memory?); "
                "build again with --processes 1"
            ) from None
