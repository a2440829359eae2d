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

from histotransfer.core.errors import listed
from histotransfer.core.exclusions import Reason
from histotransfer.core.provenance import files_digest
from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation.decisions import (
    BETTER,
    EQUIVALENT,
    RELEVANT,
    UNDECIDED,
    UNTESTED,
    WORSE,
)
from histotransfer.evaluation.statistics import NOT_ESTIMABLE, OK
from histotransfer.report.checklist import CHECKLIST
from histotransfer.report.limits import taken_on_trust
from histotransfer.report.methods import OURS, PAPER, choices, methods
from histotransfer.report.pages import TEMPLATES
from histotransfer.report.summary import TARGETS_SHOWN, write_summary
from histotransfer.results.answers import TARGET, answer_questions
from histotransfer.results.claims import CLAIMS, judge_claims
from histotransfer.results.sentences import in_short, verdict
from histotransfer.results.tables import SCHEMAS, read_tables
from histotransfer.results.words import count, difference, joined, share
from histotransfer.study.catalogue import FIGURES, PUBLISHED
from histotransfer.study.catalogue import TABLES as CATALOGUED
from histotransfer.study.config import complete
from histotransfer.study.same_slides import warnings
from histotransfer.study.slide_sheet import Slide
from support.comparisons import compared
from support.results import TUNED, emptied, rows, write_results, written
from support.root import ROOT

TABLES = ("answers", "comparison", "cohort", "qc", "excluded_slides", "excluded_labels", "external")
TABLES += ("tuning",)
PAIR = ("IMGNET-2048", "FTX-2048")
OF_SECTIONS = ("learning_curves", "permuted", "site_audit", "site_splits", "table1", "robustness")
DEFAULTS = complete({}, ROOT / "workflow/defaults.yaml")
CAPTIONS = sorted((ROOT / "workflow" / "report").glob("*.rst"))


def config_of(name: str):
    config = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
    return complete(config, ROOT / "workflow/defaults.yaml")


def page_of(config, folder, random_weights=False, copies=(), left_out=(), **changed) -> str:
    paths = {**write_results(folder, genes=12, repeats=2), **changed}
    given = [name for name in (*TABLES, "near_duplicates", "external_patches") if name in paths]
    given += ["ranks", "pairs"] if len(config["extractors"]) > 2 else []
    given += ["validation"] if "cohorts" in config else []
    given += [name for name in OF_SECTIONS if name in changed]
    inputs = {name: paths[name] for name in given}
    if config["study"] == PUBLISHED:
        tables = read_tables({name: paths[name] for name in ("answers", "improved", "cohort")})
        claims = judge_claims(tables, runs={}, random_weights=random_weights, rope=0.01)
        write_table(claims, folder / "claims.tsv", CLAIMS)
        inputs["claims"] = folder / "claims.tsv"
    out, figure = folder / "summary.html", folder / "answers.png"
    figure.write_bytes(b"PNG")
    write_summary(
        config, inputs, out, figure=figure, checklist_path=folder / "checklist.tsv",
        defaults=DEFAULTS, random_weights=random_weights, copies=copies, left_out=left_out,
    )  # fmt: skip
    return (folder / "summary.html").read_text(encoding="utf-8")


def test_slides_that_seem_to_be_copies_are_limits(tmp_path):
    groups = [[Slide("S1", "P1", "a"), Slide("S2", "P2", "b")], [Slide("T", "P", "c")] * 2]
    page = page_of(config_of("config"), tmp_path, copies=warnings(groups))
    assert "One slide seems to be listed for several patients." in page
    assert "S1 (patient P1), S2 (patient P2)" in page
    assert "Its patches count more than once." in page


def test_a_study_of_five_extractors_answers_four_times_and_tabulates_the_other_pairs(tmp_path):
    config = config_of("config")
    names = (*PAIR, "UNI", "CONCH", "PHIKON")
    config["extractors"] = {name: config["extractors"][name] for name in PAIR}
    config["extractors"] |= {name: {"source": {"features": name}} for name in names[2:]}
    found = write_results(tmp_path / "five", extractors=names, genes=12, repeats=2)
    page = page_of(config, tmp_path, **{name: found[name] for name in found if name in FIVE})
    assert len(re.findall(r"<h3>expression: \S+ against ", page)) == 4
    assert page.count("<h3>expression: ") == 4
    assert page.count(f"against {names[0]}</h3>") == page.count(" against ")
    assert page.count('<td class="name">PHIKON − CONCH</td>') == 3  # one of each task
    assert "Every pair of extractors is compared in this way" in page
    assert '<th class="number">PHIKON</th>' in page
    for study in ("config", "demo"):
        two = config_of(study)
        two["extractors"] = {name: two["extractors"][name] for name in PAIR}
        page = page_of(two, tmp_path / study)
        assert "All extractors beside each other" not in page
        assert "Holm" not in page


def test_an_extractor_that_may_be_no_better_than_a_control_is_named(tmp_path):
    config = config_of("config")
    names = (*PAIR, "COLOUR")
    found = write_results(tmp_path / "three", extractors=names, genes=12, repeats=2)
    given = {name: found[name] for name in found if name in FIVE}
    pairs = read_table(found["pairs"], SCHEMAS["pairs"])
    with_control = pairs["extractor"] == "COLOUR"
    of_tissue, of_mutation = (pairs["task"] == task for task in ("tissue", "mutation"))
    pairs.loc[with_control, ["delta", "p_holm", "status"]] = [-0.1, 0.001, OK]
    pairs.loc[with_control & of_mutation, "delta"] = 0.1  # the control is better
    pairs.loc[with_control & of_tissue & (pairs["baseline"] == "FTX-2048"), "p_holm"] = 0.2
    given["pairs"] = written("pairs", pairs, tmp_path / "pairs.tsv")
    page = page_of(config, tmp_path, **given)
    assert page.index("Controls, which know nothing of tissue") < page.index("Limits")
    assert "tissue: IMGNET-2048 is better than COLOUR." in page
    assert "<b>tissue: FTX-2048 is not shown to be better than COLOUR.</b>" in page
    assert "expression: IMGNET-2048 and FTX-2048 are better than COLOUR." in page
    assert "mutation: IMGNET-2048 and FTX-2048 are not shown to be better than COLOUR." in page
    assert "COLOUR against IMGNET-2048" not in page  # its answers are not the study's
    assert "COLOUR (control)" in page
    assert "Does fine-tuning Xception on histology give better features than ImageNet’s?" in page
    assert "COLOUR: a control, the histograms of red, green and blue in a patch." in page


FIVE = ("answers", "comparison", "improved", "ranks", "pairs")


def test_an_external_validation_stands_beside_the_answers(tmp_path):
    config = config_of("demo")
    assert "External validation" not in page_of(config, tmp_path)
    config["cohorts"] = {"train": "TCGA", "test": "CPTAC"}
    left_out = [
        {"item": item, "what": "patient", **Reason(code).as_row()}
        for item, code in (("P1", "external_cohort"), ("P2", "other_cohort"))
    ]
    labels = {"mutation": written("excluded_labels", rows("excluded_labels", left_out),
                                  tmp_path / "any.tsv")}  # fmt: skip
    page = page_of(config, tmp_path, excluded_labels=labels)
    assert "External validation: trained in TCGA, tested in CPTAC" in page
    for task in ("expression", "mutation", "survival"):
        assert f"<b>{task}, FTX-2048 against IMGNET-2048.</b> In 50 patients of CPTAC: " in page
    assert "mutation: 1 patient is left out of the labels (1 × “is of neither cohort”)." in page
    assert "mutation, external validation: 1 target (EGFR): the external cohort has fewer" in page
    assert "was applied once to the patients of CPTAC" in page
    assert "that other training patients would have given other models is not in them" in page


def test_external_features_that_could_not_be_used_are_limits(tmp_path):
    used = [
        {"item": "s1", "n_patches": 9, "n_pooled": 9, "qc": "other patches"},
        {"item": "s2", "n_patches": 9, "n_pooled": 7, "qc": "applied"},
        {"item": "s3", "n_patches": 0, "n_pooled": 0, **Reason("no_feature_file").as_row()},
    ]
    table = rows("external", ({"what": "slide", **row} for row in used))
    config = config_of("demo")
    config["extractors"]["UNI"] = {"source": {"features": "data/uni"}}
    # The extractor's name is the key, whatever the file is called.
    path = written("external", table, tmp_path / "any.tsv")
    page = page_of(config, tmp_path, external={"UNI": path})
    assert "UNI: 1 of 3 slides is left out (1 × “has no feature file”)." in page
    assert "UNI: on 1 slide, its patches are not the tiles" in page
    assert "UNI: features per patch that another tool made." in page


class Balanced(HTMLParser):
    """Check that every tag is closed, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        """Note what is opened."""
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Check that what is closed was opened last."""
        assert self.open.pop() == tag


def test_the_first_screen_answers_each_task_in_a_sentence_with_its_interval_and_verdict(tmp_path):
    page = page_of(config_of("demo"), tmp_path)
    first = page[: page.index("<h2>Limits")]
    answers = read_tables({"answers": write_results(tmp_path, genes=12, repeats=2)["answers"]})
    whole = answers["answers"].query("scope == 'task'").to_dict("records")
    assert len(whole) == 3
    for row in whole:
        _, _, interval = difference(row)
        assert f"(95 % interval {interval})" in first
        assert verdict(row) in first
        assert in_short(row) in first
    assert "; 0.5 by chance." in first  # AUROC
    assert "; 0 by chance." in first  # Pearson r
    assert "; 11.1 % by chance." in first  # nine classes of equal size
    assert 'src="data:image/png;base64,UE5H"' in first
    for explained in ("interval", "Decided", "Undecided", "Equivalent", "Chance"):
        assert f"<b>{explained}</b>" in first


def test_the_checklist_has_every_item_and_says_of_each_what_is_known_or_left(tmp_path):
    page = page_of(config_of("demo"), tmp_path)
    items = read_table(tmp_path / "checklist.tsv", CHECKLIST).fillna("")
    numbers = [int(re.match(r"\d+", item)[0]) for item in items["item"]]
    assert sorted(set(numbers)) == list(range(1, 28))
    assert ((items["here"] != "") | (items["authors"] != "")).all()
    said = items.set_index("item")["here"]
    assert "tissue: classes; expression: numbers; mutation: two values" in said["8"]
    assert "5-fold cross-validation, 10 repeats; no patient is on both sides" in said["16"]
    assert "calibration" in said["23"]
    assert "tissue: 270 patches" in said["10"]
    assert said["17"] == said["19"] == ""  # ethics, patients: no workflow knows
    assert "The checklist TRIPOD+AI" in page
    config = config_of("config")
    config["cohorts"] = {"train": "TCGA", "test": "CPTAC"}
    config["crossval"]["group_by"] = "site"
    page_of(config, tmp_path)
    said = read_table(tmp_path / "checklist.tsv", CHECKLIST).set_index("item")["here"]
    assert "once in the cohort CPTAC; no tissue source site is on both sides" in said["16"]


@pytest.mark.parametrize(
    ("changed", "word", "said"),
    [
        ({"direction": BETTER, "relevance": RELEVANT}, "decided: better", "B is better than A: +2"),
        ({"direction": WORSE, "relevance": UNDECIDED}, "decided: worse", "B is worse than A"),
        ({"direction": UNDECIDED, "relevance": UNDECIDED}, "undecided", "Whether B is better than"),
        (
            {"direction": BETTER, "relevance": EQUIVALENT},
            "equivalent",
            "B and A do not differ by an amount that matters: +2.0 points (95 % interval +1.0 to",
        ),
        ({"direction": UNTESTED}, "not tested", "Neither B nor A predicts it better"),
        (
            {"direction": NOT_ESTIMABLE, "why": "ceiling"},
            "not estimable",
            "B and A cannot be compared: both extractors are right about every sample",
        ),
    ],
)
def test_every_answer_has_a_verdict_and_a_short_sentence(changed, word, said):
    row = {
        "extractor": "B", "baseline": "A", "metric": "accuracy", "delta": 0.02, "ci_low": 0.01,
        "ci_high": 0.03, "relevance": "", **changed,
    }  # fmt: skip
    assert verdict(row) == word
    assert said in in_short(row)


def test_the_page_answers_first_under_the_gravest_limits_and_then_says_what_limits_it(tmp_path):
    page = page_of(config_of("demo"), tmp_path, random_weights=True)
    Balanced(page)
    answer, limits = page.index("The answer, task by task"), page.index("Limits")
    assert page.index("The data are simulated. The network started from random weights") < answer
    assert answer < page.index("tissue: FTX-2048 against IMGNET-2048") < limits
    comparison = page.index("The comparison, task by task")
    for text in (
        "The slides are painted",
        "1 of 54 slides is excluded",
        "mutation: 1 target is not estimable (EGFR): fewer than two folds have a score.",
        "mutation: 1 target is left out of the labels (1 × “has the same value for every",
    ):
        assert limits < page.index(text) < comparison
    assert 'class="red"' in page


def test_targets_that_were_not_compared_are_limits(tmp_path):
    found = [
        {"target": "TP53"},
        {"target": "KRAS", "status": UNTESTED},
        {"target": "NF1", "status": UNTESTED},
        {"target": "EGFR", "baseline_mean": 1.0, "status": NOT_ESTIMABLE},
    ]
    compared_ = {"comparison": compared(found), "improved": rows("improved", [])}
    answers = answer_questions(compared_, patch_tasks=["tissue"], runs={}, alpha=0.05, rope=0.01)
    path = written("answers", answers, tmp_path / "answers.tsv")
    page = page_of(config_of("config"), tmp_path, answers=path)
    for text in (
        "mutation: 2 targets are not predicted better than chance, so no difference is tested "
        "(KRAS, NF1).",
        "mutation: 1 target is not estimable (EGFR): both extractors are right about every sample",
    ):
        assert text in page[page.index("Limits") :]


@pytest.mark.parametrize(
    ("seeds", "said"),
    [([1], "conditional on one fine-tuning run"), ([1, 2, 3], "the mean of 3 fine-tuning runs")],
)
def test_the_page_says_whether_intervals_hold_the_variance_between_seeds(seeds, said, tmp_path):
    config = deepcopy(config_of("config"))
    config["finetune"]["seeds"] = seeds
    assert said in page_of(config, tmp_path)
    said = str(list(methods(config, False, slides=True)))
    assert ("variance between runs" in said) == (len(seeds) > 1)


def test_of_many_targets_the_page_lists_the_surest_and_counts_the_rest(tmp_path):
    paths = write_results(tmp_path / "many", genes=TARGETS_SHOWN + 7)
    page = page_of(config_of("demo"), tmp_path, answers=paths["answers"])
    answers = read_tables({"answers": paths["answers"]})["answers"]
    genes = answers[(answers["task"] == "expression") & (answers["scope"] == TARGET)]
    shown = page[: page.index("Limits")]
    listed_ones = [gene for gene in genes["target"] if f'<td class="name">{gene}</td>' in shown]
    surest = genes.sort_values("q_bh", kind="stable")["target"][:TARGETS_SHOWN]
    assert set(listed_ones) == set(surest)
    assert "7 more, of a larger q, in tables/answers.tsv" in page


def test_only_the_published_study_shows_the_published_claims(tmp_path):
    published = page_of(config_of("config"), tmp_path / "published")
    assert "The published claims" in published
    # What bars many claims is said once.
    for said in ("7 claims: partial data (270 of 7,180 patches)", "8 claims: partial data (54 of"):
        assert published.count(f"Not comparable, {said}") == 1
        assert published.count(said.partition(": ")[2]) == 1
    own = page_of(config_of("config") | {"study": "my-cohort"}, tmp_path / "own")
    simulated = page_of(config_of("demo"), tmp_path / "simulated")
    for page in (own, simulated):
        assert "The published claims" not in page
        assert "not comparable" not in page
        assert "STK11 is predicted better" not in page
    assert "so its claims are not judged" in own


def test_patches_that_look_like_those_of_fine_tuning_are_a_limit(tmp_path):
    counted = {
        "dataset": "VAL",
        "trained_on": "NCT",
        "n": 7180,
        "n_trained_on": 100000,
        "n_near": 12,
    }
    none = {**counted, "dataset": "OTHER", "n_near": 0}
    path = written("near_duplicates", rows("near_duplicates", [counted, none]), tmp_path / "n.tsv")
    page = page_of(config_of("config"), tmp_path, near_duplicates=path)
    assert "VAL: 12 of 7,180 patches look like one of NCT" in page
    assert "OTHER: " not in page


def test_choices_at_the_edges_of_grids_are_a_limit_where_they_are_frequent(tmp_path):
    searched = {
        "task": "expression", "extractor": "A", "predictor": "pls", "parameter": "n_components",
        "n": 100, "n_lowest": 4, "n_highest": 17,
    }  # fmt: skip
    tables = [searched, {**searched, "n_highest": 3}, {**TUNED, "n_lower_limit": 49}]
    path = written("tuning", rows("tuning", tables), tmp_path / "t.tsv")
    config = config_of("config")
    page = page_of(config, tmp_path)
    assert "mutation, FTX-2048: 61 of 250 fits chose the least or greatest C that makes a" in page
    page = page_of(config, tmp_path, tuning=path)
    assert "expression, A: 21 of 100 fits chose an end of the grid of n_components" in page
    assert page.count("(tables/tuning.tsv)") == 1


def test_patches_without_patients_are_a_limit(tmp_path):
    said = "the patches of CRC-VAL-HE-7K do not name their patient"
    config = config_of("config")
    assert said in page_of(config, tmp_path)
    named = {"item": "case", "what": "column", **Reason("patients_named").as_row()}
    left_out = {"item": "A/1.png", "what": "patch", **Reason("no_features", "UNI").as_row()}
    path = written(
        "excluded_labels", rows("excluded_labels", [named, left_out]), tmp_path / "l.tsv"
    )
    page = page_of(config, tmp_path, excluded_labels={"tissue": path})
    assert said not in page
    assert "tissue: the patients of patches are in “case”." in page
    assert "tissue: 1 patch is left out of the labels (1 × “has no features”)." in page


def test_patches_that_another_tool_lacks_are_a_limit(tmp_path):
    lacking = {"item": "A/2.png", "what": "patch", **Reason("no_feature_row").as_row()}
    more = {"item": "T.h5", "what": "file", **Reason("not_in_dataset", "x, y").as_row()}
    table = rows("external_patches", [{"item": "A/1.png", "what": "patch"}, lacking, more])
    path = written("external_patches", table, tmp_path / "any.tsv")
    config = config_of("config")
    page = page_of(config, tmp_path, external_patches={"UNI": {"CRC-VAL-HE-7K": path}})
    assert "UNI, CRC-VAL-HE-7K: 1 of 2 patches is left out (1 × “has no row" in page
    assert "T.h5 holds patches that the dataset does not have, which do not count (x, y)." in page


def test_extractors_that_are_not_compared_in_a_task_are_a_limit(tmp_path):
    page = page_of(config_of("config"), tmp_path, left_out=["tissue: T is not compared."])
    assert "tissue: T is not compared." in page


def test_what_was_taken_on_trust_of_the_slides_is_a_limit():
    qc = pd.DataFrame(
        {
            "mpp_source": ["sheet", "header", "sheet", "sheet"],
            "unreadable": [0, 2, 3, 9],
            "stain_degenerate": [1, 0, 0, np.nan],
            "levels_passed_over": ["", "level 1 (9 × 9 px): …", None, "level 1 (9 × 9 px): …"],
            "other_pictures": ["page 2 (9 × 9 px)", "", "page 2 (9 × 9 px)", None],
            "scale_doubts": ["", "a 20× objective", None, None],
            "n_patches": [10, 10, 10, 0],
        }
    )
    assert list(taken_on_trust(qc)) == [
        "The scale of 2 slides comes from the slide sheet, not from the header.",
        "1 slide has levels that differ from the full picture and are not used (tables/qc.tsv).",
        "2 slides hold further pictures, which are not used (tables/qc.tsv).",
        "1 slide has a scale that the objective or the nuclei contradict (tables/qc.tsv).",
        "5 tiles were skipped as unreadable, on 2 slides.",
        "The stain of 1 slide could not be estimated and was not normalised.",
    ]
    assert list(taken_on_trust(qc.iloc[3:])) == []


def test_what_is_kept_under_another_name_is_not_called_left_out(tmp_path):
    changed = [
        {"item": f"G{i}", "what": "target", **Reason(code).as_row()}
        for i, code in enumerate(("earlier_symbol", "no_number", "no_number", "rows_summed"))
    ]
    path = written("excluded_labels", rows("excluded_labels", changed), tmp_path / "excluded.tsv")
    page = page_of(config_of("config"), tmp_path, excluded_labels={"genes": path})
    assert "genes: 2 targets are left out of the labels (2 × “has no number in" in page


def test_a_clean_published_study_has_no_red_line(tmp_path):
    page = page_of(config_of("config"), tmp_path)
    assert 'class="red"' not in page
    assert "simulated" not in page


def test_the_page_needs_no_other_file_and_is_the_same_twice(tmp_path):
    once = page_of(config_of("config"), tmp_path)
    assert not re.search(r"<script|<link|src=\"(?!data:)|url\(|@import", once)
    assert (TEMPLATES / "style.css").read_text(encoding="utf-8") in once
    assert once == page_of(config_of("config"), tmp_path)


def test_markup_in_a_reason_stays_text(tmp_path):
    reason = Reason("slide_unreadable", "<b>&cut off", "Copy the slide again")
    excluded = rows("excluded_slides", [{"slide": "<i>", "patient": "P", **reason.as_row()}])
    path = written("excluded_slides", excluded, tmp_path / "excluded.tsv")
    page = page_of(config_of("demo"), tmp_path, excluded_slides=path)
    assert "(&lt;b&gt;&amp;cut off). Copy the slide again." in page
    assert "&lt;i&gt;" in page
    assert "<b>&cut" not in page
    Balanced(page)


def test_of_many_excluded_slides_the_page_lists_some_and_counts_the_rest(tmp_path):
    reason = Reason("no_tissue").as_row()
    excluded = rows("excluded_slides", ({"slide": f"S{i}", **reason} for i in range(23)))
    path = written("excluded_slides", excluded, tmp_path / "excluded.tsv")
    page = page_of(config_of("demo"), tmp_path, excluded_slides=path)
    assert "S19" in page
    assert "S20" not in page
    assert "3 more in tables/excluded_slides.tsv" in page


def test_a_study_without_results_still_makes_a_page(tmp_path):
    paths = write_results(tmp_path)
    names = ("answers", "comparison", "improved", "cohort", "qc", "excluded_slides")
    page = page_of(
        config_of("demo"), tmp_path, **{**emptied(paths, tmp_path, *names), "excluded_labels": {}}
    )
    Balanced(page)
    assert page.count("Nothing to show.") == 2


def test_numbers_and_verbs_agree():
    assert count(1, "slide", " is", " are") == "1 slide is"
    assert count(2000, "slide", " is", " are") == "2,000 slides are"
    assert count(3, "patch") == "3 patches"
    assert share(1, 54, "slide", "is", "are") == "1 of 54 slides is"
    assert share(2, 2, "slide", "is", "are") == "2 of 2 slides are"
    assert joined(["a"]) == "a"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"


def test_each_choice_is_the_papers_or_ours():
    found = {name: whose for name, _, whose in choices(config_of("config"))}
    assert found["cross-validation"] == PAPER
    assert found["patches"] == OURS
    assert set(found.values()) == {PAPER, OURS}


def test_a_changed_template_changes_the_digest(tmp_path):
    files = [tmp_path / path.name for path in TEMPLATES.iterdir()]
    for file in files:
        file.write_bytes((TEMPLATES / file.name).read_bytes())
    before = files_digest(TEMPLATES.iterdir())
    assert files_digest(reversed(files)) == before
    for file in files:
        text = file.read_bytes()
        file.write_bytes(text + b" ")
        assert files_digest(files) != before
        file.write_bytes(text)


def test_the_summary_is_written_again_when_a_template_changes():
    rule = (ROOT / "workflow/rules/report.smk").read_text().split("rule write_summary:")[1]
    folder = TEMPLATES.relative_to(ROOT / "workflow/scripts")
    assert f'files_digest((SCRIPTS / "{folder.as_posix()}").iterdir())' in rule


def test_no_html_is_left_in_the_library():
    for path in TEMPLATES.parent.glob("*.py"):
        assert not re.search(r"</?[a-z][^>]*>", path.read_text(encoding="utf-8")), path.name


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
        (("crossval", "group_by"), "site", "All patients of a TCGA tissue source site"),
        (("finetune", "augment", "flips_and_rotations"), False, "patches were changed in stain"),
        (("finetune", "anchor"), 0.5, "held, with weight 0.5"),
        (("finetune", "step2", "lr_schedule"), "none", "Adam 0.0003, at most"),
        (("tasks", "tissue", "C"), 0.5, "C = 0.5"),
        (("statistics", "rope"), 0.02, "±0.02"),
        (("tasks", "tissue", "dataset"), "OTHER-SET", "classes of OTHER-SET"),
        (("seed",), 42, "the seed 42"),
        (
            ("extractors", "BOTH"),
            {"source": {"concat": ["IMGNET-2048", "FTX-2048"]}},
            "BOTH: the features of IMGNET-2048 and FTX-2048 side by side.",
        ),
        (
            ("covariates",),
            "data/clinical.csv",
            "beside each extractor’s features (IMGNET-2048+covariates and FTX-2048+covariates)",
        ),
    ],
)
def test_the_methods_say_what_the_config_says(keys, value, said):
    config = deepcopy(config_of("config"))
    *path, last = keys
    entry = config
    for key in path:
        entry = entry[key]
    assert said not in str(list(methods(config, False, slides=True)))
    entry[last] = value
    assert said in str(list(methods(config, False, slides=True)))


def test_one_extractor_is_asked_about_beside_covariates(tmp_path):
    config = deepcopy(config_of("config")) | {"study": "mine", "covariates": "data/clinical.csv"}
    config["extractors"] = {"IMGNET-2048": {"source": "imagenet"}}
    page = page_of(config, tmp_path)
    assert "Do the features of IMGNET-2048 tell more than clinical covariates?" in page


def test_every_result_has_a_caption_and_every_caption_a_result():
    tables = {f"{name}_table" for name in CATALOGUED}
    pages = {"workflow", "summary", "paper"}
    assert {path.stem for path in CAPTIONS} == {*FIGURES, *tables, *pages}


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", ["config", "demo"])
def test_each_caption_renders_with_each_config(caption, name, capsys):
    template = Environment(undefined=StrictUndefined, autoescape=True).from_string(
        caption.read_text(encoding="utf-8")
    )
    text = template.render(snakemake=SimpleNamespace(config=config_of(name)))
    settings = {"halt_level": 2, "report_level": 2}
    publish_parts(text, writer="html", settings_overrides=settings)
    assert ("imulated" in text) == (name == "demo" or caption.stem == "truth")
    assert "{" not in text


def test_sections_of_sites_curves_and_patients_stand_where_there_are_such_tables(tmp_path):
    config = config_of("config")
    audit = rows(
        "site_audit",
        [
            {
                **{"extractor": "FTX-2048", "quantity": "site, accuracy", "n": 400, "n_sites": 12},
                **{"value": 0.61, "ci_low": 0.55, "ci_high": 0.67, "chance": 0.2, "status": OK},
            }
        ],
    )
    splits = rows(
        "site_splits",
        [
            {
                **{"task": "mutation", "scope": "task", "extractor": "FTX-2048", "delta": 0.05},
                **{"grouped_by": by, "mean": mean, "delta_low": 0.01, "delta_high": 0.09},
            }
            for by, mean in (("patient", 0.712), ("site", 0.634))
        ],
    )
    patients = rows(
        "table1",
        [
            {
                **{"population": "all patients", "variable": "age", "n_patients": 400, "n": 390},
                **{"missing": 10, "median": 66, "q1": 58, "q3": 72},
            }
        ],
    )
    found = write_results(tmp_path / "three", genes=12, repeats=2)
    given = {name: found[name] for name in ("learning_curves", "permuted")}
    given |= {
        name: written(name, table, tmp_path / f"{name}.tsv")
        for name, table in {
            "site_audit": audit, "site_splits": splits, "table1": patients
        }.items()
    }  # fmt: skip
    page = page_of(config, tmp_path, **given)
    told = (
        "Features tell 12 sites with this accuracy: FTX-2048 61 %; the largest site alone is 20 %"
    )
    assert told in page
    for shown in (
        "66 (58 to 72)",
        "0.610 (0.550 to 0.670)",
        "0.712",
        "0.634",
        "With shuffled labels",
    ):
        assert shown in page, shown
    kept = {**config, "crossval": {**config["crossval"], "group_by": "site"}}
    assert "Splits ignore" not in page_of(kept, tmp_path, **given)
    without = page_of(config, tmp_path)
    assert "Splits ignore" not in without
    assert "With shuffled labels" not in without


def test_the_study_s_alternatives_are_told_and_those_of_an_earlier_study_marked(tmp_path):
    config, found = config_of("config"), write_results(tmp_path, genes=12, repeats=2)
    page = page_of(config, tmp_path, robustness=found["robustness"])
    told = "<b>expression, FTX-2048 against IMGNET-2048</b>: of 4 analyses, ahead in 4 (decided in"
    assert told in page
    assert "qc.apply: false" in page
    assert "changed since" not in page
    earlier = read_table(found["robustness"], SCHEMAS["robustness"])
    earlier["delta"] += 0.001
    path = written("robustness", earlier, tmp_path / "earlier.tsv")
    assert "The study has changed since its alternatives" in page_of(
        config, tmp_path, robustness=path
    )
    assert "Under alternatives" not in page_of(config, tmp_path)
