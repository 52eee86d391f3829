"""Tests of differences against scipy, corrections by hand, and counts by document."""

import numpy as np
import pytest
from scipy import stats

from baselines.resampling import Tally, correct_holm, interval, resample, swap_test


def share(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def test_few_documents_get_the_exact_chance_of_scipy():
    one = np.array([[5, 8], [7, 7], [3, 9], [6, 6], [2, 4], [9, 9], [1, 5], [4, 4.0]])
    other = np.array([[4, 8], [6, 7], [4, 9], [5, 6], [2, 4], [6, 9], [0, 5], [3, 4.0]])
    exact = stats.permutation_test(
        (one[:, 0], other[:, 0]),
        lambda a, b, axis: abs(a.sum(axis) - b.sum(axis)) / one[:, 1].sum(),
        permutation_type="samples",
        alternative="greater",
        vectorized=True,
    )
    assert swap_test(one, other, share) == pytest.approx(exact.pvalue)
    assert swap_test(other, one, share) == pytest.approx(exact.pvalue)


def test_many_documents_come_near_the_normal_chance():
    """Seventy documents where only the first is right, fifty where only the second is."""
    one, other = np.zeros((200, 2)), np.zeros((200, 2))
    one[:, 1] = other[:, 1] = 1
    one[:70, 0], other[70:120, 0] = 1, 1
    wanted = stats.binomtest(70, 120).pvalue
    assert swap_test(one, other, share) == pytest.approx(wanted, abs=0.01)


def test_equal_models_do_not_differ():
    one = np.array([[5, 8], [7, 7.0]])
    assert swap_test(one, one, share) == 1.0


def test_holm_by_hand():
    assert correct_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert correct_holm([0.6, 0.7]) == [1.0, 1.0]
    assert correct_holm([]) == []


def test_tally_gives_counts_by_document_and_key():
    tally = Tally()
    tally.add_document({("v", "ORG", "gold"): 2, ("v", "DATE", "gold"): 1})
    tally.add_document({})
    tally.add_document({("v", "ORG", "gold"): 3, ("w", "ORG", "gold"): 7})
    keys = [("v", "ORG", "gold"), ("none", "ORG", "gold"), ("v", "DATE", "gold")]
    assert tally.table(keys).tolist() == [[2, 0, 1], [0, 0, 0], [3, 0, 0]]
    assert tally.rows_of("v") == ["ORG", "DATE"]
    assert Tally().table(keys).shape == (0, 3)


def test_resamples_are_sums_of_documents_drawn_with_replacement():
    table = np.array([[1, 10], [1, 20], [1, 40.0]])
    sums = resample(table, 500, seed=3)
    assert (sums[:, 0] == 3).all()
    possible = {a + b + c for a in (10, 20, 40) for b in (10, 20, 40) for c in (10, 20, 40)}
    assert set(sums[:, 1]) == possible
    assert (resample(table, 500, seed=3) == sums).all()


def test_interval_leaves_out_what_has_no_value():
    assert interval(np.array([0.5, np.nan, 0.5])) == (0.5, 0.5)
    assert interval(np.array([0.5, np.nan, np.nan])) is None
