"""The real Snakemake, run in a folder of its own."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

import yaml

from histotransfer.study.config import complete
from support.root import ROOT


class Study:
    """A folder with a copy of config/, in which the workflow is run."""

    def __init__(self, folder: Path, resources: Path = ROOT / "resources") -> None:
        self.folder = folder
        self.snakefile = ROOT / "Snakefile"
        self.environment = dict(os.environ)
        self.printed = ""
        shutil.copytree(ROOT / "config", folder / "config")
        # The weights are fetched once for all studies and runs.
        resources.mkdir(exist_ok=True)
        (folder / "resources").symlink_to(resources)

    def command(self, *arguments: str, cores: int | None = 2) -> list[str]:
        """Return the command that runs Snakemake on this study; on a cluster, without `cores`."""
        return [
            *(sys.executable, "-m", "snakemake"),
            *("--snakefile", str(self.snakefile), "--directory", str(self.folder)),
            *(() if cores is None else ("--cores", str(cores))),
            *arguments,
        ]

    def snakemake(self, *arguments: str, cores: int | None = 2) -> subprocess.CompletedProcess[str]:
        """Run Snakemake and return what it printed, both streams together."""
        command = self.command(*arguments, cores=cores)
        status, printed = forked_snakemake(command[3:], self.environment)
        return subprocess.CompletedProcess(command, status, printed)

    def run(self, *arguments: str, cores: int | None = 2) -> str:
        """Run Snakemake, which must succeed."""
        process = self.snakemake(*arguments, cores=cores)
        assert process.returncode == 0, process.stdout[-8000:]
        return process.stdout

    def plan(self, *arguments: str) -> Counter[str]:
        """Count the jobs that a dry run plans, by rule."""
        printed = self.run(*arguments, "--dry-run", "--quiet", "rules")
        if "Nothing to be done" in printed:
            return Counter()
        rows = re.findall(r"^([\w.-]+) +(\d+)$", printed, re.MULTILINE)
        jobs = Counter({rule: int(count) for rule, count in rows})
        assert jobs.pop("total") == sum(jobs.values())
        return jobs

    def configure(self, name: str, config: dict[str, Any]) -> str:
        """Write a config below config/ and return its path as an argument."""
        path = self.folder / "config" / name
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return str(path)

    def config(self, name: str) -> dict[str, Any]:
        """Read a config below config/ and complete it, so that any key can be changed."""
        config = yaml.safe_load((self.folder / "config" / name).read_text())
        return complete(config, ROOT / "workflow/defaults.yaml")

    def config_of_own_slides(self, results: str) -> dict[str, Any]:
        """Return the demo's config for slides, and patches to train and evaluate on, of our own."""
        config = self.config("demo.yaml")
        del config["simulate"], config["site_column"]
        del config["tasks"]["expression"], config["tasks"]["mutation"]
        config |= {
            "study": "own slides and patches",
            "results": results,
            "slides": "config/slides.tsv",
            "datasets": {part: {"path": f"data/{part}"} for part in ("training", "evaluation")},
        }
        config["tasks"]["tissue"]["dataset"] = "evaluation"
        config["stain"]["reference"] = config["finetune"]["dataset"] = "training"
        return config


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["snakemake.cli"])
"""Starts Snakemake without importing it each time, which is a third of what a dry run takes."""


def forked_snakemake(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run Snakemake in a process of its own; return its exit status and what it printed."""
    with tempfile.TemporaryFile("w+") as printed:
        process = FORKS.Process(
            target=_snakemake, args=(arguments, environment, DupFd(printed.fileno()))
        )
        process.start()
        process.join()
        printed.seek(0)
        assert process.exitcode is not None
        return process.exitcode, printed.read()


def _snakemake(arguments: Sequence[str], environment: Mapping[str, str], printed: Any) -> None:
    from snakemake.cli import main

    output = printed.detach()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["snakemake", *arguments]  # by which the workflow sees what it is asked for
    main(list(arguments))
