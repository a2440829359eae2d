"""Crashes of libraries: told by their signal, while errors and kills go on as what they are."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from inspect import unwrap
from pathlib import Path

import psutil
import pytest

from histotransfer.core.crashes import CRASHES, crash_of, isolated
from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import open_store
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.slides.tiles import tile_slide
from support.errors import assert_clear
from support.parameters import PATCHES, TILING
from support.root import ROOT
from support.slides import write_crashing_slide


@pytest.fixture(autouse=True)
def _no_stacks_on_the_terminal() -> Iterator[None]:
    """Take pytest's handler of crashes away, which would print a stack for each of ours."""
    faulthandler.disable()
    yield
    faulthandler.enable(sys.__stderr__)


def raising(error: BaseException) -> Callable[[], None]:
    def read() -> None:
        raise error

    return read


@pytest.mark.parametrize("name", sorted(CRASHES))
def test_a_crash_is_told_by_its_signal(name):
    assert crash_of(lambda: os.kill(os.getpid(), signal.Signals[name])) == name


def test_a_real_crash_is_told():
    assert crash_of(lambda: ctypes.string_at(0)) == "SIGSEGV"


def test_what_is_written_stays_and_nothing_else(tmp_path):
    changed = []

    def read() -> None:
        changed.append(1)
        (tmp_path / "written").write_text("x")

    assert crash_of(read) == ""
    assert (tmp_path / "written").read_text() == "x"
    assert changed == []


def test_errors_are_raised_as_they_are():
    ours = HistotransferError("a.svs", "is odd – ü", "Mend it now")
    with pytest.raises(HistotransferError) as caught:
        crash_of(raising(ours))
    assert str(caught.value) == str(ours)
    assert_clear(caught.value, "a.svs")
    with pytest.raises(MemoryError, match="too much"):
        crash_of(raising(MemoryError("too much")))
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*ValueError: odd"):
        crash_of(raising(ValueError("odd")))
    with pytest.raises(RuntimeError, match="SystemExit"):
        crash_of(raising(SystemExit(3)))


def test_a_killed_process_is_not_a_crash_of_the_slide():
    with pytest.raises(MemoryError, match="SIGKILL"):
        crash_of(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(RuntimeError, match="SIGTERM"):
        crash_of(lambda: os.kill(os.getpid(), signal.SIGTERM))


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_the_process_ends_with_its_parent(ending):
    code = "import time, histotransfer.core.crashes as c; c.crash_of(lambda: time.sleep(99))"
    parent = psutil.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")},
        stderr=subprocess.DEVNULL,
    )
    while not (children := parent.children()):
        time.sleep(0.01)
    parent.send_signal(ending)
    parent.wait(20)
    _, alive = psutil.wait_procs(children, 20)
    assert not alive


def test_what_crashes_is_run_again_with_the_crash(tmp_path: Path):
    def read(crash: str = "") -> None:
        if not crash:
            os.kill(os.getpid(), signal.SIGSEGV)
        (tmp_path / "crash").write_text(crash)

    isolated(read)()
    assert (tmp_path / "crash").read_text() == "SIGSEGV"


def test_a_slide_at_which_openslide_crashes_is_listed_at_either_stage(tmp_path: Path):
    slide, tiles = write_crashing_slide(tmp_path / "S.svs"), tmp_path / "t.h5"
    read = partial(unwrap(tile_slide), slide, tiles, slide="S", sheet_mpp=None, parameters=TILING)
    crash = crash_of(read)
    if not crash:
        pytest.skip("on this machine, OpenSlide does not crash at this slide")
    assert crash == "SIGFPE"
    assert not tiles.exists()
    tile_slide(slide, tiles, slide="S", sheet_mpp=None, parameters=TILING)
    unwrap(extract_patches)(
        slide, tiles, tmp_path / "m.h5", tmp_path / "p.h5", slide="S", reference_path=None,
        parameters=PATCHES, crash="SIGSEGV",
    )  # fmt: skip
    for name, schema, signal_name in (
        ("t.h5", "tiles/1", "SIGFPE"),
        ("m.h5", "metrics/1", "SIGSEGV"),
        ("p.h5", "patches/1", "SIGSEGV"),
    ):
        with open_store(tmp_path / name, schema, slide="S") as store:
            assert store.attrs["code"] == "slide_crashes_reader"
            assert store.attrs["detail"] == signal_name
            assert store.attrs["remedy"].startswith("Copy or download the slide again")
