"""Work that makes no reference cycles, freed from Python's search for them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_cycle_search() -> Iterator[None]:
    """Switch the cyclic garbage collector off inside the block, or the function decorated.

    The collector looks at all living containers again and again while many are made, which costs a
    seventh of a pull, and makes a character of a document of a megabyte a third dearer than one of
    10 kB. What has no cycles is freed without it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
