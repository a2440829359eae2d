"""Full disks, read-only folders, vanished inputs, clocks that jump."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from histotransfer.core.errors import HistotransferError
from histotransfer.core.files import written_whole
from histotransfer.core.hdf5 import create_store
from histotransfer.core.joblog import job_log
from histotransfer.core.tables import write_table
from histotransfer.patches.from_folders import pack_dataset
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.slides.tiles import tile_slide
from support.disks import small_files
from support.parameters import ENCODING, PATCHES, TILING
from support.slides import tissue, write_slide
from support.tiny_study import RESULTS, Tiny


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a file system in memory at a folder, or skip where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def failure_of(write: Callable[[], None]) -> HistotransferError:
    """Write in a process of its own, and return how that failed.

    HDF5 keeps a file that it could not write open until its process ends, and may end that badly.
    """
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def attempt() -> None:
        try:
            write()
        except HistotransferError as error:
            sender.send((error.subject, error.cause, error.remedy))
        sender.close()
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=attempt)
    process.start()
    sender.close()
    process.join()
    assert receiver.poll(), "nothing was reported"
    return HistotransferError(*receiver.recv())


def write_big_store(path: Path) -> None:
    with create_store(path, "cv/2", {}) as store:
        store.create_dataset("x", data=np.random.default_rng(1).random((500, 500)))


def write_big_table(path: Path) -> None:
    write_table(pd.DataFrame(np.random.default_rng(1).random((500, 50))), path)


def write_big_picture(path: Path) -> None:
    with written_whole(path) as partial:
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (400, 400, 3), np.uint8)).save(
            partial
        )


def pack_many_patches(path: Path) -> None:
    folder = path.parent.parent / "set/A"
    for number in range(60):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / f"{number}.png").exists():
            Image.fromarray(tissue(64, 64, number)).save(folder / f"{number}.png")
    pack_dataset(folder.parent, path, dataset="set", patch_px=64, encoding=ENCODING)


WRITERS = {
    "store.h5": write_big_store,
    "table.tsv": write_big_table,
    "picture.png": write_big_picture,
    "patches.h5": pack_many_patches,
}


def assert_written_later(path: Path, name: str) -> None:
    """Check that nothing is left of a write that failed, and that it succeeds with room."""
    assert list(path.parent.iterdir()) == []
    WRITERS[name](path)
    assert path.stat().st_size > 50_000


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_may_not_grow_is_named_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    path = tmp_path / "out" / name
    path.parent.mkdir()
    if name == "patches.h5":
        WRITERS[name](path)  # the input is there before the disk is full
        path.unlink()
    with small_files(20_000):
        error = failure_of(lambda: WRITERS[name](path))
    assert error.subject == str(path)
    assert "exceeds the largest file size allowed here" in error.cause
    assert_written_later(path, name)


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_named_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    with mounted(tmp_path / "out", "size=8M"):
        path = tmp_path / "out" / name
        if name == "patches.h5":
            WRITERS[name](path)
            path.unlink()
        filling = tmp_path / "out/filling"
        filling.write_bytes(bytes(8 * 2**20 - 40_000))
        error = failure_of(lambda: WRITERS[name](path))
        assert error.subject == str(path)
        assert "the disk is full" in error.cause
        filling.unlink()
        assert_written_later(path, name)


@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_folder_is_named(tmp_path: Path, name: str) -> None:
    with mounted(tmp_path / "out", "size=8M"):
        WRITERS[name](tmp_path / "out" / name)
        before = sorted((path.name, path.read_bytes()) for path in (tmp_path / "out").iterdir())
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "out")], check=True)
        with pytest.raises(HistotransferError) as caught:
            WRITERS[name](tmp_path / "out" / name)
        assert caught.value.subject == str(tmp_path / "out" / name)
        assert "read-only" in caught.value.cause
        after = sorted((path.name, path.read_bytes()) for path in (tmp_path / "out").iterdir())
        assert after == before


def test_a_folder_without_the_right_to_write_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        folder = tmp_path / "out"
        folder.mkdir()
        if subprocess.run(
            ["chattr", "+i", str(folder)], capture_output=True, check=False
        ).returncode:
            pytest.skip("root may write everywhere")
    else:
        folder = tmp_path / "out"
        folder.mkdir(mode=0o500)
    try:
        with pytest.raises(
            HistotransferError, match=r"t\.tsv: cannot be written \(.*permitted|denied"
        ):
            write_table(pd.DataFrame({"x": [1]}), folder / "t.tsv")
    finally:
        if os.geteuid() == 0:
            subprocess.run(["chattr", "-i", str(folder)], check=True)
        folder.chmod(0o700)


def test_without_room_for_a_log_a_job_goes_on_and_says_so(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").touch()
    with job_log(tmp_path / "file/log.txt"):
        done = True
    assert done
    assert "no log can be written" in capsys.readouterr().err


def test_a_slide_s_pass_on_a_full_disk_leaves_neither_of_its_two_files(tmp_path: Path) -> None:
    slide = write_slide(tmp_path / "a.svs", tissue(512, 512))
    tiles = tmp_path / "t.h5"
    tile_slide(slide, tiles, slide="a", sheet_mpp=None, parameters=TILING)
    (tmp_path / "out").mkdir()
    paths = tmp_path / "out/m.h5", tmp_path / "out/p.h5"
    extract = partial(
        extract_patches, slide, tiles, *paths, slide="a", reference_path=None, parameters=PATCHES
    )
    with small_files(50_000):
        error = failure_of(extract)
    assert error.subject == str(paths[1])
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.long
def test_a_study_on_a_disk_that_fills_up_ends_in_the_same_tables(
    undisturbed: Tiny, tmp_path: Path
) -> None:
    (tmp_path / "study").mkdir()
    study = Tiny(tmp_path / "study")
    with mounted(study.results, "size=40M"):
        study.results.joinpath("filling").write_bytes(bytes(40 * 2**20 - 500_000))
        process = study.snakemake(*study.arguments())
        assert process.returncode != 0
        assert "the disk is full" in process.stdout, process.stdout[-3000:]
        for name, content in study.tables().items():
            assert content == undisturbed.tables()[name]
        study.results.joinpath("filling").unlink()
        study.run(*study.arguments())
        assert study.tables() == undisturbed.tables()
        assert study.leftovers() == []


@pytest.mark.long
def test_a_study_in_a_read_only_folder_stops_and_changes_nothing(
    undisturbed: Tiny, tmp_path: Path
) -> None:
    (tmp_path / "study").mkdir()
    study = Tiny(tmp_path / "study")
    with mounted(study.results, "size=40M"):
        study.run(f"{RESULTS}/tables/qc.tsv", "--configfile", study.configuration)
        subprocess.run(["mount", "-o", "remount,ro", str(study.results)], check=True)
        process = study.snakemake(*study.arguments())
        assert process.returncode != 0
        assert "ead-only file system" in process.stdout, process.stdout[-3000:]
        subprocess.run(["mount", "-o", "remount,rw", str(study.results)], check=True)
        study.run(*study.arguments())
        assert study.tables() == undisturbed.tables()


@pytest.mark.long
def test_an_input_that_vanishes_in_the_run_is_named_and_its_return_is_enough(
    undisturbed: Tiny, tmp_path: Path
) -> None:
    (tmp_path / "study").mkdir()
    study = Tiny(tmp_path / "study")
    labels = study.folder / "data/mutation.tsv"
    content, times = labels.read_bytes(), labels.stat()
    running = subprocess.Popen(
        study.command(*study.arguments(), cores=1),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while running.poll() is None and not list(study.results.glob("tiles/*.h5")):
        time.sleep(0.02)
    labels.unlink()
    printed, _ = running.communicate(timeout=300)
    assert running.returncode != 0
    assert "data/mutation.tsv" in printed, printed[-3000:]
    assert not (study.results / "tables/mutation.tsv").exists()
    labels.write_bytes(content)
    os.utime(labels, ns=(times.st_atime_ns, times.st_mtime_ns))
    study.snakemake("--unlock", *study.arguments())
    study.run(*study.arguments())
    assert study.tables() == undisturbed.tables()


def moved_by(years: float, study: Tiny) -> list[Path]:
    """Give every third file of the results a time of that many years from now, and return them.

    A test cannot set the machine's clock, but it can leave the times that a wrong clock leaves.
    """
    then = time.time() + years * 31_557_600
    files = sorted(path for path in study.results.rglob("*") if path.is_file())[::3]
    for path in files:
        os.utime(path, (then, then))
    for name in ("metrics", "comparison"):
        (study.results / f"tables/{name}.tsv").unlink(missing_ok=True)
    return [path for path in files if path.exists()]


@pytest.mark.long
def test_a_clock_that_was_behind_changes_no_table(undisturbed: Tiny, tmp_path: Path) -> None:
    study = undisturbed.copy(tmp_path / "study")
    moved_by(-20, study)
    for _ in range(2):
        study.run(*study.arguments())
        assert study.tables() == undisturbed.tables()


@pytest.mark.long
def test_a_clock_that_was_ahead_is_named_and_changes_no_table(
    undisturbed: Tiny, tmp_path: Path
) -> None:
    study = undisturbed.copy(tmp_path / "study")
    files = moved_by(20, study)
    process = study.snakemake(*study.arguments())
    assert process.returncode != 0
    assert "could indicate a clock skew" in process.stdout, process.stdout[-3000:]
    right = undisturbed.tables()
    for name, content in study.tables().items():
        assert content == right[name], name
    for path in files:
        path.touch()
    study.run(*study.arguments())
    assert study.tables() == right
