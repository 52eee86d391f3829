"""Invented labelled sentences for the tests of the neural baselines."""

import random

from annotate.document import Document
from annotate.markup import parse_markup

FAMILIES = ["Trần", "Lê", "Phạm", "Vũ", "Đỗ", "Bùi"]
MIDDLES = ["Quốc", "Thị", "Văn", "Đình", "Thanh"]
GIVEN = ["Minh", "An", "Kha", "Lâm", "Hoà", "Thuỷ", "Sơn"]
PLACES = ["Sơn Hà", "Phú Lộc", "Nà Phặc", "Vĩnh Thạnh", "Bắc Lý"]
BODIES = ["Huyện ủy {}", "UBND huyện {}", "HĐND tỉnh {}", "Đảng ủy xã {}"]
TITLES = ["Bí thư", "Phó Chủ tịch", "Ủy viên", "Phó Bí thư Thường trực"]
TEMPLATES = [
    "Đồng chí [{p}]{{PERSON}}, [{t} [{b}]{{ORG}}]{{POSITION}}, phát biểu [{d}]{{DATE}}.",
    "Sáng [{d}]{{DATE}}, [{b}]{{ORG}} ban hành [Quyết định số {n}-QĐ/HU]{{DOCUMENT_REF}}.",
    "Ông [{p}]{{PERSON}} và bà [{q}]{{PERSON}} dự họp của [{b}]{{ORG}}.",
    "Theo [Điều lệ [Công đoàn {l}]{{ORG}} [năm {y}]{{DATE}}]{{DOCUMENT_REF}}, cán bộ đi học.",
    "Ở đây không có tên của ai, chỉ có {n} cán bộ và vài đại biểu.",
    "[{t}]{{POSITION}} [{p}]{{PERSON}} gặp [{t} [{b}]{{ORG}}]{{POSITION}} [{q}]{{PERSON}}!",
]

PIECES = [
    "Bí thư", "Huyện ủy", "Sơn Hà", ",", ". ", "\n", "của", "Phó", "Chủ tịch", "UBND", "13/10/2011",
    "năm 2013", "Điều lệ", "Công đoàn", "😀", "(", ")", "“", "”", "ông", "Trần Quốc Minh",
]  # fmt: skip
"""What texts without sense are made of."""


def invent_documents(sentences: int, seed: int = 7) -> list[Document]:
    """Documents of five sentences each, in both layers."""
    chance = random.Random(seed)

    def person() -> str:
        return " ".join(chance.choice(names) for names in (FAMILIES, MIDDLES, GIVEN))

    lines = [
        chance.choice(TEMPLATES).format(
            p=person(),
            q=person(),
            t=chance.choice(TITLES),
            b=chance.choice(BODIES).format(chance.choice(PLACES)),
            d=f"ngày {chance.randint(1, 28)}/{chance.randint(1, 12)}/{chance.randint(1990, 2022)}",
            n=chance.randint(2, 900),
            l=chance.choice(PLACES),
            y=chance.randint(1990, 2022),
        )
        for _ in range(sentences)
    ]
    return [
        Document(f"d{first}", *parse_markup("\n".join(lines[first : first + 5])))
        for first in range(0, sentences, 5)
    ]
