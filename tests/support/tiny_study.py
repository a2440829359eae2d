"""The smallest study that goes through nearly all of the real workflow: no network, no TensorFlow.

Slides of 256 × 256 px are tiled, extracted and judged; external features, a folder and a table, are
pooled and compared on expression and mutation.
"""

from __future__ import annotations

import shutil
from copy import copy
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from histotransfer.core.tables import write_table
from support.slides import tissue, write_slide
from support.study import Study

RESULTS = "results/tiny"
PATIENTS = 6
TABLES = ("comparison", "related_genes", "improved", "confusion", "mutation", "metrics", "answers")
TABLES += ("qc", "excluded_slides", "cohort")
TARGETS = [f"{RESULTS}/tables/{name}.tsv" for name in TABLES]


class Tiny(Study):
    """A folder with the study's data and config."""

    def __init__(self, folder: Path, patients: int = PATIENTS) -> None:
        super().__init__(folder)
        (folder / "resources").unlink()  # no weights are needed
        self.write_data(patients)
        self.configuration = self.configure("tiny.yaml", self.tiny_config())

    @property
    def results(self) -> Path:
        """The study's results."""
        return self.folder / RESULTS

    def write_data(self, count: int) -> None:
        """Write slides, the sheet, features and labels."""
        data = self.folder / "data"
        for name in ("slides", "features", "none"):
            (data / name).mkdir(parents=True)
        rng = np.random.default_rng(4)
        patients = [f"P{number:02d}" for number in range(count)]
        rows = ["slide\tpatient\tpath"]
        for number, patient in enumerate(patients):
            write_slide(data / f"slides/{number}.svs", tissue(256, 256, number))
            rows.append(f"S{number:02d}\t{patient}\tdata/slides/{number}.svs")
            with h5py.File(data / f"features/S{number:02d}.h5", "w") as file:
                file["features"] = rng.normal(size=(5, 8)).astype(np.float32)
                file["coords"] = rng.integers(0, 99, (5, 2))
        (self.folder / "config/slides.tsv").write_text("\n".join(rows) + "\n")
        ids = pd.Series(patients, name="patient")
        for name, values in {
            "clinical": rng.normal(size=(count, 5)),
            "expression": rng.uniform(1, 9, (count, 3)),
            "mutation": rng.permuted(np.tile([[0], [1]], (count // 2, 2)), axis=0),
        }.items():
            columns = pd.DataFrame(values, columns=[f"G{i}" for i in range(values.shape[1])])
            write_table(pd.concat([ids, columns], axis=1), data / f"{name}.tsv")

    def tiny_config(self) -> dict[str, Any]:
        """Return the config."""
        config = self.config("demo.yaml")
        del config["simulate"], config["site_column"], config["tasks"]["tissue"]
        config |= {
            "study": "tiny",
            "results": RESULTS,
            "slides": "config/slides.tsv",
            "datasets": {"none": {"path": "data/none"}},
            "extractors": {
                "FOLDER": {"source": {"features": "data/features"}},
                "TABLE": {"source": {"table": "data/clinical.tsv"}},
            },
        }
        config["stain"] |= {"method": "none", "reference": "none"}
        config["finetune"]["dataset"] = "none"
        config["tiling"] |= {"patch_px": 96, "stride_px": 96, "target_mpp": 0.5}
        config["crossval"] |= {"folds": 4, "repeats": 2, "repeats_per_job": 1}
        for name, key in (("expression", "alphas"), ("mutation", "C")):
            config["tasks"][name] |= {"labels": f"data/{name}.tsv", key: [1.0, 100.0]}
        return config

    def arguments(self, *targets: str) -> list[str]:
        """Return the targets (all tables by default) and the config."""
        return [*(targets or TARGETS), "--configfile", self.configuration]

    def tables(self) -> dict[str, bytes]:
        """Return the bytes of every final table that is there."""
        return {
            path.name: path.read_bytes() for path in sorted((self.results / "tables").glob("*.tsv"))
        }

    def leftovers(self) -> list[Path]:
        """Return the temporary files below the results."""
        return sorted(self.results.rglob(".*.partial*"))

    def copy(self, folder: Path) -> Tiny:
        """Copy the study with all its results, and Snakemake's memory of them."""
        shutil.copytree(self.folder, folder, symlinks=True)
        twin = copy(self)
        twin.folder = folder
        twin.configuration = str(folder / "config/tiny.yaml")
        return twin
