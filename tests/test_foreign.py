"""Labellers by name; underthesea's NER leaves the text alone, however ugly."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotate.document import Document, find_illegal
from annotate.errors import DataError
from annotate.markup import parse_markup
from annotate.text import fold
from baselines import Labeller
from baselines.crf import train_crf
from baselines.foreign import load_labeller, load_underthesea


@pytest.fixture(scope="module")
def underthesea() -> Labeller:
    return load_underthesea()


HOA, THUY = "Nguyễn Văn Hoà", "Trần Thị Thúy"

UGLY = [
    ("tabs", f"Ông\t{HOA}\t\tgặp bà {THUY} .", [HOA, THUY]),
    ("lines", f"\n\nÔng {HOA}\ngặp bà {THUY}.\n", [HOA, THUY]),
    ("emoji", f"😀 Ông {HOA} 👍🏽 gặp bà {THUY}.", [HOA, THUY]),
    ("both tones", "Nguyễn Văn Hòa gặp Trần Thị Thuý.", ["Nguyễn Văn Hòa", "Trần Thị Thuý"]),
    ("spelling that it corrects", f"Các nghành đều khen. Ông {HOA} nghành y.", [HOA]),
    ("Icelandic letter", "Ông Nguyễn Ðình Hoà đến.", ["Nguyễn Ðình Hoà"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "persons"), [c[1:] for c in UGLY], ids=[c[0] for c in UGLY])
def test_mentions_are_verbatim(underthesea: Labeller, text: str, persons: list[str]):
    assert unicodedata.is_normalized("NFC", text)
    spans = underthesea(Document("x", text))
    assert [text[s.start : s.end] for s in spans if s.label == "PERSON"] == persons
    assert all(span.source == "underthesea" and span.score is None for span in spans)


def test_places_are_dropped_unless_asked_for():
    text = "Ông Putin ca ngợi những thành tựu của Liên Xô"
    assert [span.label for span in load_underthesea()(Document("x", text))] == ["PERSON"]
    mapped = load_underthesea({"LOC": "ORG"})(Document("x", text))
    assert [(text[s.start : s.end], s.label) for s in mapped] == [("Liên Xô", "ORG")]


CHARACTERS = st.one_of(
    st.sampled_from(["Uỷ", "Ủy ban", "Hoà", "hòa", "nghành", "Ông", "TP.", "\t", "\n", " ", "Ð"]),
    st.sampled_from(["12/3/2020", "10:20", "0912 345 678", "a@b.vn", "…", "<3", ":D", "1.600m"]),
    st.characters(codec="utf-8", exclude_characters="\0"),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(CHARACTERS, min_size=1, max_size=12).map("".join))
def test_any_text_gives_legal_spans(text: str):
    text = unicodedata.normalize("NFC", text)
    spans = load_underthesea({"PER": "PERSON", "ORG": "ORG", "LOC": "DATE"})(Document("x", text))
    assert find_illegal(text, spans) is None
    for span in spans:
        mention = text[span.start : span.end]
        assert mention == mention.strip() and fold(mention)


def test_a_model_folder_is_a_labeller(tmp_path: Path):
    text, spans = parse_markup("Ông [Đỗ Văn Kha]{PERSON} đến [ngày 14/10]{DATE}.")
    document = Document("x", text, spans)
    train_crf([document]).save(tmp_path / "model")
    labelled = load_labeller(str(tmp_path / "model"))(document)
    assert [span.key for span in labelled] == [span.key for span in spans]


def test_the_rules_are_a_labeller():
    document = Document("x", "Ngày 14/10, ông Đỗ Văn Kha đến dự.")
    spans = load_labeller("rules")(document)
    assert find_illegal(document.text, spans) is None


def test_names_nobody_knows(tmp_path: Path):
    with pytest.raises(DataError, match="known: rules, underthesea, or the folder"):
        load_labeller("phobert")
    with pytest.raises(DataError, match="no model"):
        load_labeller(str(tmp_path))
