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
from histotransfer.core.tables import read_table
from histotransfer.evaluation.statistics import wilson
from histotransfer.figures import style
from histotransfer.figures.draw import PAINTERS, draw
from histotransfer.results.answers import answer_questions
from histotransfer.results.rows import with_tasks_told_apart
from histotransfer.results.tables import SCHEMAS, read_tables
from histotransfer.study.catalogue import FIGURES
from support.comparisons import compared
from support.results import GENES, emptied, rows, write_results, written

FIVE = ("IMGNET-2048", "FTX-2048", "FTX-ALL-2048", "PHIKON-768", "UNI-1024")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("demo"))


def tables_of(name: str, paths):
    """Choose the tables that the catalogue lists for a figure, as its rule does."""
    return {table: paths[table] for table in FIGURES[name].tables}


def figure_of(name: str, paths, alpha: float = 0.05) -> Figure:
    with rc_context(style.RC):
        return PAINTERS[name](with_tasks_told_apart(read_tables(tables_of(name, paths))), alpha)


def drawn(name: str, paths, monkeypatch, study: str = "simulated") -> Figure:
    """Return the figure that `draw` would save."""
    saved: list[Figure] = []
    monkeypatch.setattr(style, "save", lambda figure, outputs: saved.append(figure))
    draw(name, tables_of(name, paths), (), study=study, alpha=0.05)
    return saved[0]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def ink(path: Path) -> float:
    return float((np.asarray(Image.open(path).convert("L")) < 250).mean())


def test_each_figure_of_the_catalogue_has_a_painter_and_the_other_way_round():
    assert set(PAINTERS) == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_is_written_as_pdf_and_png_with_the_same_bytes_twice(name, demo, tmp_path):
    once, twice = ((tmp_path / f"{i}.pdf", tmp_path / f"{i}.png") for i in "ab")
    for outputs in (once, twice):
        draw(name, tables_of(name, demo), outputs, study="simulated", alpha=0.05)
    assert once[0].read_bytes().startswith(b"%PDF")
    assert b"CreationDate" not in once[0].read_bytes()
    assert once[0].read_bytes() == twice[0].read_bytes()
    assert once[1].read_bytes() == twice[1].read_bytes()
    assert 0.01 < ink(once[1]) < 0.8


@pytest.mark.parametrize("name", FIGURES)
def test_only_simulated_data_are_marked(name, demo, monkeypatch):
    for study in ("simulated", "TCGA-LUAD"):
        figure = drawn(name, demo, monkeypatch, study)
        assert ("simulated data" in words(figure)) == (study == "simulated")


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
    if name not in ("qc", "training", "cohort_flow", "costs", "gallery", "heatmaps"):
        shown = FIVE[1:count] if name == "classifier" else FIVE[:count]
        assert all(any(extractor in text for text in words(figure)) for extractor in shown)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("ranks", "ranks"),
        ("tissue_accuracy", "comparison"),
        ("confusion", "confusion"),
        ("expression", "related_genes"),
        ("volcano", "comparison"),
        ("mutation", "mutation"),
        ("learning_curves", "learning_curves"),
        ("qc", "qc"),
        ("training", "training"),
        ("classifier", "classifier"),
        ("truth", "truth"),
    ],
)
def test_an_empty_table_makes_a_figure_that_says_so(name, table, demo, tmp_path, monkeypatch):
    paths = emptied(demo, tmp_path, table)
    assert any(text.startswith("No ") for text in words(drawn(name, paths, monkeypatch)))


def test_with_every_table_empty_each_figure_is_still_drawn(demo, tmp_path):
    paths = emptied(demo, tmp_path, *(name for name in demo if name in SCHEMAS))
    for name in FIGURES:
        out = tmp_path / f"{name}.png"
        draw(name, tables_of(name, paths), [out], study="simulated", alpha=0.05)
        assert ink(out) > 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tissue_accuracy", "No class could be evaluated."),
        ("volcano", "No target's difference could be tested."),
        ("mutation", "How well each target of two values is predicted"),
        ("mutation", "  not estimable"),
        (
            "expression",
            "No target was predicted by two extractors, so there is nothing to compare.",
        ),
    ],
)
def test_without_an_estimable_target_the_figure_says_so(name, said, demo, tmp_path, monkeypatch):
    paths = dict(demo)
    for table in ("comparison", "related_genes", "improved", "mutation"):
        schema = SCHEMAS[table]
        scores = [column for column, kind in schema.columns.items() if kind == "number"]
        lost = read_table(demo[table], schema).assign(**dict.fromkeys(scores, np.nan))
        paths[table] = written(table, lost, tmp_path / f"{table}.tsv")
    paths = emptied(paths, tmp_path, "answers")
    assert said in words(drawn(name, paths, monkeypatch))


def test_the_scatter_counts_related_genes_above_and_below_the_diagonal(demo, tmp_path):
    genes = pd.DataFrame(
        [
            ["expression", gene, name, r, related]
            for gene, baseline, compared, related in [
                ("A", 0.1, 0.5, True),
                ("B", 0.2, 0.3, True),
                ("C", 0.5, 0.1, True),
                ("D", 0.0, 0.1, False),
            ]
            for name, r in (("IMGNET-2048", baseline), ("FTX-2048", compared))
        ],
        columns=["task", "target", "extractor", "r", "related"],
    )
    # Related under one extractor is related.
    genes.loc[genes["extractor"] == "IMGNET-2048", "related"] = False
    genes = rows("related_genes", genes.to_dict("records"))
    path = written("related_genes", genes, tmp_path / "related_genes.tsv")
    figure = figure_of("expression", {**demo, "related_genes": path})
    assert {"2 better", "1 worse"} <= set(words(figure))
    assert "related to the features (n = 3)" in words(figure)
    assert {"A", "B", "C"} <= set(words(figure))
    assert "D" not in words(figure)


def test_the_volcano_colours_what_passes_the_level_it_is_given(demo):
    table = read_table(demo["comparison"], SCHEMAS["comparison"]).query("metric == 'pearson'")
    for alpha in (0.01, 0.2):
        passed = int((table["q_bh"] <= alpha).sum())
        labels = words(figure_of("volcano", demo, alpha))
        assert any(f"q ≤ {alpha:g}" in text and f"(n = {passed})" in text for text in labels)


def test_a_gene_that_cannot_be_estimated_is_named_as_such(demo):
    text = words(figure_of("mutation", demo))
    assert text.count("  not estimable") == 1
    assert any(label.startswith(f"{GENES[5]}  3 of 50") for label in text)


@pytest.mark.parametrize("name", ["tissue_accuracy", "mutation"])
def test_a_difference_is_filled_where_its_direction_is_decided(name, demo, tmp_path):
    whose = {
        "tissue_accuracy": {"task": "tissue", "metric": "accuracy"},
        "mutation": {"task": "mutation", "metric": "auroc"},
    }[name]
    targets = ["all", "STR", "TUM"] if name == "tissue_accuracy" else GENES[:3]
    table = compared(
        {**whose, "target": target, "delta": delta, "n": 50}
        for target, delta in zip(targets, (0.06, -0.05, 0.0), strict=True)
    )
    tables = {"comparison": table, "improved": rows("improved", [])}
    tables["answers"] = answer_questions(
        tables, patch_tasks=["tissue"], runs={}, alpha=0.05, rope=0.01
    )
    paths = dict(demo)
    for key in ("comparison", "answers"):
        own = tables[key].reindex(columns=list(SCHEMAS[key].columns))
        paths[key] = written(key, own, tmp_path / f"{key}.tsv")
    figure = figure_of(name, paths)
    filled, empty = (
        sum(
            len(np.ravel(line.get_xdata()))
            for line in figure.axes[1].lines
            if line.get_marker() == "s" and line.get_markerfacecolor() == fill
        )
        for fill in (style.COMPARED[0], "white")
    )
    assert (filled, empty) == (2, 1)
    assert "right: filled if decided (q ≤ 0.05)" in " ".join(words(figure))


def test_all_pairs_are_drawn_once_and_filled_where_holm_decides(demo, tmp_path):
    inputs = dict(demo)
    tables = read_tables(tables_of("ranks", write_results(tmp_path, extractors=FIVE, repeats=3)))
    pairs = tables["pairs"].query("task == 'mutation'").copy()
    assert len(pairs) == 10
    pairs["p_holm"] = [0.01] * 4 + [0.2] * 6
    inputs["pairs"] = written("pairs", pairs, tmp_path / "pairs.tsv")
    ranks = tables["ranks"].query("task == 'mutation'")
    inputs["ranks"] = written("ranks", ranks, tmp_path / "ranks.tsv")
    left, right = figure_of("ranks", inputs).axes
    marks = [line for line in right.lines if line.get_marker() == "o"]
    filled, empty = (np.ravel(line.get_xdata()) for line in marks)
    assert sorted([*filled, *empty]) == pytest.approx(sorted(pairs["delta"]))
    assert (len(filled), len(empty)) == (4, 6)
    drawn = sorted(float(np.ravel(line.get_xdata())[0]) for line in left.lines)
    assert drawn == pytest.approx(sorted(ranks["mean_rank"]))
    named = [label.get_text() for label in right.get_yticklabels()]
    assert named[0] == f"{FIVE[1]} − {FIVE[0]}"
    assert len(set(named)) == 10


@pytest.mark.parametrize("name", ["tissue_accuracy", "volcano", "mutation"])
def test_other_figures_of_differences_show_those_from_the_baseline(name, tmp_path):
    """The last pairs change nothing."""
    inputs = write_results(tmp_path, extractors=FIVE[:3], genes=12, mutations=4, repeats=3)
    table = read_table(inputs["comparison"], SCHEMAS["comparison"])
    own = table[table["baseline"] == FIVE[0]]
    assert len(own) < len(table)
    alone = {**inputs, "comparison": written("comparison", own, tmp_path / "alone.tsv")}
    for number, paths in enumerate((inputs, alone)):
        draw(name, tables_of(name, paths), [tmp_path / f"{number}.png"], study="x", alpha=0.05)
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()


def test_the_accuracy_marks_stand_at_the_tables_values(demo):
    table = read_table(demo["comparison"], SCHEMAS["comparison"]).query("metric == 'accuracy'")
    left, right = figure_of("tissue_accuracy", demo).axes
    drawn = {round(float(x), 6) for line in left.lines for x in np.ravel(line.get_xdata())}
    for value in [*table["baseline_mean"], *table["extractor_mean"]]:
        assert round(100 * value, 6) in drawn
    drawn = {round(float(x), 6) for line in right.lines for x in np.ravel(line.get_xdata())}
    assert all(round(100 * value, 6) in drawn for value in table["delta"])


def test_an_image_is_found_by_its_patch_not_by_its_place_in_the_file(demo):
    axes = figure_of("gallery", demo).axes
    tables = read_tables(tables_of("gallery", demo))
    first, pictures = tables["gallery"].iloc[0], tables["gallery_images"]
    (wanted,) = pictures.loc[(pictures["x"] == first["x"]) & (pictures["y"] == first["y"]), "image"]
    np.testing.assert_array_equal(axes[0].get_images()[0].get_array(), wanted)


def test_a_target_has_one_scale_for_all_its_maps_and_the_difference_is_their_difference(demo):
    tables = read_tables(tables_of("heatmaps", demo))
    shown = [axes for axes in figure_of("heatmaps", demo).axes if axes.get_images()]
    for axes in shown:  # none is shrunk by patches that reach beyond the slide
        left, right, bottom, top = axes.get_images()[0].get_extent()
        assert (axes.get_xlim(), axes.get_ylim()) == ((left, right), (bottom, top))
    maps = [axes.collections[0] for axes in shown if axes.collections]
    images = tables["heatmap_images"]
    per_slide = len(images["extractors"].iloc[0]) + 1
    assert len(maps) == per_slide * len(images)
    ends = [round(one.norm.vmax, 9) for one in maps]
    assert [len(set(ends[: len(ends) // 2])), len(set(ends[len(ends) // 2 :]))] == [1, 1]
    for number, contributions in enumerate(images["contributions"]):
        drawn = [one.get_array() for one in maps[number * per_slide : (number + 1) * per_slide]]
        np.testing.assert_allclose(np.column_stack(drawn[:-1]), contributions)
        np.testing.assert_allclose(drawn[-1], contributions[:, 1] - contributions[:, 0])


def test_an_unknown_figure_is_refused_by_name(demo, tmp_path):
    with pytest.raises(HistotransferError, match=r"boxplot.*tissue_accuracy"):
        draw("boxplot", demo, [tmp_path / "x.png"], study="simulated", alpha=0.05)


def test_a_control_is_marked_and_pale_in_each_figure_that_names_it(tmp_path, monkeypatch):
    names = ("IMGNET-2048", "FTX-2048", "COLOUR")
    paths = write_results(tmp_path, extractors=names, genes=12, mutations=4, repeats=3)
    saved: list[Figure] = []
    monkeypatch.setattr(style, "save", lambda figure, outputs: saved.append(figure))
    for name in ("forest", "ranks", "mutation", "tissue_accuracy", "truth", "heatmaps"):
        draw(name, tables_of(name, paths), (), study="x", alpha=0.05, controls=["COLOUR"])
        said = " ".join(words(saved[-1]))
        assert said.count("COLOUR") == said.count("COLOUR (control)") > 0, name
    looks = style.looks(["IMGNET-2048", "COLOUR (control)", "FTX-2048"])
    assert looks["COLOUR (control)"][0] == style.PALE
    assert looks["FTX-2048"] == style.looks(["IMGNET-2048", "FTX-2048"])["FTX-2048"]


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


def test_targets_of_several_tasks_are_told_apart(demo, tmp_path):
    """Two tasks of classes both have scores of all; a marker of two tasks may have one name."""
    whose = [{"task": task, "metric": "accuracy", "n": 50} for task in ("subtype", "tissue")]
    table = compared(
        {**of_task, "target": target, "delta": 0.02}
        for of_task in whose
        for target in ("all", "STR", "TUM")
    )
    own = table.reindex(columns=list(SCHEMAS["comparison"].columns))
    path = written("comparison", own, tmp_path / "comparison.tsv")
    labels = [
        text.partition("  n = ")[0]
        for text in words(figure_of("tissue_accuracy", {**demo, "comparison": path}))
    ]
    expected = [
        f"{task}: {name}" for task in ("subtype", "tissue") for name in ("all", "STR", "TUM")
    ]
    assert (
        list(dict.fromkeys(label for label in labels if label.startswith(("s", "t")))) == expected
    )
    for name, table in (("roc", "mutation"), ("roc", "roc"), ("expression", "related_genes")):
        tables = with_tasks_told_apart(read_tables(tables_of(name, demo)))
        assert not tables[table]["target"].str.contains(": ").any()
        both = [tables[table], tables[table].assign(task="second")]
        apart = with_tasks_told_apart({**tables, table: pd.concat(both, ignore_index=True)})
        assert apart[table].groupby(["extractor", "target"]).size().max() == (
            tables[table].groupby(["extractor", "target"]).size().max()
        )
        assert {target.partition(": ")[0] for target in apart[table]["target"]} == {
            *tables[table]["task"], "second"
        }  # fmt: skip
    panels = read_table(demo["confusion"], SCHEMAS["confusion"])
    both = pd.concat([panels, panels.assign(task="second")])
    apart = with_tasks_told_apart({"confusion": both})["confusion"]
    assert apart["extractor"].nunique() == 2 * panels["extractor"].nunique()
