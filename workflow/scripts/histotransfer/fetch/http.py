"""Downloads: resumed where they broke off, checked, whole or not at all.

requests speaks HTTP, and urllib3's `Retry` decides which failed requests are repeated and when.
Neither resumes a body that broke off (RFC 9110, section 14: range requests); this module does.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.util import Retry

from ..core.errors import HistotransferError
from ..core.files import raise_if_unwritable

log = logging.getLogger(__name__)

REPEATED = (408, 429, 500, 502, 503, 504)
"""Status codes that may change at another try."""
_BLOCK = 1 << 16
_LONGEST_WAIT_S = 120.0


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait for a server, and how often to try again.

    Attributes
    ----------
    timeout_s : float
        Seconds without a byte after which a connection counts as lost.
    retries : int
        Failures in a row, none of which brought a byte, before a file is given up.
    backoff_s : float
        Seconds before the second retry; they double with each further one. A server's own
        ``Retry-After`` is obeyed.
    """

    timeout_s: float = 60.0
    retries: int = 7
    backoff_s: float = 1.0

    def wait_s(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        return min(self.backoff_s * 2 ** (failures - 1), _LONGEST_WAIT_S) if failures > 1 else 0.0


@dataclass(frozen=True)
class Remote:
    """A file on a server: its digest is such as ``md5:0123…``, its size in bytes."""

    url: str
    digest: str
    size: int | None = None


class _BrokenOffError(Exception):
    """A body that ended too soon, or does not resume where the last one ended."""


class _SaidRetry(Retry):
    """Says that it waits, and why, instead of being silent for minutes."""

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait, and say for how long."""
        last = self.history[-1]
        cause = f"answers {last.status}" if last.status else f"cannot be asked ({last.error})"
        asked = response and self.get_retry_after(response)
        wait = asked or self.get_backoff_time()
        say(f"{last.url} {cause}: asking again in {wait:.0f} s, up to {self.total} more times")
        super().sleep(response)


def say(text: str) -> None:
    """Tell the log and the terminal, since somebody waits."""
    log.warning("%s", text)
    print(text, file=sys.stderr, flush=True)


def open_session(policy: RetryPolicy) -> requests.Session:
    """Open a session that repeats requests that failed temporarily."""
    retries = _SaidRetry(
        total=policy.retries,
        backoff_factor=policy.backoff_s,
        backoff_max=_LONGEST_WAIT_S,
        status_forcelist=REPEATED,
        allowed_methods=None,  # a POST to the GDC is a search: repeating it changes nothing
    )
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    return session


def ask(
    session: requests.Session,
    method: str,
    url: str,
    policy: RetryPolicy,
    body: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the JSON object that an address answers; an answer that breaks off is asked for again.

    Raises
    ------
    requests.RequestException
        If the server cannot be reached, keeps failing, or answers with something other than JSON.
    """
    failures = 0
    while True:
        try:
            answer = session.request(method, url, json=body, timeout=policy.timeout_s)
            _check(answer)
            value = answer.json()
        except requests.exceptions.ChunkedEncodingError as error:
            failures += 1
            if failures > policy.retries:
                raise
            wait = policy.wait_s(failures)
            say(f"{url} broke off ({error}): asking again in {wait:.0f} s")
            time.sleep(wait)
            continue
        if not isinstance(value, dict):
            raise requests.exceptions.InvalidJSONError(f"{url} does not answer with a JSON object")
        return value


def _check(answer: requests.Response) -> None:
    """Raise an error of HTTP with the reason that the server gives, if it gives one as JSON."""
    try:
        answer.raise_for_status()
    except requests.HTTPError as error:
        try:
            said = answer.json()
        except requests.exceptions.JSONDecodeError:
            raise error from None
        reason = (said.get("message") or said.get("error")) if isinstance(said, dict) else None
        if not reason:
            raise
        raise requests.HTTPError(f"{error}: {str(reason)[:300]}", response=answer) from error


def download(remote: Remote, path: str | Path, policy: RetryPolicy | None = None) -> None:
    """Fetch one file.

    What has arrived is kept beside `path` as ``.part``, and a further call resumes there. A file
    gets its name only if its digest is right; if not, it is fetched once more from the start, in
    case an earlier part was at fault.

    Raises
    ------
    HistotransferError
        If the server refuses the file or keeps failing, the disk has no room for it, or its bytes
        do not match the digest.
    """
    path, policy = Path(path), policy or RetryPolicy()
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_session(policy) as session:
            for _ in range(2):
                _fill(session, remote, part, policy)
                found = digest(part, remote.digest.partition(":")[0])
                if found == remote.digest:
                    part.replace(path)
                    log.info("%s: %d bytes, %s", path, path.stat().st_size, found)
                    return
                log.warning("%s: bytes of %s, expected %s", remote.url, found, remote.digest)
                part.unlink()
    except OSError as error:
        raise_if_unwritable(path, error)
        raise
    raise HistotransferError(
        remote.url,
        f"answered twice with other bytes ({found}, expected {remote.digest})",
        "Check in a browser whether a log-in page or a proxy answers instead; if the file itself "
        "has changed, correct its digest",
    )


def download_all(
    wanted: Iterable[tuple[Remote, Path]], connections: int, policy: RetryPolicy | None = None
) -> None:
    """Fetch many files, `connections` at a time.

    A file that is there with the right number of bytes is not fetched again, since it got its name
    only when its digest was right.

    Raises
    ------
    HistotransferError
        If the disk has no room for all of them, or as `download` does, for the first that fails;
        no further one is then begun.
    """
    missing = [
        (remote, path)
        for remote, path in wanted
        if not (path.exists() and path.stat().st_size == remote.size)
    ]
    if not missing:
        return
    check_space(missing[0][1].parent, sum(remote.size or 0 for remote, _ in missing))
    with ThreadPoolExecutor(connections) as pool:
        started = [pool.submit(download, remote, path, policy) for remote, path in missing]
        try:
            for job in started:
                job.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def digest(path: str | Path, algorithm: str) -> str:
    """Return a file's digest after its algorithm's name, such as ``md5:0123…``."""
    with Path(path).open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def check_space(folder: Path, size: int) -> None:
    """Raise a HistotransferError if the disk of a folder, or of its parent, lacks `size` bytes."""
    folder = next(place for place in (folder, *folder.parents) if place.is_dir())
    free = shutil.disk_usage(folder).free
    if size > free:
        raise HistotransferError(
            folder,
            f"has {free / 1e9:.2f} GB left and needs {size / 1e9:.2f} GB",
            "Free some space, or put `download.folder` on a larger disk",
        )


def _fill(session: requests.Session, remote: Remote, part: Path, policy: RetryPolicy) -> None:
    """Fetch what `part` lacks, in as many requests as necessary."""
    failures, furthest, now = 0, 0, part.stat().st_size if part.exists() else 0
    while True:
        furthest = max(furthest, now)
        try:
            return _append(session, remote, part, now, policy)
        except (requests.RequestException, _BrokenOffError) as error:
            now = part.stat().st_size if part.exists() else 0
            failures = 0 if now > furthest else failures + 1
            # The session has repeated failed requests already, but not bodies that broke off.
            final = not isinstance(error, _BrokenOffError) or failures > policy.retries
            if final:
                raise HistotransferError(
                    remote.url,
                    f"could not be fetched ({error})",
                    f"Run again when the network is back; the {now} bytes that arrived are kept",
                ) from error
            wait = policy.wait_s(failures)
            say(f"{remote.url} broke off at {now} bytes ({error}): going on in {wait:.0f} s")
            time.sleep(wait)


def _append(
    session: requests.Session, remote: Remote, part: Path, have: int, policy: RetryPolicy
) -> None:
    """Append one answer's bytes to a file that has `have` bytes."""
    headers = {"Accept-Encoding": "identity"}  # the digest is of the file as it is stored
    if have:
        headers["Range"] = f"bytes={have}-"
    with session.get(remote.url, headers=headers, stream=True, timeout=policy.timeout_s) as answer:
        if have and answer.status_code == requests.codes.requested_range_not_satisfiable:
            if answer.headers.get("Content-Range", "") == f"bytes */{have}":
                return  # it was complete
            part.unlink()
            raise _BrokenOffError("the server has fewer bytes than arrived before")
        if not answer.ok:
            raise HistotransferError(
                remote.url,
                f"is refused by the server ({answer.status_code} {answer.reason})",
                "Try the address in a browser; if the list of files is old, make it again: "
                "make sheets",
            )
        if answer.status_code != requests.codes.partial_content:
            have = 0  # a server without ranges starts again
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()
            raise _BrokenOffError("the server resumes at another place")
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length is not None else remote.size
        if remote.size is not None and total != remote.size:
            raise HistotransferError(
                remote.url,
                f"has {total} bytes, expected {remote.size}",
                "The file has changed, or a log-in page answers instead; try it in a browser",
            )
        check_space(part.parent, (total or have) - have)
        with part.open("ab" if have else "wb") as file:
            try:
                for block in answer.iter_content(_BLOCK):
                    file.write(block)
            except requests.RequestException as error:
                raise _BrokenOffError(str(error)) from error
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
    if total is not None and size < total:
        raise _BrokenOffError(f"{size} of {total} bytes")
