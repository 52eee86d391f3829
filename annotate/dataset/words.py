"""Word segmentation that changes no text: where the words are, not what they look like.

underthesea's `word_tokenize` returns rewritten strings (`Uỷ` → `Ủy`). Its words are groups of
the tokens that its pattern finds, so the pattern gives the places and `word_tokenize` only
says how many tokens each word has.
"""

from annotate.tokens import Offsets


def segment_words(text: str, start: int = 0, end: int | None = None) -> list[Offsets]:
    """Offsets of the words of `text[start:end]`, in order, into the whole text.

    A word may hold white space (`Hà Nội`). Every character but white space is in one word.
    Give one sentence at a time: the segmenter was trained on sentences.
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
