"""Places of panes: sizes add up and follow the weights."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cvmdbg.tui.layout import shares


@given(st.integers(0, 300), st.lists(st.floats(0.2, 130), min_size=1, max_size=6), st.integers(1, 8))
def test_shares_add_up_and_leave_nobody_without(total: int, weights: list[float], least: int) -> None:
    sizes = shares(total, weights, least)
    assert sum(sizes) == total
    if total >= least * len(weights):
        assert min(sizes) >= least


def test_what_is_left_goes_to_those_nearest_to_one_more() -> None:
    assert shares(37, (20, 4, 14), 2) == [19, 4, 14]
