"""The summary page and the captions: true of the run, limits first, readable without a network."""

from __future__ import annotations

import re
from copy import deepcopy
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from docutils.core import publish_parts
from jinja2 import Environment, StrictUndefined

from histotransfer.core.tables import read_table, write_table
from histotransfer.figures.draw import FIGURES
from histotransfer.report.summary import TABLES, methods, taken_on_trust, write_summary
from histotransfer.results.claims import write_claims
from support.results import write_results
from support.root import ROOT

CAPTIONS = sorted((ROOT / "workflow" / "report").glob("*.rst"))


def config_of(name: str):
    return yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8"))


def page_of(config, folder, random_weights=False, **changed) -> str:
    paths = {**write_results(folder, genes=12, repeats=2), **changed}
    paths["claims"] = folder / "claims.tsv"
    write_claims(
        paths["comparison"], paths["improved"], paths["cohort"], paths["claims"],
        study=config["study"], random_weights=random_weights,
    )  # fmt: skip
    inputs = {name: paths[name] for name in TABLES}
    write_summary(config, inputs, folder / "summary.html", random_weights=random_weights)
    return (folder / "summary.html").read_text(encoding="utf-8")


def test_what_could_not_be_used_of_features_made_elsewhere_is_said(tmp_path):
    rows = [
        ("s1", "slide", 9, 9, "other patches", ""),
        ("s2", "slide", 9, 7, "applied", ""),
        ("s3", "slide", 0, 0, "", "no file of features"),
    ]
    columns = ["item", "what", "n_patches", "n_pooled", "qc", "reason"]
    write_table(pd.DataFrame(rows, columns=columns), tmp_path / "UNI.used.tsv")
    config = config_of("demo")
    config["extractors"]["UNI"] = {"source": {"features": "data/uni"}}
    page = page_of(config, tmp_path, elsewhere=[tmp_path / "UNI.used.tsv"])
    assert "UNI: of 3 slides, 1 left out (1 × no file of features)" in page
    assert "UNI: on 1 slide its patches are not the tiles" in page
    assert "UNI: made elsewhere." in page


class Balanced(HTMLParser):
    """Check that every tag is closed, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        """Note what is opened."""
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Check that what is closed was opened last."""
        assert self.open.pop() == tag


def test_the_page_states_the_limits_before_any_number(tmp_path):
    page = page_of(config_of("demo"), tmp_path, random_weights=True)
    Balanced(page)
    limits, answer = page.index("Limits"), page.index("The answer")
    assert limits < page.index("The data are simulated") < answer
    assert limits < page.index("random weights") < answer
    assert limits < page.index("1 of 54 slides are excluded") < answer
    assert limits < page.index("mutation: 1 target not estimable (EGFR)") < answer
    assert (
        limits < page.index("mutation: 1 target left out of the labels (1 × 3 positives)") < answer
    )
    assert 'class="red"' in page


def test_what_was_taken_on_trust_of_the_slides_is_a_limit():
    qc = pd.DataFrame(
        {
            "mpp_source": ["sheet", "header", "sheet", "sheet"],
            "unreadable": [0, 2, 3, 9],
            "stain_degenerate": [1, 0, 0, np.nan],
            "n_patches": [10, 10, 10, 0],
        }
    )
    assert list(taken_on_trust(qc)) == [
        "The scale of 2 slides is the slide sheet’s word, not the header’s.",
        "On 2 slides, 5 tiles could not be read and were skipped.",
        "On 1 slide, stain could not be estimated and was left as it is.",
    ]
    assert list(taken_on_trust(qc.iloc[3:])) == []


def test_a_clean_published_study_has_no_red_line(tmp_path):
    page = page_of(config_of("config"), tmp_path)
    assert 'class="red"' not in page
    assert "simulated" not in page


def test_the_page_needs_nothing_from_elsewhere_and_is_the_same_twice(tmp_path):
    once = page_of(config_of("config"), tmp_path)
    assert not re.search(r"<script|<link|src=|url\(|@import", once)
    assert once == page_of(config_of("config"), tmp_path)


def test_a_slide_named_like_markup_stays_text(tmp_path):
    write_table(
        read_table(write_results(tmp_path)["excluded_slides"]).assign(reason="<b>&cut off"),
        tmp_path / "excluded.tsv",
    )
    page = page_of(config_of("demo"), tmp_path, excluded_slides=tmp_path / "excluded.tsv")
    assert "&lt;b&gt;&amp;cut off" in page
    assert "<b>&cut" not in page
    Balanced(page)


def test_a_study_without_results_still_makes_a_page(tmp_path):
    paths = write_results(tmp_path)
    empty = {}
    for name in ("comparison", "improved", "cohort", "qc", "excluded_slides"):
        empty[name] = tmp_path / f"no_{name}.tsv"
        write_table(read_table(paths[name]).iloc[:0], empty[name])
    page = page_of(config_of("demo"), tmp_path, excluded_labels=[], **empty)
    Balanced(page)
    assert "Nothing to show." in page


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("tiling", "target_mpp"), 0.25, "224 px at 0.25 µm/px (56 µm)"),
        (("tiling", "stride_px"), 112, "stride of 112 px"),
        (("stain", "method"), "none", "Stains were not normalised"),
        (("qc", "apply"), False, "No patch was left out by quality control"),
        (("finetune", "step2", "unfreeze_from"), "block9", "from block9 on"),
        (("pooling", "patches"), "mean+std", "mean and standard deviation of its patches"),
        (("crossval", "repeats"), 7, "repeated 7 times"),
        (("statistics", "rope"), 0.02, "±0.02"),
        (("tasks", "tissue", "dataset"), "OTHER-SET", "classes of OTHER-SET"),
        (("seed",), 42, "the seed 42"),
    ],
)
def test_the_methods_say_what_the_config_says(keys, value, said):
    config = deepcopy(config_of("config"))
    *path, last = keys
    entry = config
    for key in path:
        entry = entry[key]
    assert said not in " ".join(methods(config, False))
    entry[last] = value
    assert said in " ".join(methods(config, False))


def test_every_figure_has_a_caption():
    assert set(FIGURES) | {"workflow", "summary", "claims_table", "excluded_slides"} <= {
        path.stem for path in CAPTIONS
    }


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", ["config", "demo"])
def test_each_caption_renders_with_each_config(caption, name, capsys):
    template = Environment(undefined=StrictUndefined, autoescape=True).from_string(
        caption.read_text(encoding="utf-8")
    )
    text = template.render(snakemake=SimpleNamespace(config=config_of(name)))
    settings = {"halt_level": 2, "report_level": 2}
    publish_parts(text, writer="html", settings_overrides=settings)
    assert ("imulated" in text) == (name == "demo" or caption.stem in ("truth", "claims_table"))
    assert "{" not in text
