"""A project's own lexicons and patterns: what they find, and what is said of bad lines."""

import re
import unicodedata
from pathlib import Path

import pytest
from counting import count_calls

from annotate.document import Document, find_illegal
from annotate.errors import DataError
from annotate.prelabel import label_document, project
from annotate.prelabel.explain import explain_document
from annotate.prelabel.project import ProjectRules, read_project_rules
from annotate.prelabel.statistics import measure_rules


def write(folder: Path, settings: str, **lexicons: str) -> Path:
    for name, text in lexicons.items():
        (folder / f"{name}.txt").write_text(f"# Source: invented\n{text}", encoding="utf-8")
    path = folder / "vipol.toml"
    path.write_text(settings, encoding="utf-8")
    return path


def read(folder: Path, settings: str, **lexicons: str) -> ProjectRules:
    rules = read_project_rules(write(folder, settings, **lexicons))
    assert rules is not None
    return rules


def label(rules: ProjectRules, text: str) -> list[tuple[str, str]]:
    spans = rules.label_document(Document("x", text))
    assert find_illegal(text, spans) is None
    return [(text[s.start : s.end], s.label) for s in spans]


PATTERN = "[[prelabel.pattern]]\nlabel = 'ORG'\npattern = 'tổ dân phố [0-9]+'\n"
LEXICON = '[prelabel]\nlexicons = ["own.txt"]\n'


def test_the_example_of_readme_does_what_it_says(tmp_path: Path):
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Your own rules")[1].split("\n## ")[0]
    settings, lexicon, shown = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)
    (tmp_path / "units.txt").write_text(lexicon, encoding="utf-8")
    text, *found = shown.removeprefix("> ").splitlines()
    rules = read(tmp_path, settings)
    assert [f"{name} {mention}" for mention, name in label(rules, text)] == found
    assert ("UBND huyện Nà Hẩu Thượng", "ORG") in label(rules, "UBND huyện Nà Hẩu Thượng họp.")


def test_no_file_and_no_rules_are_none(tmp_path: Path):
    assert read_project_rules(tmp_path / "vipol.toml") is None
    assert read_project_rules(write(tmp_path, "[studio]\nfolder = 'ls'\n")) is None


def test_a_pattern_finds_what_the_rules_do_not(tmp_path: Path):
    text = "Hôm qua tổ dân phố 12 họp."
    assert label_document(Document("x", text)) == ()
    rules = read(tmp_path, PATTERN)
    assert label(rules, text) == [("tổ dân phố 12", "ORG")]
    (span,) = rules.label_document(Document("x", text))
    assert span.source == "project:pattern.1"
    assert span.score is not None


def test_a_group_marks_the_span(tmp_path: Path):
    rules = read(
        tmp_path,
        "[[prelabel.pattern]]\nname = 'nick'\nlabel = 'PERSON'\n"
        "pattern = 'biệt danh (?P<span>\\w+)'\n",
    )
    assert label(rules, "kẻ có biệt danh sói") == [("sói", "PERSON")]


LEXICONS = [
    ("any case and tone placement", "[org]\nvườn hoà bình", "ở Vườn Hòa Bình", ["Vườn Hòa Bình"]),
    ("braces", "[org]\nvườn {lê|đào}", "vườn lê, vườn đào", ["vườn lê", "vườn đào"]),
    ("capital", "[org.capital]\nvườn lê", "vườn lê, Vườn lê", ["Vườn lê"]),
    ("exact", "[org.exact]\nVườn Lê", "vườn lê, Vườn lê, Vườn Lê", ["Vườn Lê"]),
    ("only whole tokens", "[org]\nvườn l", "vườn lê", []),
    ("with a comment", "# Source: invented\n[document-ref]\nsổ vàng", "sổ vàng", ["sổ vàng"]),
]


@pytest.mark.parametrize(("lexicon", "text", "found"), [c[1:] for c in LEXICONS])
def test_lexicons(tmp_path: Path, lexicon: str, text: str, found: list[str]):
    rules = read(tmp_path, LEXICON, own=lexicon)
    assert [mention for mention, _ in label(rules, text)] == found


def test_built_in_classes_take_new_entries(tmp_path: Path):
    text = "Chủ tịch UBND huyện Nà Hẩu đến dự."
    rules = read(tmp_path, LEXICON, own="[district]\nNà Hẩu Thượng")
    assert label(rules, text) == [
        (text[s.start : s.end], s.label) for s in label_document(Document("x", text))
    ]


def test_the_project_wins_over_a_built_in_rule(tmp_path: Path):
    text = "Ngày 12/3/2019 trời mưa."
    assert [s.label for s in label_document(Document("x", text))] == ["DATE"]
    rules = read(tmp_path, LEXICON, own="[document-ref]\nngày 12/3/2019 trời mưa")
    assert label(rules, text) == [("Ngày 12/3/2019 trời mưa", "DOCUMENT_REF"),
                                  ("Ngày 12/3/2019", "DATE")]  # fmt: skip
    rules = read(tmp_path, LEXICON, own="[org]\n12/3/2019 trời mưa")
    assert label(rules, text) == [("12/3/2019 trời mưa", "ORG")]


def test_the_longest_name_of_a_body_stays(tmp_path: Path):
    text = "Đại diện Ban Tổ chức Tỉnh ủy đã dự."
    rules = read(tmp_path, LEXICON, own="[org]\nban tổ chức; tỉnh ủy")
    assert label(rules, text) == [("Ban Tổ chức Tỉnh ủy", "ORG")]


def test_a_body_of_the_project_lies_in_a_title(tmp_path: Path):
    text = "Bí thư Tỉnh ủy đã dự."
    built_in = [(text[s.start : s.end], s.label) for s in label_document(Document("x", text))]
    assert built_in == [("Bí thư Tỉnh ủy", "POSITION"), ("Tỉnh ủy", "ORG")]
    assert label(read(tmp_path, LEXICON, own="[org]\ntỉnh ủy"), text) == built_in
    title = read(tmp_path, LEXICON, own="[position]\nbí thư thân thiết tỉnh ủy")
    assert label(title, "Bí thư thân thiết Tỉnh ủy") == [
        ("Bí thư thân thiết Tỉnh ủy", "POSITION"),
        ("Tỉnh ủy", "ORG"),
    ]


def test_explanation_and_statistics_know_them(tmp_path: Path):
    rules = read(tmp_path, LEXICON + PATTERN, own="[org]\n12/3/2019 trời mưa")
    document = Document("x", "Ngày 12/3/2019 trời mưa ở tổ dân phố 3.")
    explanation = explain_document(document, rules)
    assert [(o.mention, o.span.source) for o in explanation.kept] == [
        ("12/3/2019 trời mưa", "project:own.txt[org]"),
        ("tổ dân phố 3", "project:pattern.1"),
    ]
    assert "Ngày 12/3/2019" in [one.mention for one in explanation.lost]
    report = measure_rules([document], has_gold=False, rules=rules)
    assert {"project:own.txt[org]", "project:pattern.1"} <= {o.source for o in report.rules}


BAD = [
    ("TOML", "[prelabel]\nlexicons =\n", r"vipol.toml:2: not TOML: "),
    ("TOML, cut off", "[studio]\n[prelabel", r"vipol.toml:2: not TOML: "),
    ("prelabel no table", "prelabel = 1", r"vipol.toml:1: 'prelabel' must be a table"),
    ("unknown setting", "[prelabel]\nlexikon = []", r"vipol.toml:2: unknown setting 'lexikon'"),
    ("lexicons no list", "[prelabel]\n\nlexicons = 'a'", r"vipol.toml:3: lexicons must be a list"),
    ("no such lexicon", '[prelabel]\nlexicons = ["no.txt"]', r"vipol.toml:2: .*no.txt: no such"),
    ("pattern no table", "[prelabel]\npattern = 'x'", r"vipol.toml:2: patterns must be tables"),
    ("no label", "[[prelabel.pattern]]\npattern = 'x'", r"vipol.toml:1: pattern 1 lacks 'label'"),
    ("bad label", PATTERN.replace("ORG", "PLACE"), r"vipol.toml:2: the unknown label 'PLACE'"),
    ("bad pattern", PATTERN.replace("+", "+("), r"vipol.toml:3: .* is no regular expression"),
    (
        "bad second pattern",
        PATTERN + "\n" + PATTERN.replace("[0-9]+", "["),
        r"vipol.toml:7: .* is no regular expression",
    ),
    ("matches nothing", PATTERN.replace("tổ dân phố [0-9]+", "x*"), r":3: .* nothing at all"),
    ("unknown key", PATTERN + "kind = 'x'\n", r"vipol.toml:4: unknown setting 'kind'"),
    ("twice one name", 2 * PATTERN.replace("]]", "]]\nname = 'a'"), r":8: a second .* is at .*:4"),
    ("only borders", PATTERN.replace("tổ dân phố [0-9]+", "\\b"), r":3: .* nothing at all"),
    ("repeats in repeats", PATTERN.replace("tổ", "(a+)+$"), r":3: .* takes more than"),
    ("number", PATTERN.replace("'ORG'", "3"), r"vipol.toml:2: 'label' must be a string"),
]


@pytest.mark.parametrize(("settings", "message"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_bad_settings_are_named_with_file_and_line(
    tmp_path: Path, settings: str, message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(project, "_SECONDS", 0.2)
    with pytest.raises(DataError, match=message):
        read_project_rules(write(tmp_path, settings))


BAD_LEXICONS = [
    ("entry before section", "vườn lê", r"own.txt:2: an entry before any section"),
    ("lone brace", "[org]\nvườn {lê|", r"own.txt:3: a brace without its pair"),
    ("bad section", "[org]\nx\n[ORG]\ny", r"own.txt:4: .* is no section"),
    ("no entry", "[org]", r"own.txt: holds no entry"),
    ("twice", "[org]\nx\ny; z; x", r"own.txt:4: 'x' stands in \[org\] twice, first at .*:3"),
    ("unknown section", "[orgs]\nvườn lê", r"own.txt:3: an entry of the unknown section \[orgs\]"),
]


@pytest.mark.parametrize(("text", "message"), [c[1:] for c in BAD_LEXICONS])
def test_bad_lexicons_are_named_with_file_and_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(DataError, match=re.compile(message)):
        read_project_rules(write(tmp_path, LEXICON, own=text))


def test_files_that_are_no_utf8_are_named_with_the_line(tmp_path: Path):
    path = write(tmp_path, LEXICON, own="")
    (tmp_path / "own.txt").write_bytes("# Source: x\n[org]\nvườn lê".encode("cp1258", "replace"))
    with pytest.raises(DataError, match=r"own\.txt:3: not UTF-8"):
        read_project_rules(path)
    path.write_bytes(b"[prelabel]\n# \xff\n")
    with pytest.raises(DataError, match=r"vipol\.toml:2: not UTF-8"):
        read_project_rules(path)


def test_a_lexicon_without_sources_is_refused(tmp_path: Path):
    path = write(tmp_path, LEXICON)
    (tmp_path / "own.txt").write_text("[org]\nvườn lê", encoding="utf-8")
    with pytest.raises(DataError, match=r"own\.txt:1: \[org\] does not say where"):
        read_project_rules(path)


def test_files_of_other_systems_are_read(tmp_path: Path):
    """A byte order mark, line ends of Windows, letters with their marks apart as macOS has them."""
    path = write(tmp_path, "")
    decomposed = unicodedata.normalize("NFD", LEXICON + PATTERN)
    path.write_bytes(decomposed.replace("\n", "\r\n").encode("utf-8-sig"))
    lexicon = unicodedata.normalize("NFD", "# Source: x\r\n[org]\r\nvườn lê\r\n")
    (tmp_path / "own.txt").write_bytes(lexicon.encode("utf-8-sig"))
    rules = read_project_rules(path)
    assert rules
    assert label(rules, "vườn lê, tổ dân phố 3") == [("vườn lê", "ORG"), ("tổ dân phố 3", "ORG")]


def test_a_pattern_that_a_text_shows_to_be_slow_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(project, "_SECONDS", 0.2)
    rules = read(tmp_path, PATTERN.replace("tổ dân phố [0-9]+", "(ộ|ộộ)+$"))
    with pytest.raises(DataError, match=r"vipol\.toml:3: '\(ộ\|ộộ\)\+\$' takes more than"):
        label(rules, "ộ" * 60 + "!")


@pytest.mark.parametrize("piece", ["vườn lê ", "tổ dân phố 3, ", "Bí thư Tỉnh ủy vườn lê ", "a"])
def test_cost_is_linear(tmp_path: Path, piece: str):
    lexicon = "[org]\nvườn lê\n[position]\nBí thư Tỉnh ủy vườn lê"
    slow = "[[prelabel.pattern]]\nlabel = 'ORG'\npattern = '\\w+(?: \\w+)*x'\n"
    rules = read(tmp_path, LEXICON + PATTERN + slow, own=lexicon)
    small, large = (
        count_calls(lambda n=n: rules.label_document(Document("x", piece * n))) for n in (300, 1200)
    )
    assert large < 4.4 * small
