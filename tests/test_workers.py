"""Labelling on several processes: the same spans in the same order, errors told, memory bounded."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotate.document import Document
from annotate.errors import DataError, ServiceError
from annotate.prelabel import label_document
from baselines.workers import BATCH_DOCUMENTS, label_stream, open_labeller

TEXT = "Đồng chí Lò Văn Thưởng, Bí thư Tỉnh ủy, ký Quyết định số {}-QĐ/TU ngày 12/3/2019."
ENGLISH = "The committee met on Monday to discuss the budget of the province with ASEAN."


def documents(number: int) -> list[Document]:
    return [Document(f"d{n}", TEXT.format(n + 1)) for n in range(number)]


@pytest.mark.parametrize("workers", [1, 2])
def test_order_and_spans_are_those_of_one_process(workers: int):
    given = documents(3 * BATCH_DOCUMENTS)
    labelled = list(label_stream("rules", given, workers))
    assert [one.id for one in labelled] == [one.id for one in given]
    assert all(one.spans == label_document(one) for one in labelled[::100])
    assert all(len(one.spans) == 5 for one in labelled)


@pytest.mark.parametrize("workers", [1, 2])
def test_text_that_is_not_vietnamese_gets_a_warning_and_no_spans(workers: int):
    given = [*documents(1), Document("en", ENGLISH)]
    warned: list[tuple[str, str]] = []
    labelled = list(
        label_stream("rules", given, workers, warn=lambda one, what: warned.append((one.id, what)))
    )
    assert [len(one.spans) for one in labelled] == [5, 0]
    assert warned == [("en", "looks like text in another language than Vietnamese")]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stream_is_taken_only_a_little_ahead(workers: int):
    taken = 0

    def endless() -> Iterator[Document]:
        nonlocal taken
        while True:
            taken += 1
            yield Document(f"d{taken}", "Ngày 12/3/2019 trời mưa.")

    stream = label_stream("rules", endless(), workers)
    assert next(stream).id == "d1"
    stream.close()  # type: ignore[attr-defined]
    assert taken <= 6 * BATCH_DOCUMENTS


def test_the_project_rules_reach_the_workers(tmp_path: Path):
    path = tmp_path / "vipol.toml"
    path.write_text("[[prelabel.pattern]]\nlabel = 'ORG'\npattern = 'tổ dân phố [0-9]+'\n")
    (one,) = label_stream("rules", [Document("x", "ở tổ dân phố 3")], 2, project=path)
    assert [span.source for span in one.spans] == ["project:pattern.1"]
    assert open_labeller("rules", tmp_path / "no.toml")(one) == ()


def test_unknown_labeller_and_no_workers():
    with pytest.raises(DataError, match="no labeller of that name"):
        list(label_stream("nobody", documents(1), 2))
    with pytest.raises(DataError, match="at least 1"):
        list(label_stream("rules", documents(1), 0))


def test_a_killed_worker_is_told_and_nothing_hangs():
    stream = label_stream("rules", documents(40 * BATCH_DOCUMENTS), 2)
    next(stream)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if not children.exists():
        pytest.skip("needs /proc to find the workers")
    workers = [pid for pid in children.read_text().split() if _is_worker(pid)]
    os.kill(int(workers[-1]), signal.SIGKILL)
    with pytest.raises(ServiceError, match="a worker was killed"):
        list(stream)


def _is_worker(pid: str) -> bool:
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
