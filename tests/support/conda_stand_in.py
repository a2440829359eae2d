"""A `conda` for tests: Snakemake's --use-conda for real, with packages that hold nothing.

The environment files are read and solved strictly, by the solver of pixi (py-rattler), against a
channel of stub packages that have the names of conda-forge and the versions that are installed
here; python's stub starts the interpreter of the tests. So Snakemake makes, hashes, activates and
renews real environments. What this cannot show is that conda-forge has those versions.

Run as a program, this file answers the few commands that Snakemake gives to conda.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import re
import sys
import tarfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from support.root import ROOT

if TYPE_CHECKING:
    from rattler import MatchSpec

ENVS = sorted((ROOT / "envs").glob("*.yaml"))
#: Where conda-forge's name differs from PyPI's, or PyPI has no such package.
PYPI = {
    **{"matplotlib-base": "matplotlib", "openslide": "openslide-bin", "python": None, "pip": None},
    **{"pytorch": "torch", "huggingface_hub": "huggingface-hub"},
}
ACTIVATE = 'export CONDA_PREFIX="$1"; export PATH="$1/bin:$PATH"\n'


def install_conda(folder: Path) -> Path:
    """Build a channel with all that the environment files name, and a conda that knows it.

    Parameters
    ----------
    folder : Path
        Where both are made.

    Returns
    -------
    Path
        The folder to put first on the PATH.
    """
    from rattler.index import index_fs

    channel = folder / "channel"
    python = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    python_version = ".".join(map(str, sys.version_info[:3]))
    _pack(channel, "python", python_version, files={"bin/python": python})
    # On PyPI, tensorflow may have been installed under another name.
    pypi = {**PYPI, "tensorflow": packages_distributions()["tensorflow"][0]}
    names = {matched(line).name.normalized for path in ENVS for line in dependencies(path)}
    for name in sorted(names - {"python"}):
        distribution = pypi.get(name, name)
        number = _installed(distribution) if distribution else "99"
        if name in ("tensorflow", "pytorch"):
            _pack(channel, name, number, build="cuda128_0", depends=("__cuda",))
            _pack(channel, name, number, build="cpu_0")
        else:
            _pack(channel, name, number)
    asyncio.run(index_fs(channel))

    bin_folder = folder / "base/bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "activate").write_text(ACTIVATE)
    conda = bin_folder / "conda"
    run = f"PYTHONPATH={ROOT / 'tests'} exec {sys.executable} -m support.conda_stand_in"
    conda.write_text(f"#!/bin/sh\n{run} '{folder}' \"$@\"\n")
    conda.chmod(0o755)
    return bin_folder


def _installed(distribution: str) -> str:
    """Return the version that is installed, or locked for what only some studies need."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        lock = (ROOT / "requirements-torch.txt").read_text()
        return re.findall(rf"^{re.escape(distribution)}==(\S+)", lock, re.MULTILINE)[0]


def matched(line: str) -> MatchSpec:
    """Read a line of an environment file as strictly as conda's newer solvers do."""
    from rattler import MatchSpec

    return MatchSpec(line, strict=True)


def dependencies(env_file: Path) -> list[str]:
    """Return the lines of an environment file's `dependencies`."""
    return list(yaml.safe_load(env_file.read_text())["dependencies"])


def _pack(
    channel: Path,
    name: str,
    number: str,
    *,
    build: str = "0",
    depends: tuple[str, ...] = (),
    files: Mapping[str, str] | None = None,
) -> None:
    """Write one package of the old format (tar.bz2)."""
    from rattler import Subdir

    files = files or {}
    subdir = str(Subdir.current())
    index = {"name": name, "version": number, "build": build, "build_number": 0}
    paths = [
        {"_path": path, "path_type": "hardlink", "size_in_bytes": len(text.encode()),
         "sha256": hashlib.sha256(text.encode()).hexdigest()}
        for path, text in files.items()
    ]  # fmt: skip
    info = {
        "info/index.json": json.dumps(index | {"subdir": subdir, "depends": list(depends)}),
        "info/files": "".join(f"{path}\n" for path in files),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
    }
    (channel / subdir).mkdir(parents=True, exist_ok=True)
    with tarfile.open(channel / subdir / f"{name}-{number}-{build}.tar.bz2", "w:bz2") as archive:
        for path, text in (info | files).items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text.encode()), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))


async def _create(folder: Path, env_file: Path, prefix: Path) -> None:
    from rattler import Subdir, VirtualPackage, VirtualPackageOverrides, install, solve

    os.environ["RATTLER_CACHE_DIR"] = str(folder / "cache")
    records = await solve(
        [(folder / "channel").as_uri()],
        [matched(line) for line in dependencies(env_file)],
        platforms=[Subdir.current(), Subdir("noarch")],
        virtual_packages=VirtualPackage.detect(VirtualPackageOverrides.from_env()),
    )
    await install(records, target_prefix=prefix, cache_dir=folder / "cache", show_progress=False)


def main(folder: Path, arguments: list[str]) -> None:
    """Answer one command as conda does."""
    match arguments:
        case ["--version"]:
            print("conda 25.11.0")
        case ["info", "--json"]:
            base = str(folder / "base")
            # Snakemake asks at every call, and takes the platform for the names of pin files only.
            print(json.dumps({"conda_prefix": base, "root_prefix": base, "platform": "any"}))
        case ["config", "--get", "channel_priority", "--json"]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["clean", *_]:
            pass
        case ["env", "create", *options]:
            values = dict(pairwise(options))
            asyncio.run(_create(folder, Path(values["--file"]), Path(values["--prefix"])))
        case _:
            sys.exit(f"the stand-in for conda does not know: {' '.join(arguments)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
    sys.stdout.flush()
    os._exit(0)  # py-rattler's threads may crash an interpreter that ends in the ordinary way
