from pathlib import Path

import pytest
from hypothesis import given
from strategies import documents

from annotate.document import Document, Span
from annotate.errors import DataError
from annotate.markup import format_markup, parse_markup, read_source, read_source_folder

FRONT = '+++\ntitle = "Tin"\npublished = 2019-03-05\n+++\n'


@given(documents(clean_edges=True))
def test_mark_up_and_back(document: Document) -> None:
    written = format_markup(document.text, document.spans)
    assert parse_markup(written) == (document.text, document.spans)


def test_nesting_and_escapes() -> None:
    text, spans = parse_markup(r"[Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION} \[a\] \{b} \\")
    assert text == r"Bí thư Huyện ủy Sơn Hà [a] {b} " + "\\"
    assert spans == (Span(0, 22, "POSITION"), Span(7, 22, "ORG"))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("một [hai", "m:1:5: [ is never closed"),
        ("một hai]{ORG}", "m:1:8: ] without ["),
        ("\nmột [hai] ba", "m:2:9: ] is not followed by {LABEL}"),
        ("[hai]{LOC}", "m:1:6: unknown label 'LOC'"),
        ("a [ hai]{ORG}", "m:1:3: ORG begins or ends with white space"),
        ("a [hai,]{ORG}", "m:1:3: ORG begins or ends with punctuation"),
        ("a []{ORG}", "m:1:3: a span without text"),
        ("[a [b]{ORG}]{ORG}", "m:1:4: ORG lies inside ORG 0-3"),
        ("[[b]{ORG}]{POSITION}", "m:1:1: POSITION has the same place"),
        ("[[b]{ORG}]{ORG}", "m:1:1: the same ORG twice"),
        (r"a \n b", r"m:1:3: unknown escape '\\n'"),
        ("", "m:1:1: the text is empty"),
        ("u\u0309y", "m:1:1: the text is not in NFC"),
    ],
)
def test_broken_mark_up_names_line_and_column(source: str, says: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_markup(source, "m")
    assert str(caught.value).startswith(says)


def test_a_source_file(tmp_path: Path) -> None:
    path = tmp_path / "a01.txt"
    path.write_text(FRONT + "Tin\n\n[Thu Hà]{PERSON}\n")
    assert read_source(path) == Document(
        "a01",
        "Tin\n\nThu Hà",
        (Span(5, 11, "PERSON"),),
        {"title": "Tin", "published": "2019-03-05"},
    )
    assert read_source_folder(tmp_path) == [read_source(path)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Tin", ":1:1: begins without front matter"),
        ("+++\nTin", ":1:1: the front matter is never closed"),
        ("+++\nx = \n+++\nTin", ":1:1: the front matter is no TOML"),
        (FRONT + "Tin\n[Thu", ":6:1: [ is never closed"),
    ],
)
def test_a_broken_source_file_names_the_line_in_the_file(
    tmp_path: Path, content: str, says: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_source(path)
    assert str(caught.value).startswith(f"{path}{says}")


def test_no_sources(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no"):
        read_source_folder(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_source_folder(tmp_path / "none")
