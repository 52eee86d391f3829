"""How far annotators agree: measures, where they part, and both as text, JSON and HTML."""

from annotate.agreement.measure import (
    Agreement,
    Estimate,
    Scores,
    measure_agreement,
)
from annotate.agreement.page import agreement_to_html
from annotate.agreement.sums import cohen_kappa, krippendorff_alpha
from annotate.agreement.text import agreement_to_dict, format_agreement

__all__ = [
    "Agreement",
    "Estimate",
    "Scores",
    "agreement_to_dict",
    "agreement_to_html",
    "cohen_kappa",
    "format_agreement",
    "krippendorff_alpha",
    "measure_agreement",
]
