"""Downloaded archives: unpacked into their folder, and nowhere else."""

from __future__ import annotations

import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..core.errors import HistotransferError
from ..core.files import raise_if_unwritable
from .http import check_space


def unpack(archive: str | Path, folder: str | Path) -> None:
    """Unpack a zip archive; the folder, not there before or empty, appears whole or not at all.

    Where the archive holds one folder and nothing else, its contents are what is unpacked.

    Raises
    ------
    HistotransferError
        If the archive is damaged, has a member that would lie outside the folder or is a link, or
        the disk has no room.
    """
    archive, folder = Path(archive), Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
        unpacked = Path(name) / "unpacked"
        try:
            with zipfile.ZipFile(archive) as opened:
                members = opened.infolist()
                for member in members:
                    if fault := _fault(member):
                        raise HistotransferError(
                            archive,
                            f"its member {member.filename!r} {fault}; nothing was unpacked",
                            "Do not use such an archive; find out where it comes from",
                        )
                check_space(folder.parent, sum(member.file_size for member in members))
                opened.extractall(unpacked, members)
        except HistotransferError:
            raise
        except Exception as error:  # of a damaged archive, zipfile raises errors of any kind
            raise_if_unwritable(folder, error)
            raise HistotransferError(
                archive, f"is not a sound zip archive ({error})", "Delete it to fetch it again"
            ) from error
        inside = list(unpacked.iterdir()) if members else []
        if not inside:
            raise HistotransferError(archive, "is empty", "Delete it to fetch it again")
        root = inside[0] if len(inside) == 1 and inside[0].is_dir() else unpacked
        root.replace(folder)


def _fault(member: zipfile.ZipInfo) -> str:
    """Say what is wrong with a member, if anything is."""
    # Both kinds of path, since an archive made on Windows may say `..\\x`. (`orig_filename` is the
    # archive's own name; zipfile changes `filename` where it has a null byte.)
    for path in (PurePosixPath(member.orig_filename), PureWindowsPath(member.orig_filename)):
        if path.is_absolute() or path.drive or ".." in path.parts:
            return "would leave the folder"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    return ""
