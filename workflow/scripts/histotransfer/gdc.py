"""The Genomic Data Commons: its search, its release, the addresses of its files.

The protocol is that of the GDC API User's Guide (https://docs.gdc.cancer.gov/API/Users_Guide).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from .download import Patience, Remote, ask, download, download_all, open_session
from .errors import HistotransferError
from .store import read_table, write_table

log = logging.getLogger(__name__)

PAGE = 500
MANIFEST = {"File ID": "id", "File Name": "filename", "md5": "md5", "size": "size"}
"""Columns of a list of files, and what the GDC's manifests call them."""
Hit = dict[str, Any]
Filter = Mapping[str, str]


class Gdc:
    """A connection to the GDC's API.

    Parameters
    ----------
    address : str
        The API's address, such as ``https://api.gdc.cancer.gov``.
    patience : Patience, optional
        What is done about a server that fails.
    """

    def __init__(self, address: str, patience: Patience | None = None) -> None:
        self.address = address.rstrip("/")
        self.patience = patience or Patience()
        self._session = open_session(self.patience)

    def release(self) -> str:
        """Return the data release that the API serves, such as ``Data Release 45.0 - …``."""
        release = self._ask("GET", "status").get("data_release")
        if not isinstance(release, str):
            raise self._error("status", "names no data release")
        return release

    def search(
        self, endpoint: str, where: Filter, fields: Sequence[str], page: int = PAGE
    ) -> list[Hit]:
        """Return everything that a search finds, page by page.

        Parameters
        ----------
        endpoint : str
            ``files`` or ``cases``.
        where : mapping of str to str
            The fields that must have these values, all of them.
        fields : sequence of str
            The fields to return.
        page : int
            Hits per request.

        Returns
        -------
        list of dict
            The hits, in the order of their ids.

        Raises
        ------
        HistotransferError
            If the API cannot be reached, does not answer as it should, or its answer changes from
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
            for name, text in dict(answer.get("warnings") or {}).items():
                log.warning("%s/%s warns of %s: %s", self.address, endpoint, name, text)
            try:
                hits, now = answer["data"]["hits"], int(answer["data"]["pagination"]["total"])
                new = {hit[identity]: hit for hit in hits}
            except (KeyError, TypeError, ValueError) as error:
                raise self._error(endpoint, f"answered without {error}") from error
            if (total is not None and now != total) or (not new and now) or new.keys() & found:
                raise self._error(endpoint, "changed its answer from one page to the next")
            total = now
            found |= new
        return list(found.values())

    def _ask(
        self, method: str, endpoint: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            return ask(self._session, method, f"{self.address}/{endpoint}", self.patience, body)
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
    patience: Patience | None = None,
) -> None:
    """Fetch one file and check it; the errors are those of `download`.

    Parameters
    ----------
    address : str
        The API's address.
    file_id : str
        The file's UUID.
    md5, size : str, int
        Its digest and its bytes, from the GDC's own list.
    out_path : str or Path
        The file to write.
    patience : Patience, optional
        What is done about a server that fails.
    """
    download(_remote(address, file_id, md5, size), out_path, patience)


def fetch_files(
    address: str,
    sheet: str | Path,
    manifest: str | Path,
    connections: int,
    patience: Patience | None = None,
) -> None:
    """Fetch all files of a sheet, a few at a time, and write which they are when all are there.

    Parameters
    ----------
    address : str
        The API's address.
    sheet : str or Path
        The table of `sheets.file_table`.
    manifest : str or Path
        To write: id, filename, md5, size, as in the manifests of the GDC's own client. The files
        lie beside it; those there already are kept, and those that the sheet no longer names, too.
    connections : int
        Files at a time.
    patience : Patience, optional
        What is done about a server that fails.
    """
    files = read_table(sheet, **dict.fromkeys(["File ID", "File Name", "md5"], "str"))
    folder = Path(manifest).parent
    wanted = []
    for file_id, name, md5, size in files[list(MANIFEST)].itertuples(index=False, name=None):
        if Path(name).name != name:
            raise HistotransferError(
                sheet, f"{name!r} is no file name", "Make it anew: make sheets"
            )
        wanted.append((_remote(address, file_id, md5, int(size)), folder / name))
    download_all(wanted, connections, patience)
    write_table(files[list(MANIFEST)].rename(columns=MANIFEST), manifest)


def _remote(address: str, file_id: str, md5: str, size: int) -> Remote:
    return Remote(f"{address.rstrip('/')}/data/{file_id}", f"md5:{md5}", size)
