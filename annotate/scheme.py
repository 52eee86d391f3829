"""The annotation scheme: the labels, what may nest in what, and how annotators see them.

The only place that knows the label set. The rules behind it stand in `guidelines/`.
"""

from dataclasses import dataclass
from typing import Literal

SCHEME_VERSION = "1.2"
"""Version of the annotation scheme; it travels with tasks, annotations and cards."""

Language = Literal["vi", "en"]
"""Of what annotators read."""

Layer = Literal["outer", "inner"]
LAYERS: tuple[Layer, Layer] = ("outer", "inner")
"""`outer`: spans inside no other span. `inner`: spans wholly inside one. Depth ends there."""


@dataclass(frozen=True, slots=True)
class Label:
    """One label as annotators meet it: names, hotkey, colour and a reminder of the rule."""

    name: str
    vietnamese: str
    hotkey: str
    colour: str
    hint: str


# Colours: five of Okabe and Ito's palette, which people with colour blindness can tell
# apart (Okabe & Ito 2008, "Color Universal Design").
LABELS: tuple[Label, ...] = (
    Label("PERSON", "Người", "1", "#0072B2", "tên riêng, không kèm ông, bà, đồng chí"),
    Label(
        "POSITION",
        "Chức vụ",
        "2",
        "#E69F00",
        "từ chữ đầu của chức vụ đến hết tên tổ chức; gắn thêm tổ chức ở trong",
    ),
    Label("ORG", "Tổ chức", "3", "#009E73", "tên dài nhất; gặp của, thuộc thì tách làm hai"),
    Label(
        "DOCUMENT_REF",
        "Văn bản",
        "4",
        "#CC79A7",
        "loại văn bản và số, tên định danh nó; ngày ký, cơ quan, nội dung để ngoài",
    ),
    Label("DATE", "Thời gian", "5", "#56B4E9", "ngày, tháng, quý, năm; không lấy độ dài (5 năm)"),
)

LABEL_NAMES: tuple[str, ...] = tuple(label.name for label in LABELS)

HOSTS = frozenset({"POSITION", "DOCUMENT_REF"})
GUESTS = frozenset({"ORG", "DATE", "PERSON"})


def may_contain(outer: str, inner: str) -> bool:
    """Whether a span labelled `outer` may hold one labelled `inner` (annotation scheme, "Two
    layers": an ORG, DATE or PERSON inside a POSITION or DOCUMENT_REF, nothing else)."""
    return outer in HOSTS and inner in GUESTS
