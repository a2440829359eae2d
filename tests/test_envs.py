"""The environments: locked, without hosts, and the same for pip and for conda."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from rattler.exceptions import InvalidMatchSpecError

from histotransfer.core import provenance
from support.conda_stand_in import ENVS, PYPI, install_conda, matched
from support.root import ROOT

SCRIPTS = ROOT / "workflow/scripts"

#: Where an imported name differs from conda-forge's.
CONDA = {
    "PIL": "pillow",
    "openslide": "openslide-python",
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib-base",
    "torch": "pytorch",
}
OURS = {"histotransfer", "snakemake"}
LOCKS = [f"requirements{of}.txt" for of in ("", "-gpu", "-dev", "-torch")]
OF_TORCH = {"torch", "timm", "torchvision", "safetensors", "huggingface_hub"}
#: Imported only where the extractor is of this library, or the user chose it by KERAS_BACKEND.
OTHER_LIBRARIES = {
    "network": {"jax", "PIL", *OF_TORCH},  # pictures are resized for PyTorch alone
    "network-torch": {"jax", "tensorflow"},
}


def locked(path: Path) -> dict[str, set[Version]]:
    versions: dict[str, set[Version]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", path.read_text(), re.MULTILINE):
        versions.setdefault(name, set()).add(Version(version))
    return versions


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_pins_every_package_by_hash_and_names_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"https?:|index-url|find-links|file:", text)
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) > 40
    for block in blocks:
        assert re.match(r"[a-z0-9._-]+==\S+", block), block
        assert "--hash=sha256:" in block


def test_tests_run_on_the_versions_that_the_demo_runs_on() -> None:
    run, gpu, dev, torch = (locked(ROOT / name) for name in LOCKS)
    assert {name: dev.get(name) for name in run} == run
    builds = {"tensorflow", "tensorflow-cpu"}
    assert {name: gpu.get(name) for name in run.keys() - builds} == {
        name: versions for name, versions in run.items() if name not in builds
    }
    assert gpu["tensorflow"] == run["tensorflow"] == run["tensorflow-cpu"]
    assert "tensorflow-cpu" not in gpu  # both would be the same module
    assert {"nvidia-cudnn-cu12", "nvidia-cuda-nvcc-cu12"} <= gpu.keys()
    shared = torch.keys() & dev.keys()
    assert {name: torch[name] for name in shared} == {name: dev[name] for name in shared}


@pytest.mark.parametrize("path", ENVS, ids=lambda path: path.stem)
def test_conda_environments_admit_the_locked_versions(path: Path) -> None:
    env = yaml.safe_load(path.read_text())
    assert env["channels"] == ["conda-forge"]
    versions = locked(ROOT / "requirements-torch.txt") | locked(ROOT / "requirements.txt")
    for dependency in env["dependencies"]:
        name, specifiers = dependency.split()[:2]
        pypi = PYPI.get(name, name)
        if pypi is not None:
            assert versions[pypi], name
            assert all(v in SpecifierSet(specifiers) for v in versions[pypi]), dependency


@pytest.fixture(scope="module")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_conda(tmp_path_factory.mktemp("conda")) / "conda"


def create(conda: Path, env: str, prefix: Path) -> subprocess.CompletedProcess[str]:
    """Let the stand-in for conda solve and install an environment."""
    return subprocess.run(
        [conda, "env", "create", "--file", ROOT / f"envs/{env}.yaml", "--prefix", prefix],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("path", ENVS, ids=lambda path: path.stem)
def test_conda_environments_are_read_strictly_and_solved(
    path: Path, conda: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.8")
    process = create(conda, path.stem, tmp_path / "env")
    assert process.returncode == 0, process.stderr
    installed = {
        json.loads(record.read_text())["name"]
        for record in (tmp_path / "env/conda-meta").glob("*.json")
    }
    wanted = yaml.safe_load(path.read_text())["dependencies"]
    assert installed == {matched(line).name.normalized for line in wanted}


def test_without_a_driver_the_gpu_environment_needs_the_override(
    conda: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "")  # as on a login node
    process = create(conda, "network-gpu", tmp_path / "env")
    assert process.returncode != 0
    assert "__cuda" in process.stderr
    assert create(conda, "network", tmp_path / "env").returncode == 0


@pytest.mark.parametrize("line", ["h5py =>3", "tensorflow =2.19.1=cuda*"])
def test_a_sloppy_pin_is_refused(line: str) -> None:
    with pytest.raises(InvalidMatchSpecError):
        matched(line)


def rules() -> list[tuple[str, str]]:
    found = []
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for block in path.read_text().split("conda:")[1:]:
            env = re.search(r"envs/(\w[\w-]*)\.yaml|(NETWORK_ENV|network_env)|(TORCH_ENV)", block)
            script = re.search(r"scripts/(\w+\.py)", block)
            assert env, path
            assert script, path
            found.append((script[1], env[1] or ("network-torch" if env[3] else "network")))
            if env[2] == "network_env":
                found.append((script[1], "network-torch"))
    return found


@pytest.mark.parametrize(("script", "env"), rules())
def test_every_script_finds_what_it_imports_in_its_environment(script: str, env: str) -> None:
    declared = {
        line.split()[0]
        for line in yaml.safe_load((ROOT / f"envs/{env}.yaml").read_text())["dependencies"]
    }
    for module in provenance._closure(SCRIPTS / script, SCRIPTS):
        for node in ast.walk(ast.parse(module.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in {name.split(".")[0] for name in names}:
                passed_over = OURS | OTHER_LIBRARIES.get(env, set())
                if name not in sys.stdlib_module_names and name not in passed_over:
                    assert CONDA.get(name, name) in declared, f"{module.name} imports {name}"
