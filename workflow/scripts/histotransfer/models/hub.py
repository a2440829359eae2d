"""Files of the Hugging Face Hub: of one commit, fetched again where that helps, and checked.

huggingface_hub resumes what broke off and keeps the files in its own cache (`HF_HOME`), so what was
fetched before, by whatever tool, is not fetched again. The token is that of the environment
(`HF_TOKEN`). The library compares sizes only; here the digests are compared, too.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from pathlib import Path

from ..core.errors import HistotransferError
from ..core.files import file_digest
from ..fetch.http import REPEATED, RetryPolicy

log = logging.getLogger(__name__)

CONFIG, CARD = "config.json", "README.md"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""The first that a repository has is taken."""
POLICY = RetryPolicy(retries=2)  # the library itself tries again, too


def fetch_network(repository: str, revision: str, policy: RetryPolicy = POLICY) -> Path:
    """Fetch a network of timm: its config, its weights and its card.

    Parameters
    ----------
    repository : str
        ``OWNER/REPOSITORY``.
    revision : str
        The 40 digits of a commit.
    policy : RetryPolicy
        How often to try again.

    Returns
    -------
    Path
        The folder of the commit's files; there may be more than this.

    Raises
    ------
    HistotransferError
        If the hub does not give a file, or sends other bytes than it announced.
    """
    folder = _file(repository, revision, CONFIG, policy).parent
    try:
        _file(repository, revision, CARD, policy)
    except _AbsentError:
        log.info("%s has no card", repository)
    for name in WEIGHTS:
        try:
            _file(repository, revision, name, policy)
        except _AbsentError:
            continue
        return folder
    raise HistotransferError(
        repository,
        f"has neither {' nor '.join(WEIGHTS)} at {revision}",
        "Choose a repository of timm, or use features of another tool ({features: FOLDER})",
    )


class _AbsentError(HistotransferError):
    """A repository does not have a file."""


def _file(repository: str, revision: str, name: str, policy: RetryPolicy) -> Path:
    """Fetch a file, or take it from the cache, and check its bytes."""
    path = _tried(repository, revision, name, policy)
    if _is_whole(path):
        return path
    log.warning("%s: %s has other bytes than announced; fetching it again", repository, name)
    _stored(path).unlink()
    path = _tried(repository, revision, name, policy, again=True)
    if _is_whole(path):
        return path
    _stored(path).unlink()
    raise HistotransferError(
        repository,
        f"{name} came twice with other bytes than the hub announces",
        "Check whether a proxy answers instead of the hub, and run again",
    )


def _tried(
    repository: str, revision: str, name: str, policy: RetryPolicy, *, again: bool = False
) -> Path:
    """Fetch a file, and try again where the network or the server may recover."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from huggingface_hub import errors, hf_hub_download

    for client in ("httpx", "httpx2"):  # its addresses are signed, so they are not for a log
        logging.getLogger(client).setLevel(logging.WARNING)
    page = f"https://huggingface.co/{repository}"
    failures = 0
    while True:
        try:
            found = hf_hub_download(repository, name, revision=revision, force_download=again)
        except errors.GatedRepoError as error:
            raise HistotransferError(
                repository,
                "is open only to accounts that accepted its terms",
                f"Accept them at {page} and set HF_TOKEN to a token of that account",
            ) from error
        except errors.RevisionNotFoundError as error:
            raise HistotransferError(
                repository, f"has no commit {revision}", f"Choose one of {page}/commits/main"
            ) from error
        except errors.RepositoryNotFoundError as error:
            raise HistotransferError(
                repository,
                "is not on the hub, or not open to this account",
                f"Look at {page}; if it is private, set HF_TOKEN to a token of an account that "
                "may read it",
            ) from error
        except errors.RemoteEntryNotFoundError as error:
            raise _AbsentError(repository, f"has no {name}", f"Look at {page}") from error
        except OSError as error:  # of the hub's own kinds, these are the ones that may pass
            failures += 1
            if failures > policy.retries or not _may_pass(error):
                raise HistotransferError(
                    repository,
                    f"{name} could not be fetched ({error})",
                    "Run on a machine with internet access, or fetch it there with `hf download "
                    f"{repository} --revision {revision}` and set HF_HOME to a copy of its cache",
                ) from error
            log.warning("%s: %s (%s)", repository, name, error)
            time.sleep(policy.wait_s(failures))
        else:
            return Path(found)


def _may_pass(error: OSError) -> bool:
    """Tell whether another try may succeed: the server is busy, or the network is away."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status is None or status in REPEATED


def _is_whole(path: Path) -> bool:
    """Compare a file of the cache with its digest, which is its name there (Git's, or SHA-256)."""
    name = _stored(path).name
    if re.fullmatch("[0-9a-f]{64}", name):
        return file_digest(path) == name
    if re.fullmatch("[0-9a-f]{40}", name):
        content = path.read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        return blob.hexdigest() == name
    log.info("%s: the cache does not tell its digest", path)
    return True


def _stored(path: Path) -> Path:
    """Return the file of the cache to which a name in a commit's folder points."""
    return path.parent / path.readlink() if path.is_symlink() else path
