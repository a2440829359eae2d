"""Benches, run as `make` runs them."""

from __future__ import annotations

import os
import subprocess
import sys

from support.root import ROOT


def run_bench(name: str, *arguments: str) -> str:
    """Run a bench in a process of its own and return what it prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    command = [sys.executable, str(ROOT / f"bench/{name}.py"), *arguments]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout
