"""Downloads from a server that fails in every way it can, and archives that do not stay inside."""

from __future__ import annotations

import os
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.fetch import http as module
from histotransfer.fetch import zenodo
from histotransfer.fetch.archives import unpack
from histotransfer.fetch.http import Remote, RetryPolicy, download, download_all
from support.disks import small_files
from support.loopback import RECORD, Archive, md5, serving
from support.parameters import QUICK

CONTENT = np.random.default_rng(0).bytes(500_000)
PATH = "/data/x"


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serving(Archive()) as served:
        served.data[PATH] = CONTENT
        yield served


def remote(archive: Archive, size: int | None = len(CONTENT)) -> Remote:
    return Remote(archive.address + PATH, f"md5:{md5(CONTENT)}", size)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_comes_whole_and_readable_to_others(archive, tmp_path):
    download(remote(archive), tmp_path / "a/x.bin", QUICK)
    assert (tmp_path / "a/x.bin").read_bytes() == CONTENT
    assert left_in(tmp_path) == ["x.bin"]
    assert stat.S_IMODE((tmp_path / "a/x.bin").stat().st_mode) == 0o666 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    ("faults", "ranges"),
    [
        ([500, 503, 429], 4 * [""]),
        (["drop:200000"], ["", "resumed"]),
        (["drop:100000", 500, "drop:100000", "hang"], ["", *4 * ["resumed"]]),
        (["drop:0", "drop:0", "drop:0"], 4 * [""]),
        (["hang"], ["", ""]),
        (["slow:0.01"], [""]),
        (["chunked"], [""]),
        (["drop:200000", "whole"], ["", "resumed"]),
        (["drop:200000", "shifted"], ["", "resumed", ""]),
        (["other"], ["", ""]),
        (["drop:200000", "other"], ["", "resumed", ""]),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, list) else None,
)  # fmt: skip
def test_what_fails_for_the_moment_is_repeated_from_where_it_broke_off(
    archive, tmp_path, faults, ranges
):
    archive.faults[PATH] = list(faults)
    download(remote(archive), tmp_path / "x", QUICK)
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert left_in(tmp_path) == ["x"]
    asked = archive.ranges(PATH)
    assert ["resumed" if header else "" for header in asked] == ranges
    assert archive.faults[PATH] == []


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_further_call_goes_on_where_the_last_one_was_given_up(archive, tmp_path, size):
    archive.faults[PATH] = ["drop:300000", *["drop:0"] * 9]
    with pytest.raises(HistotransferError, match="bytes that arrived are kept"):
        download(remote(archive, size), tmp_path / "x", QUICK)
    assert left_in(tmp_path) == ["x.part"]
    have = (tmp_path / "x.part").stat().st_size
    assert 200_000 < have <= 300_000
    archive.faults[PATH] = []
    download(remote(archive, size), tmp_path / "x", QUICK)
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert archive.ranges(PATH)[-1] == f"bytes={have}-"


@pytest.mark.parametrize("beyond", [0, 7])
def test_a_part_that_is_whole_or_too_long_does_no_harm(archive, tmp_path, beyond):
    (tmp_path / "x.part").write_bytes(CONTENT + bytes(beyond))
    download(remote(archive), tmp_path / "x", QUICK)
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ([404], r"refused by the server \(404 Not Found\)"),
        ([403], r"refused by the server \(403 Forbidden\)"),
        ([500] * 9, "could not be fetched .*500"),
        (["hang"] * 9, "could not be fetched .*timed out"),
        (["drop:0"] * 9, "could not be fetched"),
        (["other"] * 9, "twice with other bytes"),
        (["drop:200000", "shifted"] * 9, "could not be fetched"),
        (["short"] * 9, "has 250000 bytes, expected 500000"),
    ],
)
def test_what_fails_for_good_is_said_and_leaves_no_file(archive, tmp_path, faults, message):
    archive.faults[PATH] = list(faults)
    with pytest.raises(HistotransferError, match=message) as caught:
        download(remote(archive), tmp_path / "x", QUICK)
    assert caught.value.subject == archive.address + PATH
    assert "x" not in left_in(tmp_path)
    assert len(archive.ranges(PATH)) <= QUICK.retries + 2


def test_a_short_answer_of_a_file_of_unknown_size_is_noticed_by_its_digest(archive, tmp_path):
    archive.faults[PATH] = ["short"] * 2
    with pytest.raises(HistotransferError, match="other bytes"):
        download(remote(archive, None), tmp_path / "x", QUICK)


def test_a_server_that_is_not_there_is_given_up(tmp_path):
    nowhere = Remote("http://127.0.0.1:9/x", "md5:0", None)
    with pytest.raises(HistotransferError, match="could not be fetched"):
        download(nowhere, tmp_path / "x", QUICK)


def test_waiting_doubles_and_has_an_end():
    policy = RetryPolicy(backoff_s=1)
    waits = [policy.wait_s(failures) for failures in range(12)]
    assert waits[:5] == [0, 0, 2, 4, 8]
    assert max(waits) == 120


def test_no_byte_is_fetched_that_the_disk_has_no_room_for(archive, tmp_path, monkeypatch):
    full = shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: full)
    with pytest.raises(HistotransferError, match=r"0\.00 GB left.*download\.folder"):
        download(remote(archive), tmp_path / "x", QUICK)
    assert left_in(tmp_path) == []
    asked = len(archive.asked)
    with pytest.raises(HistotransferError, match="GB left"):
        download_all([(remote(archive), tmp_path / "y")], 2, QUICK)
    assert len(archive.asked) == asked
    # What is there already needs no room.
    (tmp_path / "z.part").write_bytes(CONTENT[:-900])
    download(remote(archive), tmp_path / "z", QUICK)


def test_many_files_come_a_few_at_a_time_and_only_those_that_are_missing(archive, tmp_path):
    wanted = []
    for number in range(12):
        content = CONTENT[: 70_000 + number]
        archive.data[f"/data/{number}"] = content
        archive.faults[f"/data/{number}"] = ["slow:0.1"]
        entry = Remote(f"{archive.address}/data/{number}", f"md5:{md5(content)}", len(content))
        wanted.append((entry, tmp_path / f"{number}.bin"))
    (tmp_path / "3.bin").write_bytes(archive.data["/data/3"])
    (tmp_path / "4.bin").write_bytes(b"half")
    download_all(wanted, 3, QUICK)
    assert all(path.read_bytes() == CONTENT[: entry.size] for entry, path in wanted)
    assert 1 < archive.most_at_once <= 3
    assert archive.ranges("/data/3") == []
    asked = len(archive.asked)
    download_all(wanted, 3, QUICK)
    assert len(archive.asked) == asked


def test_the_first_failure_ends_many(archive, tmp_path):
    wanted = [
        (Remote(f"{archive.address}/data/{number}", "md5:0", 5), tmp_path / str(number))
        for number in range(50)
    ]
    with pytest.raises(HistotransferError, match=r"data/0: is refused by the server \(404"):
        download_all(wanted, 2, QUICK)
    assert len(archive.asked) < 50


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.one_of(
            st.sampled_from([500, 429, "whole", "chunked", "shifted", "other"]),
            st.integers(0, 200_000).map(lambda n: f"drop:{n}"),
        ),
        max_size=3,
    ),
    have=st.one_of(st.none(), st.integers(0, len(CONTENT))),
)
def test_whatever_goes_wrong_the_bytes_are_right_or_there_are_none(archive, tmp_path, faults, have):
    """Of three faults at most one can bring other bytes on both tries."""
    archive.faults[PATH] = list(faults)
    part, path = tmp_path / "x.part", tmp_path / "x"
    path.unlink(missing_ok=True)
    part.unlink(missing_ok=True)
    if have is not None:
        part.write_bytes(CONTENT[:have])
    try:
        download(remote(archive), path, QUICK)
    except HistotransferError:
        assert faults.count("other") >= 2
        assert not path.exists()
    else:
        assert path.read_bytes() == CONTENT
        assert not part.exists()


def test_a_records_file_is_checked_by_the_record_and_the_config(archive, tmp_path):
    archive.add_to_record("set.zip", CONTENT)
    record = archive.address + RECORD
    zenodo.fetch(record, "set.zip", md5(CONTENT), tmp_path / "a.zip", QUICK)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    with pytest.raises(HistotransferError, match=r"has the digest md5:.*config gives md5:000"):
        zenodo.fetch(record, "set.zip", "000", tmp_path / "b.zip", QUICK)
    with pytest.raises(HistotransferError, match=r"has no file other\.zip \(set\.zip\)"):
        zenodo.fetch(record, "other.zip", "000", tmp_path / "b.zip", QUICK)
    # A record that does not answer leaves the check to the config's digest.
    archive.faults[f"/api{RECORD}"] = [404, 404]
    zenodo.fetch(record, "set.zip", md5(CONTENT), tmp_path / "c.zip", QUICK)
    with pytest.raises(HistotransferError, match="other bytes"):
        zenodo.fetch(record, "set.zip", "000", tmp_path / "d.zip", QUICK)
    assert left_in(tmp_path) == ["a.zip", "c.zip"]


def make_zip(path: Path, members: dict[str, bytes | None], links: dict[str, str] = {}) -> Path:  # noqa: B006
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content or b"")
        for name, target in links.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    return path


@pytest.mark.parametrize("top", ["SET/", "", "a/b/"])
def test_an_archives_folder_is_unpacked_as_ours(tmp_path, top):
    archive = make_zip(tmp_path / "x.zip", {f"{top}ADI/1.tif": b"1", f"{top}TUM/2.tif": b"2"})
    unpack(archive, tmp_path / "data/set")
    inside = "b/" if top == "a/b/" else ""
    assert (tmp_path / f"data/set/{inside}ADI/1.tif").read_bytes() == b"1"
    assert (tmp_path / f"data/set/{inside}TUM/2.tif").read_bytes() == b"2"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["set"]


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "A/../../x", "..\\x", "C:\\x", "C:x", "\\\\host\\share\\x", "A/.."]
)
def test_a_member_that_leaves_the_folder_is_refused(tmp_path, name):
    archive = make_zip(tmp_path / "x.zip", {"A/1.tif": b"1", name: b"evil"})
    with pytest.raises(HistotransferError, match=r"x\.zip.*would leave the folder"):
        unpack(archive, tmp_path / "data/set")
    assert left_in(tmp_path) == ["x.zip"]
    assert not (tmp_path / "data/set").exists()


def test_links_are_refused(tmp_path):
    archive = make_zip(tmp_path / "x.zip", {"A/1.tif": b"1"}, {"A/link": "/etc/passwd"})
    with pytest.raises(HistotransferError, match="is a link"):
        unpack(archive, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_damaged_empty_and_too_large_archives_leave_nothing(tmp_path, monkeypatch):
    sound = make_zip(tmp_path / "sound.zip", {"A/1.tif": CONTENT, "A/2.tif": b"2"})
    content = bytearray(sound.read_bytes())
    content[1000] ^= 255
    (tmp_path / "bit.zip").write_bytes(content)
    (tmp_path / "half.zip").write_bytes(content[: len(content) // 2])
    (tmp_path / "page.zip").write_bytes(b"<html>log in</html>")
    for name in ("bit", "half", "page"):
        with pytest.raises(HistotransferError, match=rf"{name}\.zip: is not a sound zip"):
            unpack(tmp_path / f"{name}.zip", tmp_path / "set")
    with pytest.raises(HistotransferError, match="is empty"):
        unpack(make_zip(tmp_path / "empty.zip", {}), tmp_path / "set")
    full = shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: full)
    with pytest.raises(HistotransferError, match="GB left"):
        unpack(sound, tmp_path / "set")
    assert not (tmp_path / "set").exists()
    assert len(list(tmp_path.iterdir())) == 5


def test_an_archive_with_a_name_that_is_not_text_is_refused(tmp_path):
    archive = make_zip(tmp_path / "x.zip", {"A/ü.tif": b"1"})
    archive.write_bytes(archive.read_bytes().replace("ü".encode(), b"\x80\x80"))
    with pytest.raises(HistotransferError, match=r"x\.zip: is not a sound zip archive .*utf-8"):
        unpack(archive, tmp_path / "set")


def test_a_disk_that_fills_up_under_a_download_or_an_archive_is_named(archive, tmp_path):
    members = make_zip(tmp_path / "x.zip", {"A/1.tif": CONTENT})
    with small_files(100_000):
        with pytest.raises(HistotransferError, match=r"y: cannot be written .*exceeds the"):
            download(remote(archive), tmp_path / "y", QUICK)
        with pytest.raises(HistotransferError, match=r"set: cannot be written .*exceeds the"):
            unpack(members, tmp_path / "set")
    assert left_in(tmp_path) == ["x.zip", "y.part"]
    download(remote(archive), tmp_path / "y", QUICK)
    assert archive.ranges(PATH)[-1].startswith("bytes=")
    assert (tmp_path / "y").read_bytes() == CONTENT
    unpack(members, tmp_path / "set")


def test_an_empty_folder_in_the_place_is_replaced_and_a_full_one_is_not(tmp_path):
    archive = make_zip(tmp_path / "x.zip", {"A/1.tif": b"1"})
    (tmp_path / "set").mkdir()
    unpack(archive, tmp_path / "set")
    assert left_in(tmp_path / "set") == ["1.tif"]
    with pytest.raises(OSError, match="not empty"):
        unpack(archive, tmp_path / "set")


def test_a_slow_server_is_waited_for_as_long_as_bytes_come(archive, tmp_path):
    archive.faults[PATH] = ["slow:0.1"]
    started = time.monotonic()
    download(remote(archive), tmp_path / "x", QUICK)
    assert time.monotonic() - started > QUICK.timeout_s
    assert archive.ranges(PATH) == [""]
