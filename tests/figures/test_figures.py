"""The figures: drawn at every size, in words where there is nothing, the same bytes twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from scipy.stats import binomtest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation.intervals import wilson
from histotransfer.figures import style
from histotransfer.figures.draw import FIGURES, draw
from histotransfer.results.tables import read_tables
from support.results import GENES, write_results

FIVE = ("IMGNET-2048", "FTX-2048", "FTX-ALL-2048", "PHIKON-768", "UNI-1024")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("demo"))


def figure_of(name: str, inputs, alpha: float = 0.05) -> Figure:
    paint, needed = FIGURES[name]
    with rc_context(style.RC):
        return paint(read_tables({table: inputs[table] for table in needed}), alpha)


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def ink(path: Path) -> float:
    return float((np.asarray(Image.open(path).convert("L")) < 250).mean())


def emptied(inputs, folder: Path, *names: str):
    """Return the inputs with the named tables cut to their header."""
    changed = dict(inputs)
    for name in names:
        source = inputs[name][0] if isinstance(inputs[name], list) else inputs[name]
        target = folder / source.name
        write_table(read_table(source).iloc[:0], target)
        changed[name] = [target] if isinstance(inputs[name], list) else target
    return changed


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_is_written_as_pdf_and_png_with_the_same_bytes_twice(name, demo, tmp_path):
    once, twice = ((tmp_path / f"{i}.pdf", tmp_path / f"{i}.png") for i in "ab")
    draw(name, demo, once, study="simulated")
    draw(name, demo, twice, study="simulated")
    assert once[0].read_bytes().startswith(b"%PDF")
    assert b"CreationDate" not in once[0].read_bytes()
    assert once[0].read_bytes() == twice[0].read_bytes()
    assert once[1].read_bytes() == twice[1].read_bytes()
    assert 0.01 < ink(once[1]) < 0.8


@pytest.mark.parametrize("name", FIGURES)
def test_simulated_data_are_marked_and_only_they(name, demo, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(style, "save", lambda figure, outputs: drawn.append(figure))
    draw(name, demo, (), study="simulated")
    draw(name, demo, (), study="TCGA-LUAD")
    assert ["simulated data" in words(figure) for figure in drawn] == [True, False]


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("name", FIGURES)
def test_nothing_runs_out_of_the_page_and_every_extractor_is_named(name, count, tmp_path):
    inputs = write_results(tmp_path, extractors=FIVE[:count], genes=12, mutations=4, repeats=3)
    figure = figure_of(name, inputs)
    style.save(figure, [tmp_path / "figure.png"])
    page = figure.bbox.padded(1)
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        if text.get_text() and text.get_visible() and text.axes is not None:
            assert page.x0 <= box.x0, text
            assert box.x1 <= page.x1, text
    if name not in ("qc", "training", "cohort_flow", "costs", "gallery"):
        shown = FIVE[1:count] if name == "classifier" else FIVE[:count]
        assert all(any(extractor in text for text in words(figure)) for extractor in shown)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("tissue_accuracy", "comparison"),
        ("confusion", "confusion"),
        ("expression", "related_genes"),
        ("volcano", "comparison"),
        ("mutation", "mutation"),
        ("qc", "qc"),
        ("training", "training"),
        ("classifier", "classifier"),
        ("truth", "truth"),
    ],
)
def test_an_empty_table_makes_a_figure_that_says_so(name, table, demo, tmp_path, monkeypatch):
    inputs = emptied(demo, tmp_path, table)
    drawn = []
    monkeypatch.setattr(style, "save", lambda figure, outputs: drawn.append(figure))
    draw(name, inputs, (), study="simulated")
    assert any(text.startswith("No ") for text in words(drawn[0]))


def test_every_input_empty_still_makes_every_figure(demo, tmp_path):
    inputs = emptied(
        demo, tmp_path, *(name for name in demo if demo[name] and name != "gallery_images")
    )
    for name in FIGURES:
        draw(name, inputs, [tmp_path / f"{name}.png"], study="simulated")
        assert ink(tmp_path / f"{name}.png") > 0


def test_a_comparison_without_an_estimable_target_is_drawn_in_words(demo, tmp_path):
    table = read_table(demo["comparison"])
    table[table.columns[table.columns.get_loc("baseline_mean") : -3]] = np.nan
    write_table(table.assign(status="not estimable"), tmp_path / "comparison.tsv")
    inputs = {**demo, "comparison": tmp_path / "comparison.tsv"}
    for name in ("tissue_accuracy", "expression", "volcano", "mutation"):
        draw(name, inputs, [tmp_path / f"{name}.png"], study="simulated")


def test_the_scatter_counts_related_genes_above_and_below_the_diagonal(demo, tmp_path):
    genes = pd.DataFrame(
        [
            [gene, name, r, related]
            for gene, baseline, compared, related in [
                ("A", 0.1, 0.5, True),
                ("B", 0.2, 0.3, True),
                ("C", 0.5, 0.1, True),
                ("D", 0.0, 0.1, False),
            ]
            for name, r in (("IMGNET-2048", baseline), ("FTX-2048", compared))
        ],
        columns=["target", "extractor", "r", "related"],
    )
    # Related under one extractor is related.
    genes.loc[genes["extractor"] == "IMGNET-2048", "related"] = False
    write_table(genes, tmp_path / "related_genes.tsv")
    figure = figure_of("expression", {**demo, "related_genes": tmp_path / "related_genes.tsv"})
    assert {"2 better", "1 worse"} <= set(words(figure))
    assert "related to the features (n = 3)" in words(figure)
    assert {"A", "B", "C"} <= set(words(figure))
    assert "D" not in words(figure)


def test_the_volcano_colours_what_passes_the_level_it_is_given(demo):
    table = read_table(demo["comparison"]).query("metric == 'pearson'")
    for alpha in (0.01, 0.2):
        passed = int((table["q_bh"] <= alpha).sum())
        labels = words(figure_of("volcano", demo, alpha))
        assert any(f"q ≤ {alpha:g}" in text and f"(n = {passed})" in text for text in labels)


def test_a_gene_that_cannot_be_estimated_is_named_as_such(demo):
    text = words(figure_of("mutation", demo))
    assert text.count("  not estimable") == 1
    assert any(label.startswith(f"{GENES[5]}  3 of 50") for label in text)


def test_the_accuracy_marks_stand_at_the_tables_values(demo):
    table = read_table(demo["comparison"]).query("metric == 'accuracy'")
    left, right = figure_of("tissue_accuracy", demo).axes
    drawn = {round(float(x), 6) for line in left.lines for x in np.ravel(line.get_xdata())}
    for value in [*table["baseline_mean"], *table["extractor_mean"]]:
        assert round(100 * value, 6) in drawn
    drawn = {round(float(x), 6) for line in right.lines for x in np.ravel(line.get_xdata())}
    assert all(round(100 * value, 6) in drawn for value in table["delta"])


def test_an_unknown_figure_is_refused_by_name(demo, tmp_path):
    with pytest.raises(HistotransferError, match=r"boxplot.*tissue_accuracy"):
        draw("boxplot", demo, [tmp_path / "x.png"], study="simulated")


def test_the_colours_of_extractors_are_told_apart_by_colour_and_by_mark():
    marks = style.looks(FIVE)
    assert len({colour for colour, _ in marks.values()}) == 5
    assert len({marker for _, marker in marks.values()}) == 5
    assert marks["IMGNET-2048"][0] == style.BASELINE


@given(st.integers(1, 8000), st.floats(0, 1))
def test_the_wilson_interval_is_scipys(n, share):
    k = round(share * n)
    low, high = wilson(k / n, n)
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert low == pytest.approx(expected.low, abs=1e-9)
    assert high == pytest.approx(expected.high, abs=1e-9)


def test_the_wilson_interval_of_nothing_is_missing():
    assert np.isnan(wilson([0.5, np.nan], [0, 10])).all()
