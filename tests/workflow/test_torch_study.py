"""A study of networks of PyTorch, run whole: weights of a hub and a TorchScript file on patches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from support.loopback_hub import REVISION, Hub, serving
from support.slides import tissue
from support.study import Study
from support.torch_networks import VIT, require_torch, save_network


def config() -> dict[str, Any]:
    network = {"timm": "hf-hub:owner/net", "revision": REVISION, "pooling": "cls+mean"}
    return {
        "study": "networks of PyTorch",
        "extractors": {"VIT": network, "OWN": "data/own.pt"},
        "datasets": {"TEST": "data/test"},
        "tasks": {"tissue": {"kind": "multiclass", "dataset": "TEST"}},
        "network": {"gpu": False, "batch_size": 8},
        "tiling": {"patch_px": 71, "stride_px": 71},
        "crossval": {"folds": 4, "repeats": 2},
    }


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study(tmp_path / "study")
    for label, number in ((label, number) for label in "AB" for number in range(12)):
        path = study.folder / f"data/test/{label}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tissue(71, 71, number) // (1 + "AB".index(label))).save(path)
    study.environment |= {"HF_HOME": str(tmp_path / "hub")}
    study.environment.pop("HF_HUB_OFFLINE", None)
    study.environment.pop("KERAS_BACKEND", None)  # the jobs choose it themselves
    return study


def test_the_plan_needs_no_pytorch(study: Study) -> None:
    (study.folder / "data/own.pt").touch()
    jobs = study.plan("--configfile", study.configure("torch.yaml", config()))
    assert jobs["admit_timm"] == jobs["admit_torchscript"] == 1
    assert jobs["extract_batch"] == 2
    assert not {"fetch_weights", "admit_model", "build_imagenet"} & jobs.keys()


@pytest.mark.slow
def test_a_study_of_networks_of_pytorch_is_compared(study: Study, tmp_path: Path) -> None:
    require_torch()
    import torch

    save_network(tmp_path / "vit", "vit_tiny_patch16_224", **VIT)
    files = {path.name: path.read_bytes() for path in (tmp_path / "vit").iterdir()}
    files["README.md"] = b"---\nlicense: cc-by-nc-nd-4.0\n---\n"

    class Own(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.float().mean(dim=(1, 2)) / 255

    torch.jit.script(Own()).save(str(study.folder / "data/own.pt"))
    named = study.configure("torch.yaml", config())
    targets = ["results/tables/comparison.tsv", "results/models/VIT.card.md"]
    with serving(Hub("owner/net", files, token="hf_secret")) as hub:  # noqa: S106
        study.environment |= {"HF_ENDPOINT": hub.address, "HF_TOKEN": "hf_secret"}
        study.run(*targets, "--configfile", named)
        assert sorted(hub.asked) == sorted(files)  # each once: the other jobs are offline
    results = study.folder / "results"
    comparison = pd.read_csv(results / "tables/comparison.tsv", sep="\t")
    assert set(comparison["task"]) == {"tissue"}
    with h5py.File(results / "features/VIT/TEST.h5") as file:
        assert file["features"].shape == (24, 384)
        assert np.isfinite(file["features"][:]).all()
        assert file.attrs["backend"] == "torch"
    card = (results / "models/VIT.card.md").read_text()
    assert REVISION in card
    assert "cc-by-nc-nd-4.0" in card
    written = [p for p in results.rglob("*") if p.is_file() and b"hf_secret" in p.read_bytes()]
    assert not written
    assert not study.plan(*targets, "--configfile", named)
