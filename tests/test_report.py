"""The report: what it must show, that its page stands alone, and that the text comes out right."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from annotate.document import Document
from annotate.errors import DataError
from annotate.markup import parse_markup
from baselines.report import EXAMPLES_PER_KIND, count_data, write_report
from baselines.score import score_documents
from baselines.score_table import scores_to_dict

GOLD = (
    "Đồng chí [Trần Quốc Minh]{PERSON}, [Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION},\n"
    "gặp <Đảng & bạn> [ngày 14/10]{DATE}; [TTXVN]{ORG} đưa tin."
)
PREDICTED = (
    "[Đồng chí Trần Quốc Minh]{PERSON}, [Bí thư Huyện ủy Sơn Hà]{POSITION},\n"
    "gặp <[Đảng]{ORG} & bạn> [ngày 14/10]{DATE}; [TTXVN]{PERSON} đưa tin."
)


def document(source: str, id: str = "vn-001") -> Document:
    return Document(id, *parse_markup(source))


class Page(HTMLParser):
    """Reads a page: its text, what it fetches, and whether every element is closed in order."""

    VOID = frozenset({"meta", "br", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.data: dict[str, Any] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"] and data.startswith("{"):
            self.data = json.loads(data)
        elif self.open[-1:] not in (["style"], ["script"]):
            self.text.append(data)


def read_page(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


def write(folder: Path, gold: list[Document], predicted: list[Document], **more: object):
    scores = score_documents(gold, predicted)
    return scores, write_report(folder, scores, gold, predicted, **more)  # type: ignore[arg-type]


def test_three_files_of_one_run(tmp_path: Path):
    scores, paths = write(
        tmp_path / "report",
        [document(GOLD)],
        [document(PREDICTED)],
        title="CRF <test>",
        model={"training time": "12 s"},
        splits={"train": [document(GOLD, "a"), document(GOLD, "b")], "test": [document(GOLD)]},
    )
    assert [path.name for path in paths] == ["report.html", "report.md", "report.json"]
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(
        path.name for path in paths
    )

    page = read_page(paths[0])
    text = " ".join(page.text)
    assert page.links == []
    assert "@import" not in paths[0].read_text(encoding="utf-8")
    assert text.index("F1 0.4444") < text.index("Outer layer: seqeval")
    assert "CRF <test>" in text and "training time" in text
    assert scores.signature in text
    assert "<Đảng & bạn>" in page.data["rows"][1][5]

    markdown = paths[1].read_text(encoding="utf-8")
    assert markdown.startswith("# CRF \\<test\\>\n\npredictions: F1 0.4444, outer layer")
    assert "| train | 2 | 4 | 52 | 10 | 2 |" in markdown

    record = json.loads(paths[2].read_text(encoding="utf-8"))
    assert record["scores"] == scores_to_dict(scores)
    assert record["model"] == {"training time": "12 s"}
    assert record["splits"]["train"]["documents"] == 2
    assert [(m["layer"], m["kind"]) for m in record["mistakes"]] == [
        ("outer", "border"),
        ("outer", "spurious"),
        ("outer", "type"),
        ("inner", "missing"),
    ]
    border = record["mistakes"][0]
    assert border["gold"]["mention"] == "Trần Quốc Minh"
    assert border["predicted"]["mention"] == "Đồng chí Trần Quốc Minh"
    assert border["context"].startswith("Đồng chí Trần Quốc Minh, Bí thư")


def test_nothing_wrong_shows_no_examples(tmp_path: Path):
    _, paths = write(tmp_path, [document(GOLD)], [document(GOLD)])
    assert "F1 1.0000" in " ".join(read_page(paths[0]).text)
    assert json.loads(paths[2].read_text(encoding="utf-8"))["mistakes"] == []


def test_a_span_without_tags_is_explained(tmp_path: Path):
    glued = document("Theo [Đảng ủy Khối]{ORG}cho biết")
    _, paths = write(tmp_path, [glued], [glued])
    for path in paths:
        assert "ends inside the token 'Khốicho'" in " ".join(
            read_page(path).text if path.suffix == ".html" else [path.read_text(encoding="utf-8")]
        )


def test_many_mistakes_are_all_in_the_json(tmp_path: Path):
    gold = [document("Ông [Đỗ Văn Kha]{PERSON}", f"d{n}") for n in range(EXAMPLES_PER_KIND + 7)]
    _, paths = write(tmp_path, gold, [one.with_spans([]) for one in gold])
    assert len(json.loads(paths[2].read_text(encoding="utf-8"))["mistakes"]) == len(gold)
    assert len(read_page(paths[0]).data["rows"]) == len(gold)
    assert "… and 7 more in report.json" in paths[1].read_text(encoding="utf-8")


def test_counts_of_a_split():
    counts = count_data([document(GOLD), document(PREDICTED, "b")])
    assert (counts.documents, counts.sentences, counts.tokens, counts.inner) == (2, 4, 52, 1)
    assert counts.entities == {"DATE": 2, "ORG": 3, "PERSON": 3, "POSITION": 2}


def test_other_documents_are_refused(tmp_path: Path):
    scores = score_documents([document(GOLD)], [document(GOLD)])
    with pytest.raises(DataError, match="lack 1 document"):
        write_report(tmp_path / "new", scores, [document(GOLD)], [])
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_way_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="is a file; name a folder"):
        write(tmp_path / "file", [document(GOLD)], [document(GOLD)])
