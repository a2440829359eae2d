"""What models say of themselves, without the library that runs them."""

from __future__ import annotations

import importlib.util
import json
import os
import zipfile
from pathlib import Path

import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.models.model_files import choose_library, metadata, require_torch
from histotransfer.models.timm_recipes import RECIPES, recipe_of
from support.errors import assert_clear
from support.root import ROOT


def test_the_description_is_read_without_a_library(tmp_path: Path) -> None:
    said = {"output_width": 7}
    header = json.dumps({"__metadata__": {"histotransfer": json.dumps(said)}}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    for name, member in (("b.keras", "metadata.json"), ("c.pt", "c/extra/metadata.json")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("config.json", "{}")
            archive.writestr(member, json.dumps(said))
    for name in ("a.safetensors", "b.keras", "c.pt"):
        assert metadata(tmp_path / name) == said


@pytest.mark.parametrize(
    ("missing", "named"),
    [({"torch"}, "torch is not"), ({"torch", "timm"}, "torch, timm are not")],
)
def test_a_missing_library_is_one_sentence(
    missing: set[str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else name)
    with pytest.raises(HistotransferError) as caught:
        choose_library("results/models/UNI.safetensors")
    assert_clear(caught.value, "UNI.safetensors", f"{named} installed", "--use-conda")
    with pytest.raises(HistotransferError):
        require_torch("extractors.UNI")


def test_a_network_of_keras_chooses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    choose_library("results/models/X.keras")
    assert "KERAS_BACKEND" not in os.environ


def test_each_recipe_is_in_the_table_of_models() -> None:
    page = (ROOT / "docs/networks.md").read_text().lower()
    for repository, recipe in RECIPES.items():
        row = next(line for line in page.splitlines() if f"huggingface.co/{repository})" in line)
        assert f"| `{recipe.pooling}` |" in row
    assert recipe_of("MahmoodLab/UNI") is RECIPES["mahmoodlab/uni"]
    assert not recipe_of("timm/resnet50.a1_in1k").arguments
