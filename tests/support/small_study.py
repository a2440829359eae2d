"""A study of a few small slides, for the tests that run it in several ways."""

from __future__ import annotations

import shutil
from copy import copy
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from support.slides import tissue, write_slide
from support.study import Study

SLIDES = [f"S{number}" for number in range(4)]
SPARE = "S9"  # a slide, with labels, that is not in the sheet
GENES = ["CD8A", "CXCL9", "IFNG", "GZMB"]
MUTATED = ["TP53", "KRAS"]


class SmallStudy(Study):
    """Four slides of 256 px, a network and a table of features, expression and mutation."""

    def __init__(self, folder: Path, resources: Path) -> None:
        super().__init__(folder, resources)
        rng = np.random.default_rng(7)
        (folder / "data/slides").mkdir(parents=True)
        for number, slide in enumerate([*SLIDES, SPARE]):
            write_slide(folder / f"data/slides/{slide}.svs", tissue(256, 256, number))
        self.write_sheet(SLIDES)
        for label, number in product("AB", range(8)):
            path = folder / f"data/training/{label}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(tissue(71, 71, number) // (1 + "AB".index(label))).save(path)
        patients = pd.Index([f"P-{slide}" for slide in (*SLIDES, SPARE)], name="patient")
        tables = {
            "expression": (rng.gamma(2, 20, (len(patients), len(GENES))), GENES),
            "mutations": (np.arange(2 * len(patients)).reshape(-1, 2) // [2, 4] % 2, MUTATED),
            "clinical": (rng.normal(size=(len(patients), 5)), list("abcde")),
        }
        for name, (values, columns) in tables.items():
            table = pd.DataFrame(values, patients, columns)
            table.to_csv(folder / f"data/{name}.tsv", sep="\t")

    def copy(self, folder: Path) -> SmallStudy:
        """Copy the study with its results, their times included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        study = copy(self)
        study.folder = folder
        return study

    def write_sheet(self, slides: list[str]) -> None:
        """List these slides in the sheet, each of a patient of its own."""
        rows = [f"{slide}\tP-{slide}\tdata/slides/{slide}.svs" for slide in slides]
        sheet = self.folder / "config/slides.tsv"
        sheet.write_text("\n".join(["slide\tpatient\tpath", *rows]) + "\n")

    def small(self) -> dict[str, Any]:
        """Return the study's config."""
        config = self.config("demo.yaml")
        del config["simulate"], config["site_column"], config["tasks"]["tissue"]
        config |= {
            "study": "small",
            "results": "results",
            "slides": "config/slides.tsv",
            "datasets": {"training": {"path": "data/training"}},
            "extractors": {
                "IMGNET-2048": {"source": "imagenet"},
                "CLINICAL": {"source": {"table": "data/clinical.tsv"}},
            },
        }
        config["tiling"] |= {"patch_px": 71, "stride_px": 71, "target_mpp": 0.5}
        config["stain"]["reference"] = config["finetune"]["dataset"] = "training"
        config["network"] |= {"weights": "random", "gpu": "prefer"}
        config["features"]["slides_per_job"] = 2
        config["crossval"] |= {"folds": 4, "repeats": 4, "repeats_per_job": 4}
        config["tasks"]["expression"] |= {"labels": "data/expression.tsv", "targets": GENES[:3]}
        config["tasks"]["mutation"]["labels"] = "data/mutations.tsv"
        return config

    def arguments(self, config: dict[str, Any] | None = None) -> tuple[str, str]:
        """Write a config, the study's own by default, and return the arguments that name it."""
        return "--configfile", self.configure("small.yaml", config or self.small())
