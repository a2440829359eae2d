"""Reasons: they travel as data, and every code is explained."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.exclusions import CODES, COLUMNS, KEPT, NOT_EXCLUDED, Reason
from histotransfer.core.hdf5 import create_store, open_store
from histotransfer.core.tables import TableSchema, read_table, write_table
from support.root import ROOT

SCHEMA = TableSchema("reasons", {"item": "text", **dict.fromkeys(COLUMNS, "text")})
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=20)
REASONS = st.builds(Reason, st.sampled_from(sorted(CODES)), TEXTS, TEXTS)


@given(st.lists(st.none() | REASONS, min_size=1, max_size=5))
def test_reasons_come_back_from_a_table(tmp_path_factory, reasons):
    path = tmp_path_factory.getbasetemp() / "reasons.tsv"
    rows = [
        {"item": f"{number}", **(reason.as_row() if reason else NOT_EXCLUDED)}
        for number, reason in enumerate(reasons)
    ]
    write_table(pd.DataFrame(rows), path, SCHEMA)
    assert [Reason.of(row) for _, row in read_table(path, SCHEMA).iterrows()] == reasons


@given(st.none() | REASONS)
def test_a_reason_comes_back_from_a_store(tmp_path_factory, reason):
    path = tmp_path_factory.getbasetemp() / "reason.h5"
    with create_store(path, "x/1", reason.as_row() if reason else NOT_EXCLUDED):
        pass
    with open_store(path, "x/1") as store:
        assert Reason.of(store.attrs) == reason


def test_what_carries_no_reason_has_none():
    assert Reason.of({}) is None
    assert Reason.of({"code": float("nan"), "detail": "x"}) is None


def test_an_unknown_code_is_refused():
    with pytest.raises(KeyError, match="slide_is_blue is not in CODES"):
        Reason("slide_is_blue")


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (Reason("slide_empty"), "is an empty file."),
        (Reason("slide_empty", remedy="Copy it again"), "is an empty file. Copy it again."),
        (Reason("too_coarse", "2 µm/px"), f"{CODES['too_coarse']} (2 µm/px)."),
    ],
)
def test_a_sentence_is_made_of_cause_and_remedy(reason, sentence):
    assert reason.sentence() == sentence
    assert f"{reason.cause}." in sentence


def test_the_document_explains_exactly_the_codes():
    text = (ROOT / "docs/exclusions.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+\.) \| (.+\.) \|$", text, flags=re.MULTILINE)
    assert [code for code, _, _ in rows] == list(CODES)
    assert text.count("| `") == len(rows)


def test_the_codes_of_kept_items_are_codes():
    assert set(CODES) > KEPT
