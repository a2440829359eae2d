"""Batches of slides: whole, of bounded size, and the same when the sheet changes around them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from histotransfer.study.batches import assign_batches, write_ledger

IDS = st.lists(st.text("abcdefgh", min_size=1, max_size=3), unique=True, max_size=30)


@given(before=IDS, after=IDS, size=st.integers(1, 7), later_size=st.integers(1, 7))
def test_a_slide_stays_in_its_batch_whatever_comes_and_goes(before, after, size, later_size):
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "features/batches.tsv"
        first = assign_batches(before, size, ledger)
        write_ledger(first, ledger)
        second = assign_batches(after, later_size, ledger)
        write_ledger(second, ledger)
        assert assign_batches(before, size, ledger) == first
        assert assign_batches(after, size, ledger) == second
    for batches, slides in ((first, before), (second, after)):
        assert sorted(slide for batch in batches.values() for slide in batch) == sorted(slides)
        assert all(batches.values())
    assert all(len(batch) <= size for batch in first.values())
    joined = {number for number, batch in second.items() if not set(batch) <= set(before)}
    assert not joined & set(first)  # new slides make batches of their own
    assert all(len(second[number]) <= later_size for number in joined)


def test_without_a_ledger_batches_follow_the_sheet(tmp_path):
    batches = assign_batches(["b", "a", "c"], 2, tmp_path / "none.tsv")
    assert batches == {"0000": ["b", "a"], "0001": ["c"]}
