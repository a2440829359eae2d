"""The recipes of the images, and a run in one, as far as both go without an engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.root import ROOT
from support.tiny_study import RESULTS, Tiny

DOCKERFILE = (ROOT / "containers/Dockerfile").read_text()
DEFINITION = (ROOT / "containers/histotransfer.def").read_text()
INSTALL = ROOT / "containers/install.sh"


def test_both_recipes_install_the_lock_into_the_same_base() -> None:
    base = re.findall(r"(?im)^from:? (\S+)$", DOCKERFILE + DEFINITION)
    assert base == ["python:3.12-slim-bookworm"] * 2
    folder = "/opt/histotransfer"
    for recipe in (DOCKERFILE, DEFINITION):
        for file in ("requirements.txt", "requirements-gpu.txt", "containers/install.sh"):
            assert file in recipe
            assert (ROOT / file).is_file()
        assert f"sh {folder}/install.sh" in recipe


def test_each_device_has_its_lock(tmp_path: Path) -> None:
    """A stand-in for Python writes down what it is asked."""
    asked = tmp_path / "asked"
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\necho "$@" >>{asked}\n')
    python.chmod(0o755)
    (tmp_path / "install.sh").write_text(INSTALL.read_text())
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for device, lock in (("cpu", "requirements.txt"), ("cuda", "requirements-gpu.txt")):
        command = ["sh", str(tmp_path / "install.sh"), device]
        subprocess.run(command, env=environment, check=True)
        assert f"--require-hashes -r {tmp_path}/{lock}\n" in asked.read_text()
        asked.unlink()
    command = ["sh", str(tmp_path / "install.sh"), "gpu"]
    assert subprocess.run(command, env=environment, check=False).returncode == 1
    assert not asked.exists()


ENGINE = """#!/bin/sh
# Answers as Apptainer does, and runs here what should run in an image.
echo "$@" >>"$ENGINE_LOG"
case "$1" in --version) echo "apptainer version 1.4.0"; exit;; esac
for last; do :; done
exec /bin/bash -c "$last"
"""


@pytest.mark.slow
def test_a_rule_runs_in_the_image_that_is_named(tmp_path: Path) -> None:
    """With an engine that is none: what it is asked is right, and the job does its work."""
    tiny = Tiny(tmp_path / "study")
    image, log, tools = tmp_path / "image.sif", tmp_path / "engine.log", tmp_path / "bin"
    image.touch()
    tools.mkdir()
    for name in ("apptainer", "singularity"):
        (tools / name).write_text(ENGINE)
        (tools / name).chmod(0o755)
    path = [str(tools), str(Path(sys.executable).parent), tiny.environment["PATH"]]
    tiny.environment |= {
        "PATH": os.pathsep.join(path),
        "HISTOTRANSFER_IMAGE": str(image),
        "ENGINE_LOG": str(log),
    }
    target = f"{RESULTS}/tiles/S00.h5"
    tiny.run(target, "--configfile", tiny.configuration, "--sdm", "apptainer")
    assert (tiny.folder / target).exists()
    (run,) = (line for line in log.read_text().splitlines() if " exec " in f" {line}")
    assert str(image) in run
