"""How long Snakemake takes to plan the study: `make bench-graph`.

The bench times dry runs of the published study (three tasks, 50 repeats) on 541 and on 10,000
slides, all of them empty files, and of a bare workflow that has only names and paths. It prints two
ratios for each size: a limit (10 or 60 s) over our time, and the bare workflow's time per job over
ours. It also prints the number of jobs and the peak memory.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from ratios import report

ROOT = Path(__file__).resolve().parent.parent
LIMITS_S = {541: 10.0, 10_000: 60.0}
OWN_DATA = "config/own_data.yaml"

BARE = """
rule all:
    input: expand("c/{{n}}", n=range({n}))

rule a:
    output: "a/{{n}}"
    resources: mem_mb=lambda wildcards, attempt: 1000 * attempt
    script: "s.py"

rule b:
    input: "a/{{n}}"
    output: "b/{{n}}"
    resources: mem_mb=lambda wildcards, attempt: 1000 * attempt
    script: "s.py"

rule c:
    input: "a/{{n}}", "b/{{n}}"
    output: "c/{{n}}"
    resources: mem_mb=lambda wildcards, attempt: 1000 * attempt
    script: "s.py"
"""


def lay_out(folder: Path, n_slides: int) -> None:
    """Put empty files where the published study expects its data, so that it downloads nothing."""
    shutil.copytree(ROOT / "config", folder / "config")
    study = yaml.safe_load((folder / "config/config.yaml").read_text())
    rows = ["slide\tpatient\tpath"]
    (folder / "data/slides").mkdir(parents=True)
    for number in range(n_slides):
        path = f"data/slides/{number:05d}.svs"
        (folder / path).touch()
        rows.append(f"S{number:05d}\tP{number // 2:05d}\t{path}")
    (folder / study["slides"]).write_text("\n".join(rows) + "\n")
    own: dict[str, Any] = {
        "datasets": {name: {"path": f"data/{name}"} for name in study["datasets"]},
        "tasks": {name: {"labels": f"data/{name}.tsv"} for name in ("expression", "mutation")},
    }
    for dataset in own["datasets"].values():
        (folder / dataset["path"]).mkdir()
    for task in own["tasks"].values():
        (folder / task["labels"]).touch()
    (folder / OWN_DATA).write_text(yaml.safe_dump(own))


def dry_run(folder: Path, snakefile: Path, *options: str) -> tuple[float, int, float]:
    """Return the seconds, the jobs and the peak memory in MB of a dry run."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--dry-run"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--cores", "1", "--directory", str(folder), "--quiet", "rules", *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    printed = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    jobs = re.search(r"^total +(\d+)$", printed, re.MULTILINE)
    if status or jobs is None:
        raise SystemExit(printed)
    return seconds, int(jobs[1]), usage.ru_maxrss / 1024


def measure(n_slides: int, rounds: int) -> None:
    """Plan the study and a bare workflow in turn, and report."""
    with tempfile.TemporaryDirectory() as name:
        ours, bare = Path(name) / "ours", Path(name) / "bare"
        lay_out(ours, n_slides)
        bare.mkdir()
        (bare / "s.py").touch()
        (bare / "Snakefile").write_text(BARE.format(n=n_slides))
        configs = [str(ours / name) for name in ("config/config.yaml", OWN_DATA)]
        runs = [
            (
                dry_run(ours, ROOT / "Snakefile", "--configfile", *configs),
                dry_run(bare, bare / "Snakefile"),
            )
            for _ in range(rounds)
        ]
    seconds = statistics.median(run[0] for run, _ in runs)
    _, jobs, memory = runs[0][0]
    print(f"{n_slides} slides: {jobs} jobs, {memory:.0f} MB")
    if limit := LIMITS_S.get(n_slides):
        report(f"graph/{n_slides}-slides-{limit:.0f}s", limit / seconds, 1)
    per_job = [(theirs[0] / theirs[1]) / (run[0] / run[1]) for run, theirs in runs]
    report(f"graph/{n_slides}-slides-per-job-vs-bare", statistics.median(per_job), 0.5)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slides", type=int, nargs="*", default=list(LIMITS_S))
    options = parser.parse_args()
    for n_slides in options.slides:
        measure(n_slides, options.rounds)


if __name__ == "__main__":
    main()
