"""The Genomic Data Commons: its search, its release, the addresses of its files.

The protocol is that of the GDC API User's Guide (https://docs.gdc.cancer.gov/API/Users_Guide).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import requests
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from ..core.errors import HistotransferError
from ..core.tables import TableSchema, read_table, write_table
from .http import Remote, RetryPolicy, ask, download, download_all, open_session

log = logging.getLogger(__name__)

PAGE = 500
MANIFEST = TableSchema.of("MANIFEST", "text: id filename md5 size")
"""The files that were fetched, as in the manifests of the GDC's own client."""
FORMS = {
    "File ID": (r"[A-Za-z0-9-]+", "the id of a file"),
    "File Name": (r"[^./\\][^/\\]*", "a file name"),
    "md5": (r"[0-9a-f]{32}", "an MD5"),
    "size": (r"\d{1,15}", "a number of bytes"),
}
"""The columns of a list of files, in the order of `MANIFEST`, and the form of their cells."""
TO_FETCH = TableSchema("files to fetch", dict.fromkeys(FORMS, "text"))
Hit = dict[str, Any]


class Gdc:
    """A connection to the GDC's API, such as that at ``https://api.gdc.cancer.gov``."""

    def __init__(self, address: str, policy: RetryPolicy | None = None) -> None:
        self.address = address.rstrip("/")
        self.policy = policy or RetryPolicy()
        self._session = open_session(self.policy)

    def release(self) -> str:
        """Return the data release that the API serves, such as ``Data Release 45.0 - …``."""
        release = self._ask("GET", "status").get("data_release")
        if not isinstance(release, str):
            raise self._error("status", "names no data release")
        return release

    def search(
        self,
        endpoint: str,
        where: Mapping[str, str],
        fields: Sequence[str],
        form: Mapping[str, Any],
        page: int = PAGE,
    ) -> list[Hit]:
        """Return everything that a search finds, page by page, in the order of the ids.

        Parameters
        ----------
        endpoint : {"files", "cases"}
        where : mapping of str to str
            The fields that must have these values, all of them.
        fields : sequence of str
            The fields to return beside the id.
        form : mapping
            The JSON schema of each hit.
        page : int
            Hits per request.

        Raises
        ------
        HistotransferError
            If the API cannot be reached, fails, answers in another form, or its answer changes from
            page to page.
        """
        terms = [
            {"op": "in", "content": {"field": field, "value": [value]}}
            for field, value in where.items()
        ]
        identity = {"files": "file_id", "cases": "case_id"}[endpoint]
        asked = {
            "filters": {"op": "and", "content": terms},
            "fields": ",".join([identity, *fields]),
            "format": "JSON",
            "sort": f"{identity}:asc",
            "size": page,
        }
        found: dict[str, Hit] = {}
        total: int | None = None
        while total is None or len(found) < total:
            answer = self._ask("POST", endpoint, asked | {"from": len(found)})
            if answer.get("warnings"):
                log.warning("%s/%s warns: %s", self.address, endpoint, answer["warnings"])
            try:
                hits, now = answer["data"]["hits"], int(answer["data"]["pagination"]["total"])
                new = {hit[identity]: hit for hit in hits}
            except (LookupError, TypeError, ValueError, OverflowError) as error:
                raise self._error(endpoint, f"answered without {error}") from error
            if (total is not None and now != total) or (not new and now) or new.keys() & found:
                raise self._error(endpoint, "changed its answer from one page to the next")
            total = now
            found |= new
            if fault := best_match(Draft202012Validator({"items": form}).iter_errors(hits)):
                place = ".".join(map(str, fault.absolute_path))
                raise self._error(endpoint, f"answered with {place} wrong: {fault.message}")
        return list(found.values())

    def _ask(
        self, method: str, endpoint: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            return ask(self._session, method, f"{self.address}/{endpoint}", self.policy, body)
        except requests.RequestException as error:
            raise self._error(endpoint, f"did not answer the search ({error})") from error

    def _error(self, endpoint: str, cause: str) -> HistotransferError:
        return HistotransferError(
            f"{self.address}/{endpoint}",
            cause,
            "Run again later; `download.gdc` in the config names the address",
        )


def fetch_file(
    address: str,
    file_id: str,
    md5: str,
    size: int,
    out_path: str | Path,
    policy: RetryPolicy | None = None,
) -> None:
    """Fetch one file by its UUID and check it against the GDC's own list, as `download` does."""
    download(_remote(address, file_id, md5, size), out_path, policy)


def fetch_files(
    address: str,
    sheet: str | Path,
    manifest: str | Path,
    connections: int,
    policy: RetryPolicy | None = None,
) -> None:
    """Fetch all files of a sheet, a few at a time, and list them when all are there.

    The sheet is one of `gdc_sheets.FILES`. The files lie beside the manifest (`MANIFEST`); those
    already there are kept, and so are those that the sheet no longer names.
    """
    files = _read_files(sheet)
    folder = Path(manifest).parent
    wanted = [
        (_remote(address, file_id, md5, int(size)), folder / name)
        for file_id, name, md5, size in files.itertuples(index=False, name=None)
    ]
    download_all(wanted, connections, policy)
    listed = files.rename(columns=dict(zip(FORMS, MANIFEST.columns, strict=True)))
    write_table(listed, manifest, MANIFEST)


def _read_files(sheet: str | Path) -> pd.DataFrame:
    """Read the files to fetch from a sheet, which users may have edited."""
    remedy = "Correct it, or make it again: make sheets"
    try:
        table = read_table(sheet, TO_FETCH)[list(FORMS)].fillna("")
    except HistotransferError as error:
        raise HistotransferError(sheet, error.cause, remedy) from error
    for column, (form, name) in FORMS.items():
        wrong = table.index[~table[column].str.fullmatch(form)]
        if len(wrong):
            cell = table[column][wrong[0]]
            raise HistotransferError(sheet, f"line {wrong[0] + 2}: {cell!r} is not {name}", remedy)
    return table


def _remote(address: str, file_id: str, md5: str, size: int) -> Remote:
    return Remote(f"{address.rstrip('/')}/data/{file_id}", f"md5:{md5}", size)
