"""Batches of slides: whole, of bounded size, and the same when the sheet changes around them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from histotransfer.study.batches import assign_batches, assign_groups, write_ledger

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


@given(before=IDS, after=IDS, sharing=st.sets(st.text("abcdefgh", min_size=1, max_size=3)))
def test_networks_that_join_make_a_group_of_their_own(before, after, sharing):
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "features/groups.tsv"
        first = assign_groups(before, sharing, ledger)
        write_ledger(first, ledger, what="network", where="group")
        second = assign_groups(after, sharing, ledger)
    for groups, networks in ((first, before), (second, after)):
        assert sorted(name for group in groups.values() for name in group) == sorted(networks)
    for name in set(after) - sharing:
        assert second[name] == [name]
    for group, members in second.items():
        old = set(members) & set(before)
        assert not old or (old == set(members) and set(members) <= set(first[group]))


def test_a_group_bears_the_name_of_its_first_network(tmp_path):
    ledger = tmp_path / "groups.tsv"
    groups = assign_groups(["I", "C", "F", "F-2"], ["I", "F", "F-2"], ledger)
    assert groups == {"I": ["I", "F", "F-2"], "C": ["C"]}
    write_ledger(groups, ledger, what="network", where="group")
    assert ledger.read_text().startswith("network\tgroup\n")
    without_the_first = assign_groups(["C", "F", "G", "H"], ["F", "G", "H"], ledger)
    assert without_the_first == {"C": ["C"], "I": ["F"], "G": ["G", "H"]}
    no_longer_equal = assign_groups(["I", "F"], ["F"], ledger)
    assert no_longer_equal == {"I": ["I"], "F": ["F"]}
