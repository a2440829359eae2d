"""A server on the loopback that speaks as the Hugging Face Hub does, and fails where it is told."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from support.loopback import Quiet, served

REVISION = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """A repository at one commit.

    ``faults[name]`` are what happens to the next requests of a file, in turn: a status code, or
    ``"other"`` (other bytes of the same number) or ``"drop"`` (the connection ends half way).
    """

    def __init__(self, repository: str, files: dict[str, bytes], token: str = "") -> None:
        self.repository, self.files, self.token = repository, files, token
        self.faults: dict[str, list[int | str]] = {}
        self.asked: list[str] = []
        self.address = ""


def etag(name: str, content: bytes) -> str:
    """Return what the hub calls a file: weights by SHA-256, others as Git does."""
    if name.endswith((".safetensors", ".bin")):
        return hashlib.sha256(content).hexdigest()
    blob = b"blob %d\0" % len(content) + content
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest()


class Handler(Quiet):
    hub: Hub

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        found = re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", unquote(self.path.partition("?")[0]))
        if found is None or found[1] != self.hub.repository:
            return self.refuse(404, X_Error_Code="RepoNotFound")
        _, revision, name = found.groups()
        if body:
            self.hub.asked.append(name)
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self.refuse(401, X_Error_Code="GatedRepo")
        if revision != REVISION:
            return self.refuse(404, X_Error_Code="RevisionNotFound")
        if name not in self.hub.files:
            return self.refuse(404, X_Error_Code="EntryNotFound")
        waiting = self.hub.faults.get(name)
        fault = waiting.pop(0) if waiting and body else None
        if isinstance(fault, int):
            return self.refuse(fault)
        content = self.hub.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{etag(name, content)}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if fault == "drop":
            content, self.close_connection = content[: len(content) // 2], True
        if fault == "other":
            content = bytes(255 - byte for byte in content)
        if body:
            self.wfile.write(content)
        return None


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve a hub."""
    with served(Handler, hub=hub) as hub.address:
        yield hub
