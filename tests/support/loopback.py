"""A server on the loopback that speaks as the GDC and Zenodo do, and fails where it is told to."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

RECORD = "/records/1214456"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


BAD_FILTER = "the filter is not valid"
UNKNOWN_FIELD = "unrecognized values: [cases.samples.sample_type]"
"""As the GDC warns (200, not 400) of a field that its dictionary no longer has."""


class Archive:
    """What is served, what goes wrong with it, and what was asked for.

    ``faults[path]`` are what happens to the next requests of a path, in turn: a status code, or
    ``"drop:n"`` (the connection ends after n bytes of the body), ``"slow:s"`` (s seconds before
    each block; how many wait at once is counted), ``"hang"`` (no byte for a second), ``"other"``
    (other bytes of the same number), ``"short"`` (fewer bytes, and a Content-Length that fits
    them), ``"whole"`` (ranges ignored), ``"chunked"`` (no Content-Length), ``"shifted"`` (a range
    that begins elsewhere), ``"grown"`` (a search's total is one more), ``"warned"`` (a search
    that warns of a field). A search refused with 400 says why, as the GDC does.
    """

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.files: list[dict[str, Any]] = []
        self.cases: list[dict[str, Any]] = []
        self.record: dict[str, bytes] = {}
        self.release = "Data Release 45.0 - December 04, 2025"
        self.faults: dict[str, list[int | str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.searches: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = 0
        self.address = ""
        self.lock = threading.Lock()

    def add_file(self, file_id: str, content: bytes, **facts: Any) -> None:
        """Serve a file of the GDC."""
        self.data[f"/data/{file_id}"] = content
        self.files.append(
            {
                "file_id": file_id, "file_name": f"{file_id}.bin", "access": "open",
                "md5sum": md5(content), "file_size": len(content), **facts,
            }
        )  # fmt: skip

    def add_to_record(self, name: str, content: bytes) -> None:
        """Serve a file of a Zenodo record."""
        self.record[name] = content
        self.data[f"{RECORD}/files/{name}"] = content

    def ranges(self, path: str) -> list[str]:
        """Return the Range headers with which a path was asked for."""
        return [asked for at, asked in self.asked if at == path]


def values(entity: Any, field: str) -> list[Any]:
    """Return a dotted field's values; lists on the way are gone through."""
    found = [entity]
    for name in field.split("."):
        found = [item.get(name) for item in found if isinstance(item, dict)]
        found = [x for item in found for x in (item if isinstance(item, list) else [item])]
    return found


def matches(entity: dict[str, Any], filters: dict[str, Any]) -> bool:
    content = filters["content"]
    if filters["op"] == "and":
        return all(matches(entity, part) for part in content)
    assert filters["op"] == "in"
    return bool(set(content["value"]) & set(values(entity, content["field"])))


def chosen(entity: Any, fields: list[str]) -> Any:
    """Return only the fields that were asked for."""
    if isinstance(entity, list):
        return [chosen(item, fields) for item in entity]
    kept = {}
    for name in {field.split(".")[0] for field in fields} & entity.keys():
        below = [f.partition(".")[2] for f in fields if f.startswith(f"{name}.")]
        kept[name] = chosen(entity[name], below) if below else entity[name]
    return kept


class Quiet(http.server.BaseHTTPRequestHandler):
    """A handler that keeps connections open, logs nothing, and can refuse."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def refuse(self, status: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


class Handler(Quiet):
    archive: Archive

    def refuse(self, status: int, **headers: str) -> None:
        at_once = {"Retry_After": "0"} if status == 429 else {}
        super().refuse(status, **at_once, **headers)

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        with self.archive.lock:
            self.archive.asked.append((path, self.headers.get("Range", "")))
        self.answer_get(path, self.fault(path))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        endpoint = self.path.strip("/")
        self.archive.searches.append({"endpoint": endpoint, **asked})
        fault = self.fault(self.path)
        if fault == 400:
            error = {"error": "Bad Request", "message": BAD_FILTER}
            return self.send(json.dumps(error).encode(), None, 400)
        if isinstance(fault, int):
            return self.refuse(fault)
        known = {"files": self.archive.files, "cases": self.archive.cases}[endpoint]
        found = [entity for entity in known if matches(entity, asked["filters"])]
        field, _, direction = asked["sort"].partition(":")
        found.sort(key=lambda entity: entity[field], reverse=direction == "desc")
        start, size = int(asked["from"]), int(asked["size"])
        hits = [
            {"id": hit[field], **chosen(hit, asked["fields"].split(","))}
            for hit in found[start : start + size]
        ]
        pagination = {
            "count": len(hits), "total": len(found) + (fault == "grown"), "size": size,
            "from": start, "sort": asked["sort"], "page": start // size + 1,
            "pages": -(-len(found) // size),
        }  # fmt: skip
        warnings = {"fields": UNKNOWN_FIELD} if fault == "warned" else {}
        body = json.dumps({"data": {"hits": hits, "pagination": pagination}, "warnings": warnings})
        return self.send(body.encode(), fault)

    def fault(self, path: str) -> int | str | None:
        with self.archive.lock:
            waiting = self.archive.faults.get(path)
            return waiting.pop(0) if waiting else None

    def answer_get(self, path: str, fault: int | str | None) -> None:
        if isinstance(fault, int):
            return self.refuse(fault)
        if path == "/status":
            status = {"status": "OK", "data_release": self.archive.release, "version": 1}
            return self.send(json.dumps(status).encode(), fault)
        if path == f"/api{RECORD}" and self.archive.record:
            files = [
                {"key": name, "size": len(content), "checksum": f"md5:{md5(content)}"}
                for name, content in self.archive.record.items()
            ]
            return self.send(json.dumps({"files": files}).encode(), fault)
        if path not in self.archive.data:
            return self.refuse(404)
        return self.send_file(self.archive.data[path], fault)

    def send_file(self, content: bytes, fault: str | None) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if fault == "other":
            content = bytes(255 - byte for byte in content)
        if fault == "short":
            content = content[: len(content) // 2]
        if asked is None or fault == "whole":
            return self.send(content, fault)
        start = int(asked[1])
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if fault == "shifted":
            start -= 1
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self.send(content[start:], fault, 206, {"Content-Range": span})

    def send(
        self,
        body: bytes,
        fault: str | None,
        status: int = 200,
        headers: dict[str, str] = {},  # noqa: B006
    ) -> None:
        if fault == "hang":
            time.sleep(1)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if fault == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        kind, _, amount = (fault or "").partition(":")
        if kind == "drop":
            self.wfile.write(body[: int(amount)])
            self.close_connection = True
            return
        for start in range(0, len(body), 1 << 16):
            if kind == "slow":
                self.linger(float(amount))
            self.wfile.write(body[start : start + (1 << 16)])

    def linger(self, seconds: float) -> None:
        """Let time pass, and count how many clients are waiting."""
        with self.archive.lock:
            self.archive.at_once += 1
            self.archive.most_at_once = max(self.archive.most_at_once, self.archive.at_once)
        time.sleep(seconds)
        with self.archive.lock:
            self.archive.at_once -= 1


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def served(handler: type[Quiet], **known: object) -> Iterator[str]:
    """Serve on the loopback with a handler that knows these attributes; yield the address."""
    server = Server(("127.0.0.1", 0), type("Bound", (handler,), known))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(archive: Archive) -> Iterator[Archive]:
    """Serve an archive."""
    with served(Handler, archive=archive) as archive.address:
        yield archive
