"""How long a study takes that begins with the features of two tools.

    make bench-entry

400 patients with a slide each, two extractors of 1,024 features, 20 targets of two values, 50
repeats of 5 folds, through the whole workflow to the summary, on two cores. It prints

- `seconds entry-features SECONDS target 120`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
PATIENTS, FEATURES, TARGETS, PATCHES, TARGET_SECONDS = 400, 1024, 20, 50, 120
CONFIG = """\
study: two-tools
extractors: {A: {features: A}, B: {features: B}}
tasks: {genes: {kind: binary, labels: labels.csv, targets: all}}
"""


def write_study(folder: Path) -> None:
    """Write features of which a part carries the targets' signal, labels and config."""
    rng = np.random.default_rng(0)
    known = rng.standard_normal((PATIENTS, 5)).astype(np.float32)
    for extractor, noise in (("A", 1.0), ("B", 1.2)):
        (folder / extractor).mkdir()
        axes = 0.5 * rng.standard_normal((5, FEATURES)).astype(np.float32)
        for number in range(PATIENTS):
            patches = noise * rng.standard_normal((PATCHES, FEATURES), dtype=np.float32)
            with h5py.File(folder / extractor / f"P{number:03d}.h5", "w") as file:
                file["features"] = patches + known[number] @ axes
    values = known @ rng.standard_normal((5, TARGETS)) + 2 * rng.standard_normal(
        (PATIENTS, TARGETS)
    )
    labels = pd.DataFrame((values > 0.8).astype(int)).add_prefix("G")
    labels.insert(0, "patient", [f"P{number:03d}" for number in range(PATIENTS)])
    labels.to_csv(folder / "labels.csv", index=False)
    (folder / "study.yaml").write_text(CONFIG)


def main() -> None:
    """Run the bench."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder)
        started = time.perf_counter()
        subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
                *("--directory", str(folder), "--cores", "2"),
                *(
                    "results/summary.html",
                    "--quiet",
                    "all",
                    "--configfile",
                    str(folder / "study.yaml"),
                ),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - started
    print(f"seconds entry-features {seconds:.0f} target {TARGET_SECONDS}")


if __name__ == "__main__":
    main()
