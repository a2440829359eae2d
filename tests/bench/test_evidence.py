"""The claim itself, on real patches: fine-tuned features beat those off the shelf."""

from __future__ import annotations

import pytest
import yaml

import evidence
from histotransfer.models import initial_weights
from support.root import ROOT


@pytest.mark.long
def test_fine_tuned_features_beat_those_off_the_shelf_on_patches_held_out(realdata, tmp_path):
    """ImageNet's weights, 480 patches to fine-tune on, 320 others to compare on."""
    start = ROOT / "resources/xception_imagenet.h5"
    if not start.exists():
        initial_weights.fetch(start, source="auto", seed=0)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    params = config["finetune"]
    base, tuned, difference = evidence.evaluate(
        realdata / "patches/colorectal5_224",
        start,
        tmp_path,
        split=0,
        seed=params.pop("seeds")[0],
        params=params,
    )
    assert base > 0.6  # chance is 0.2
    assert tuned - base == pytest.approx(difference.delta)
    assert difference.ci_low > 0


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
