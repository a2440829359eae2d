"""Each command of the guides is one that works: `snakemake` plans it, `make` knows its target."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from support.conda_stand_in import install_conda
from support.guides import Command, all_commands
from support.published_study import lay_out_the_published_study
from support.root import ROOT
from support.study import Study, forked_snakemake

SLIDE = "TCGA-05-4244-01Z-00-DX1"
DEMO_SLIDE = "SIM-01-0001-01Z-00-DX1"
PLACES = {"SLIDE": SLIDE, "TASK": "mutation", "TARGET": "STK11"}
"""What a reader writes in the place of a word in capitals."""
DONE = {"--conda-create-envs-only", "--unlock", "--report"}
"""What is not planned but done: by `test_ways_to_run.py`."""
MINE = "my_study.yaml"
COMMANDS = all_commands()
PROFILE = ROOT / "profiles/slurm/config.yaml"
VOID = """
from snakemake_interface_storage_plugins.storage_object import StorageObjectRead, StorageObjectWrite
from snakemake_interface_storage_plugins.storage_provider import StorageProviderBase

class StorageProvider(StorageProviderBase):
    pass

class StorageObject(StorageObjectRead, StorageObjectWrite):
    pass

StorageProvider.__abstractmethods__ = frozenset()
"""


def of(program: str) -> list[Command]:
    return [command for command in COMMANDS if command.words[0] == program]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Lay out the published study, and a study of one's own as README writes its config."""
    study = Study(tmp_path_factory.mktemp("guides"))
    conda = install_conda(tmp_path_factory.mktemp("conda"))
    study.environment["PATH"] = os.pathsep.join([str(conda), study.environment["PATH"]])
    lay_out_the_published_study(study, [SLIDE])
    readme = (ROOT / "README.md").read_text()
    config = re.search(r"```yaml\n(study: .*?)```", readme, re.DOTALL)
    assert config
    (study.folder / MINE).write_text(config[1])
    data = study.folder / "data"
    (data / "slides.tsv").write_text(f"slide\tpatient\n{SLIDE}\tP\n")
    (data / "labels.csv").write_text("patient,MSI,OS_months,OS_event\nP,1,2,1\n")
    for tool in ("uni", "conch"):
        (data / tool).mkdir()
        (data / tool / f"{SLIDE}.h5").touch()
    return study


def planned() -> dict[str, list[str]]:
    """Return the arguments of the calls of Snakemake that a dry run tells apart."""
    calls = {}
    for command in of("snakemake") + of("tmux"):
        words = command.words if command.words[0] == "snakemake" else command.words[-1].split()
        text = " ".join(words[1:])
        if not DONE & set(words):
            text = re.sub(r"--cores \w+|-n |--dry-run|--quiet rules|--use-conda", "", text)
            calls[" ".join(text.split())] = str(command)
    return {where: text.split() for text, where in calls.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("where", "words"), planned().items())
def test_snakemake_plans_what_a_guide_asks_it(study: Study, where: str, words: list[str]) -> None:
    places = PLACES | ({"SLIDE": DEMO_SLIDE} if "config/demo.yaml" in words else {})
    for place, name in places.items():
        words = [re.sub(rf"\b{place}\b", name, word) for word in words]
    words = [str(study.folder / word) if word == MINE else word for word in words]
    if "--snakefile" not in words:
        words += ["--snakefile", str(ROOT / "Snakefile")]
    else:  # `make sheets` writes them once
        words += ["--config", "slides=elsewhere/slides.tsv"]
    words += ["--directory", str(study.folder), "--dry-run", "--quiet", "all"]
    status, printed = forked_snakemake(words, study.environment)
    assert status == 0, printed[-3000:]


def test_a_run_needs_no_option_that_a_guide_leaves_out() -> None:
    """Locally, Snakemake asks for `--cores`, which the default profile answers."""
    assert yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())["cores"] == "all"


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_make_knows_what_a_guide_asks_it(command: Command) -> None:
    if "*" in command.words[1]:
        return
    installed = [f"--old-file=.venv/{name}.stamp" for name in ("run", "dev")]
    process = subprocess.run(
        [*command.words, "--dry-run", "MAKE=:", *installed],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr.decode()


@pytest.mark.parametrize("command", of("pip"), ids=str)
def test_pip_is_asked_for_packages_that_we_lock(command: Command) -> None:
    locked = {
        name: version
        for lock in ("requirements.txt", "requirements-dev.txt")
        for name, version in re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / lock).read_text(), re.M)
    }
    assert command.words[1] == "install"
    if "-r" in command.words:
        assert (ROOT / command.words[-1]).is_file()
        return
    for requirement in command.words[2:]:
        name, _, limits = requirement.partition(">=")
        assert name in locked or name == "pre-commit", requirement
        if limits:
            low, _, high = limits.partition(",<")
            major, minor = (int(part) for part in locked[name].split(".")[:2])
            assert (major, minor) == tuple(map(int, low.split("."))), requirement
            assert high == str(major + 1), requirement


def test_one_version_of_snakemake_is_named_everywhere() -> None:
    named = {}
    for path in (ROOT / "Snakefile", ROOT / "workflow/sheets.smk", ROOT / "requirements-base.in"):
        found = re.search(r'(?:min_version\("|snakemake >=)(\d+\.\d+)', path.read_text())
        assert found
        named[path.name] = found[1]
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for version in re.findall(r"nakemake(?:>=| >=| )(\d+\.\d+)", path.read_text()):
            named[path.name] = version
    assert {"README.md", "cluster.md"} <= named.keys()
    assert len(set(named.values())) == 1, named


def test_what_the_guide_says_of_gpus_is_what_sbatch_is_asked() -> None:
    """Rules of the network ask for `gpu=1`; a row of the guide says what else to write."""
    utils = pytest.importorskip("snakemake_executor_plugin_slurm.utils")
    guide = (ROOT / "docs/cluster.md").read_text()
    rows = re.findall(r"^\| (.*`--g(?:pus|res)=.*) \| (.*) \|$", guide, re.M)
    assert len(rows) == 3
    for asked, written in rows:
        resources = {"gpu": 1}
        for shown in re.findall(r"`((?:gpu|gres|gpu_model): [^`]*)`", written):
            resources |= yaml.safe_load(f"{{{shown}}}")
        option = re.findall(r"`(--[^`]+)`", asked)[-1]
        job = SimpleNamespace(resources=Resources(resources))
        assert utils.set_gres_string(job).strip() == option, written


class Resources(dict[str, object]):
    """A job's resources, which Snakemake gives by key and by attribute."""

    __getattr__ = dict.__getitem__


def test_the_lines_of_a_site_amend_lines_of_the_profile() -> None:
    shown = re.search(
        r"```yaml\n(default-resources.*?)```", (ROOT / "docs/cluster.md").read_text(), re.S
    )
    assert shown
    ours, profile = yaml.safe_load(shown[1]), yaml.safe_load(PROFILE.read_text())
    for rule, resources in profile["set-resources"].items():
        assert resources.items() <= ours["set-resources"][rule].items()
    assert ours["set-resources"].keys() == profile["set-resources"].keys()
    assert set(profile["default-resources"]) <= set(ours["default-resources"])


@pytest.mark.slow
def test_a_storage_plugin_is_refused_with_the_reason(study: Study, tmp_path: Path) -> None:
    """A plugin of that name, with nothing in it, since none is installed here."""
    plugin = tmp_path / "snakemake_storage_plugin_void"
    plugin.mkdir()
    (plugin / "__init__.py").write_text(VOID)
    study_with = {**study.environment, "PYTHONPATH": str(tmp_path)}
    command = study.command("--dry-run", "--default-storage-provider", "void")
    command += ["--default-storage-prefix", "void://x"]
    process = subprocess.run(command, env=study_with, capture_output=True, text=True, check=False)
    assert process.returncode != 0
    assert "file system that all nodes share" in process.stdout + process.stderr
