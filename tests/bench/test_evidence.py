"""The claim itself: fine-tuned features are better in their organ, and not worse in others."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

import evidence
from histotransfer.models import initial_weights
from histotransfer.study.parameters import FineTuningParameters
from support.benches import run_bench
from support.networks import PX, RECIPE
from support.root import ROOT


@pytest.mark.long
def test_the_default_recipe_gains_in_its_organ_and_loses_in_no_other(realdata, tmp_path):
    """ImageNet's weights, 480 patches to fine-tune on, 320 others and two organs to judge by."""
    start = ROOT / "resources/xception_imagenet.h5"
    if not start.exists():  # another test may be fetching it right now
        start = tmp_path / "imagenet.h5"
        initial_weights.fetch(start, source="auto", seed=0)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())["finetune"]
    run = evidence.Evidence(
        tmp_path, FineTuningParameters.of(config), start, px=224, seed=config["seeds"][0]
    )
    sets = yaml.safe_load((ROOT / "bench/evidence.yaml").read_text())
    rows = evidence.evaluate(realdata / "patches", sets, run, split=0, repeats=10, draws=20)
    found = {(name, protocol): difference for name, protocol, difference, _ in rows}
    assert found["colorectal", "probe"].value > 0.05
    assert found["colorectal", "cv"].low > 0
    assert found["lung", "few-10"].low > 0
    assert min(found[organ, "cv"].value for organ in ("lung", "breast")) > -0.02


@pytest.mark.slow
def test_the_bench_prints_a_row_for_each_set_and_protocol(weights_path, tmp_path):
    """Painted patches of two classes, random weights, one epoch a step."""
    rng = np.random.default_rng(1)
    for folder in ("own", "other"):
        for name, colour in (("A", (200, 120, 160)), ("B", (120, 160, 200))):
            (tmp_path / folder / name).mkdir(parents=True)
            for number in range(15):
                image = np.clip(colour + rng.normal(0, 30, (PX, PX, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(image).save(tmp_path / folder / name / f"{number}.png")
    sets = {
        "fine_tuning": {"name": "gut", "folder": "own"},
        "other_organs": [{"name": "lung", "folder": "other"}],
    }
    recipe = RECIPE.as_params()
    recipe["step1"]["epochs"] = recipe["step2"]["epochs"] = 1
    (tmp_path / "sets.yaml").write_text(yaml.safe_dump(sets))
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"finetune": {"seeds": [3], **recipe}}))
    arguments = (
        "evidence", str(tmp_path), "--config", str(config), "--sets", str(tmp_path / "sets.yaml"),
        "--weights", str(weights_path), "--work", str(tmp_path / "work"), "--px", str(PX),
        "--repeats", "2", "--draws", "3", "--threads", "1",
    )  # fmt: skip
    printed = [line for line in run_bench(*arguments).splitlines() if line.startswith("evidence")]
    assert [line.split()[1:3] for line in printed if " cv " not in line] == [
        ["gut", "probe"], ["gut", "few-2"], ["lung", "few-2"], ["lung", "few-5"], ["lung", "few-10"]
    ]  # fmt: skip
    number = r"[+-]\d\.\d{3}"
    for line in printed:
        assert re.fullmatch(
            rf"evidence \w+ [\w-]+ {number} {number} {number} target -?[\d.]+", line
        )


def test_the_held_out_part_is_forty_per_cent_of_each_class_and_shares_no_patch():
    table = pd.DataFrame({"class": ["A"] * 10 + ["B"] * 5}).reset_index(names="patch")
    training, held_out = evidence.hold_out(table, 3)
    assert sorted([*training["patch"], *held_out["patch"]]) == list(range(15))
    assert held_out["class"].value_counts().to_dict() == {"A": 4, "B": 2}


def test_the_interval_holds_the_gain_of_grouped_patches():
    """400 simulated sets of 40 groups of 5 patches that vary together, seen in 8 draws."""
    held, rng = 0, np.random.default_rng(2)
    groups = np.repeat(np.arange(40), 5)
    for _ in range(400):
        of_patch = 0.05 + rng.normal(0, 0.2, 40)[groups] + rng.normal(0, 0.2, 200)
        gains = of_patch + rng.normal(0, 0.02, (8, 1)) + rng.normal(0, 0.3, (8, 200))
        gains[rng.random(gains.shape) < 0.1] = np.nan
        found = evidence.interval(gains, groups)
        held += found.low <= 0.05 <= found.high
    assert 0.92 < held / 400 < 0.98


def test_few_shots_train_on_so_many_patches_and_test_on_other_groups():
    rng = np.random.default_rng(0)
    labels, groups = np.repeat([0, 1], 30), np.arange(60) // 3
    signal = labels[:, None] + rng.normal(0, 1, (60, 8))
    same = evidence.Features(
        dict.fromkeys((evidence.OFF_THE_SHELF, evidence.FINE_TUNED), signal), labels, groups
    )
    chosen = evidence._draw(same, 5, rng)
    assert np.bincount(labels[chosen]).tolist() == [5, 5]
    assert len(np.unique(groups[chosen])) == 4  # whole groups, as far as they go
    found = evidence.few_shot(same, 5, 3, 0)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert evidence.few_shot(same, 25, 3, 0) is None
