"""Killed at random moments and started again, a study ends in the same tables."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import create_store, open_store
from histotransfer.core.tables import TableSchema, read_table, write_table
from support.tiny_study import RESULTS, Tiny
from support.wholeness import check, files_of

KILLS = 30
SEED = int(os.environ.get("HISTOTRANSFER_KILL_SEED", "20261125"))
TABLE = TableSchema("table", dict.fromkeys("xyz", "number"))


def write_for_ever(folder: Path) -> None:
    """Write a store and a table, each time with other contents."""
    rng = np.random.default_rng()
    while True:
        values = np.full((rng.integers(1, 400), 100), rng.random())
        with create_store(folder / "a.h5", "tiles/1", {}) as store:
            store["x"] = values
        write_table(pd.DataFrame(values[:, :3], columns=list("xyz")), folder / "a.tsv", TABLE)


def test_a_killed_writer_leaves_whole_files_and_the_next_one_tidies_up(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    left = 0
    for _ in range(40):
        writer = multiprocessing.get_context("fork").Process(
            target=write_for_ever, args=(tmp_path,)
        )
        writer.start()
        time.sleep(rng.uniform(0.001, 0.05))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        left += len(list(tmp_path.glob(".*.partial*")))
        if (tmp_path / "a.h5").exists():
            with open_store(tmp_path / "a.h5", "tiles/1") as store:
                assert np.ptp(store["x"][:]) == 0
        if (tmp_path / "a.tsv").exists():
            assert np.ptp(read_table(tmp_path / "a.tsv", TABLE).to_numpy()) == 0
    assert left > 0  # else nothing was killed while it wrote
    with create_store(tmp_path / "a.h5", "tiles/1", {}):
        pass
    write_table(TABLE.empty(), tmp_path / "a.tsv", TABLE)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.tsv.sha256", "a.h5", "a.tsv"]


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with create_store(path, "tiles/1", {}) as store:
        store["x"] = np.zeros(10)
        with (
            pytest.raises(HistotransferError, match="another process is writing it"),
            create_store(path, "tiles/1", {}),
        ):
            pass
    with open_store(path, "tiles/1") as store:
        assert store["x"].shape == (10,)
    assert list(tmp_path.iterdir()) == [path]


def test_without_locks_each_writer_has_a_name_of_its_own(tmp_path: Path, monkeypatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    for number in (1, 2):
        with create_store(tmp_path / "a.h5", "tiles/1", {"number": number}):
            names = [path.name for path in tmp_path.glob(".*")]
            assert len(names) == 1
    with open_store(tmp_path / "a.h5", "tiles/1") as store:
        assert store.attrs["number"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def jobs_of(process: psutil.Process) -> list[psutil.Process]:
    """Return the Python processes that run a job's script."""
    found = []
    for child in process.children(recursive=True):
        try:
            line = child.cmdline()
        except psutil.Error:
            continue
        if len(line) > 1 and ".snakemake/scripts" in line[-1] and "python" in line[0]:
            found.append(child)
    return found


def kill_and_restart(
    study: Tiny, targets: list[str], rng: random.Random, kills: int, *, most_seconds: float
) -> dict[str, int]:
    """Run a study, killing it `kills` times or until it is done; return the kills by kind."""
    done = dict.fromkeys(("job", "snakemake", "both"), 0)
    while sum(done.values()) < kills:
        printed = study.folder / "printed.log"
        with printed.open("ab") as out:
            running = subprocess.Popen(
                study.command(*study.arguments(*targets), cores=1),
                stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        while running.poll() is None and sum(done.values()) < kills:
            time.sleep(rng.uniform(0.2, most_seconds))
            kind = rng.choice(list(done))
            if running.poll() is not None:
                break
            if kind == "job":
                jobs = jobs_of(psutil.Process(running.pid))
                if not jobs:
                    continue
                rng.choice(jobs).kill()
            elif kind == "snakemake":
                os.kill(running.pid, signal.SIGKILL)
            else:
                os.killpg(running.pid, signal.SIGKILL)
            done[kind] += 1
            for path in files_of(study.results):
                check_unless_gone(path)
            if kind != "job":
                running.wait()
        if running.poll() is None:  # enough kills
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        study.snakemake("--unlock", *study.arguments())
        if running.returncode == 0:
            break
    return done


def check_unless_gone(path: Path) -> None:
    """Check a file, unless Snakemake has just removed it with what else a killed job wrote."""
    try:
        check(path)
    except (HistotransferError, FileNotFoundError):
        if path.exists():
            raise


def finish(study: Tiny, targets: list[str]) -> None:
    """Run a study to its end; a job of a killed Snakemake may still be at it for a while."""
    for _ in range(3):
        process = study.snakemake(*study.arguments(*targets))
        if process.returncode == 0:
            return
        assert "another process is writing it" in process.stdout, process.stdout[-4000:]
        time.sleep(5)
    raise AssertionError(process.stdout[-4000:])


OF_SLIDES = [f"{RESULTS}/tables/{name}.tsv" for name in ("qc", "excluded_slides", "cohort")]


@pytest.fixture(scope="module")
def two_slides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, str]:
    """Run a study of two slides, and another Snakemake beside it; return what that said."""
    study = Tiny(tmp_path_factory.mktemp("two"), patients=2)
    first = subprocess.Popen(
        study.command(*study.arguments(*OF_SLIDES), cores=1),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while first.poll() is None and not list(study.results.glob("tiles/*.h5")):
        time.sleep(0.02)
    second = study.snakemake(*study.arguments(*OF_SLIDES))
    assert second.returncode != 0
    printed, _ = first.communicate(timeout=300)
    assert first.returncode == 0, printed[-2000:]
    return study, second.stdout


@pytest.mark.slow
def test_a_second_snakemake_is_told_that_the_folder_is_locked(two_slides: tuple[Tiny, str]) -> None:
    study, said = two_slides
    assert "cannot be locked" in said, said[-2000:]
    assert "--unlock" in said
    assert list(study.tables()) == ["cohort.tsv", "excluded_slides.tsv", "qc.tsv"]


@pytest.mark.slow
def test_a_study_of_two_slides_survives_three_kills(
    two_slides: tuple[Tiny, str], tmp_path: Path
) -> None:
    study = Tiny(tmp_path, patients=2)
    done = kill_and_restart(study, OF_SLIDES, random.Random(SEED), 3, most_seconds=5)
    assert sum(done.values()) > 0
    finish(study, OF_SLIDES)
    assert study.tables() == two_slides[0].tables()
    assert study.leftovers() == []


@pytest.mark.long
def test_thirty_kills_change_no_table(undisturbed: Tiny, tmp_path: Path) -> None:
    total = dict.fromkeys(("job", "snakemake", "both"), 0)
    rounds = 0
    while sum(total.values()) < KILLS:
        rng = random.Random(SEED + rounds)
        (tmp_path / str(rounds)).mkdir()
        study = Tiny(tmp_path / str(rounds))
        left = KILLS - sum(total.values())
        done = kill_and_restart(study, [], rng, left, most_seconds=6)
        finish(study, [])
        assert study.tables() == undisturbed.tables(), (SEED, rounds)
        assert study.leftovers() == []
        for path in files_of(study.results):
            check(path)
        assert {str(path.relative_to(study.results)) for path in files_of(study.results)} == {
            str(path.relative_to(undisturbed.results)) for path in files_of(undisturbed.results)
        }
        print(f"seed {SEED + rounds}: killed {done}, tables the same")
        total = {kind: total[kind] + done[kind] for kind in total}
        rounds += 1
    assert min(total.values()) > 0
