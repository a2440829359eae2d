"""The claim itself, on real patches: fine-tuned features beat those off the shelf."""

from __future__ import annotations

import re

import numpy as np
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
def test_fine_tuned_features_beat_those_off_the_shelf_on_patches_held_out(realdata, tmp_path):
    """ImageNet's weights, 480 patches to fine-tune on, 320 others to compare on."""
    start = ROOT / "resources/xception_imagenet.h5"
    if not start.exists():
        initial_weights.fetch(start, source="auto", seed=0)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())["finetune"]
    found = evidence.evaluate(
        realdata / "patches/colorectal5_224",
        start,
        tmp_path,
        split=0,
        seed=config["seeds"][0],
        recipe=FineTuningParameters.of(config),
    )
    assert found["baseline_mean"] > 0.6  # chance is 0.2
    assert found["ci_low"] > 0


@pytest.mark.slow
def test_the_bench_compares_both_feature_sets_on_the_held_out_patches(weights_path, tmp_path):
    """Two classes of painted patches, random weights, one epoch a step."""
    rng = np.random.default_rng(1)
    for name, colour in (("A", (200, 120, 160)), ("B", (120, 160, 200))):
        (tmp_path / "patches" / name).mkdir(parents=True)
        for number in range(15):
            image = np.clip(colour + rng.normal(0, 30, (PX, PX, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(image).save(tmp_path / "patches" / name / f"{number}.png")
    recipe = RECIPE.as_params()
    recipe["step1"]["epochs"] = recipe["step2"]["epochs"] = 1
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"finetune": {"seeds": [3], **recipe}}))
    printed = run_bench(
        "evidence", str(tmp_path / "patches"), "--config", str(config), "--weights",
        str(weights_path), "--splits", "0", "--px", str(PX), "--repeats", "2", "--threads", "1",
    )  # fmt: skip
    assert re.findall(r"^ +([12]) +([01]) ", printed, re.MULTILINE) == [
        ("1", "0"), ("1", "1"), ("2", "0"), ("2", "1"),
    ]  # fmt: skip
    line = printed.splitlines()[-1]
    assert re.fullmatch(
        r"split 0: off the shelf [01]\.\d{3}, fine-tuned [01]\.\d{3}, difference [+-]\d\.\d{3}, "
        r"(95 % interval [+-]\d\.\d{3} to [+-]\d\.\d{3}|not estimable)",
        line,
    ), line


def test_the_held_out_part_is_forty_per_cent_of_each_class_and_shares_no_patch(tmp_path):
    for name, count in (("A", 10), ("B", 5)):
        (tmp_path / "all" / name).mkdir(parents=True)
        for number in range(count):
            (tmp_path / "all" / name / f"{number}.png").touch()
    evidence.hold_out(tmp_path / "all", tmp_path, 3)
    found = {
        part: {(path.parent.name, path.name) for path in (tmp_path / part).rglob("*.png")}
        for part in ("training", "evaluation")
    }
    assert not found["training"] & found["evaluation"]
    assert len(found["training"] | found["evaluation"]) == 15
    assert sorted(name for name, _ in found["evaluation"]) == ["A"] * 4 + ["B"] * 2
