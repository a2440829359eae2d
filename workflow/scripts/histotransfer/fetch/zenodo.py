"""Records of Zenodo: their files and digests."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import quote

import requests

from ..core.errors import HistotransferError
from .http import Remote, RetryPolicy, ask, download, open_session

log = logging.getLogger(__name__)


def fetch(
    record: str, file: str, md5: str, out_path: str | Path, policy: RetryPolicy | None = None
) -> None:
    """Fetch a file of a record.

    The record, such as ``https://zenodo.org/records/1214456``, is first asked for the file's size
    and digest. If it answers, its digest must match `md5`; if it does not, `md5` alone decides.

    Raises
    ------
    HistotransferError
        If the record has no such file, or one with another digest, or as `download` does.
    """
    policy = policy or RetryPolicy()
    md5, size = f"md5:{md5}", None
    listed = _listed(record, policy)
    if listed is not None:
        if file not in listed:
            raise HistotransferError(
                record, f"has no file {file} ({', '.join(sorted(listed))})", "Correct `file`"
            )
        promised, size = listed[file]
        if promised != md5:
            raise HistotransferError(
                f"{record}: {file}",
                f"has the digest {promised}, but the config gives {md5}",
                "Correct the dataset's `md5` in the config if you trust the record",
            )
    download(Remote(f"{record}/files/{quote(file)}?download=1", md5, size), out_path, policy)


def _listed(record: str, policy: RetryPolicy) -> dict[str, tuple[str, int]] | None:
    """Return the digest and size of each of the record's files, or None if it does not answer."""
    address = record.replace("/records/", "/api/records/")
    try:
        with open_session(policy) as session:
            files = ask(session, "GET", address, policy)["files"]
        return {str(file["key"]): (file["checksum"], int(file["size"])) for file in files}
    # An answer of another form raises any of the others.
    except (requests.RequestException, LookupError, TypeError, ValueError, OverflowError) as error:
        log.warning("%s does not give its digests (%s); the config's decides", address, error)
        return None
