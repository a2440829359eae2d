"""Tables that users bring, read as text: whatever separates, quotes and encodes their cells.

No row is lost on the way: a quotation mark or ``#`` inside a cell is part of it, and every line is
a row of the table, part of a cell in quotation marks, or counted as empty. What had to be decided
is noted.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .errors import HistotransferError
from .exclusions import Reason
from .tables import UNREADABLE

SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars"}
_CELL = "\x01"
"""Separates cells once the lines have been read; no text table contains it, and it is no blank."""
_AT_AN_END = re.compile(rf"[^\S\n](?=[{_CELL}\n]|\Z)|(?<=[{_CELL}\n])[^\S\n]|\A[^\S\n]")
_BLANKS = re.compile(rf"[^\S\n]*([{_CELL}\n])[^\S\n]*")
"""Blanks at an end of a cell, and between cells."""
_SNIFFED_ROWS = 200
_MAX_LINES_OF_A_CELL = 100


@dataclass(frozen=True)
class Note:
    """Something that was left out of a table, or decided in reading it.

    Attributes
    ----------
    item : str
        Such as the table's name, a column's or an id.
    what : str
        What the item is: ``table``, ``column``, ``row``, …
    reason : Reason
    """

    item: str
    what: str
    reason: Reason


@dataclass(frozen=True)
class UserTable:
    """A table as the user wrote it.

    Attributes
    ----------
    cells : pandas.DataFrame
        Text without surrounding blanks. Names of columns are text, and may repeat or be empty.
    notes : list of Note
    """

    cells: pd.DataFrame
    notes: list[Note]


def read_user_table(
    path: str | Path, remedy: str, columns: Collection[str] | None = None
) -> UserTable:
    """Read a text table, compressed or not.

    Tabs, commas, semicolons and vertical bars are told apart by the table itself, not by its name.
    Lines before the header that begin with ``#`` are comments. Rows without any text are skipped.

    Parameters
    ----------
    path : str or Path
        The table; gzip, bzip2, xz and zip are recognised by their first bytes.
    remedy : str
        What to do where the file is something else.
    columns : collection of str, optional
        Keep only these columns, in the order given; capitals do not count. An absent one is not an
        error here.

    Returns
    -------
    UserTable

    Raises
    ------
    HistotransferError
        If the file is no table, or a row does not fit the header.
    """
    path = Path(path)
    try:
        text, encoding = _decoded(_contents(path))
        table = _parsed(text, path, columns)
    except UNREADABLE as error:
        raise HistotransferError(path, f"cannot be read as a table ({error})", remedy) from error
    if encoding:
        table.notes.insert(0, Note(path.name, "table", Reason("other_encoding", encoding)))
    return table


def _contents(path: Path) -> bytes:
    """Return a file's bytes, unpacked."""
    contents = path.read_bytes()
    if contents.startswith(b"\x1f\x8b"):
        return gzip.decompress(contents)
    if contents.startswith(b"BZh"):
        return bz2.decompress(contents)
    if contents.startswith(b"\xfd7zXZ\0"):
        return lzma.decompress(contents)
    if contents.startswith(b"\xd0\xcf\x11\xe0"):
        raise ValueError("it is an Excel workbook; save its sheet as CSV")
    if contents.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        with zipfile.ZipFile(io.BytesIO(contents)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if "[Content_Types].xml" in names:
                raise ValueError("it is an Excel workbook; save its sheet as CSV")
            own = [name for name in names if not re.search(r"(^|/)(\.[^/]*|__MACOSX/.*)$", name)]
            if len(own) != 1:
                raise ValueError(f"it is an archive of {len(own)} files; give one of them")
            return archive.read(own[0])
    return contents


def _decoded(contents: bytes) -> tuple[str, str]:
    """Return text, and the name of its encoding where that is not UTF-8."""
    if contents.startswith((b"\xff\xfe", b"\xfe\xff")):
        return contents.decode("utf-16"), "UTF-16"
    zeros = [contents[start:4096:2].count(0) for start in (0, 1)]
    # Of letters as most tables have, one of the two bytes is nearly always zero.
    if max(zeros) > 0.4 * min(len(contents), 4096) / 2 > 20 * min(zeros):
        big_endian = zeros[0] > zeros[1]
        return contents.decode("utf-16-be" if big_endian else "utf-16-le"), "UTF-16"
    if b"\0" in contents:
        raise ValueError("it is not text")
    try:
        return contents.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return contents.decode("cp1252", errors="replace"), "Windows-1252"


def _parsed(text: str, path: Path, columns: Collection[str] | None) -> UserTable:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace(_CELL, " ").split("\n")
    start = next((i for i, line in enumerate(lines) if _is_no_comment(line)), None)
    if start is None:
        raise ValueError("it has no header")
    declared = re.fullmatch(r'"?sep=(.)"?', lines[start].strip(" "))  # Excel's first line
    start += declared is not None
    sample = [line for line in lines[start : start + _SNIFFED_ROWS] if line.strip()]
    if not sample:
        raise ValueError("it has no header")
    own = "," if ".csv" in path.suffixes else "\t"
    separator = declared[1] if declared else _separator(sample, own)
    reader = _Lines(lines, start, separator)
    rows = list(reader.rows())
    header = [cell.strip() for cell in rows[0].split(_CELL)]
    _refuse_commented_header(header, lines[:start], separator)
    keep = list(range(len(header)))
    if columns is not None:
        places = {name.casefold(): place for place, name in reversed(list(enumerate(header)))}
        wanted = {name: places.get(name.casefold()) for name in columns}
        keep = [place for place in wanted.values() if place is not None]
        header = [name for name, place in wanted.items() if place is not None]
    body = "\n".join(rows[1:])
    if _AT_AN_END.search(body):
        body = _BLANKS.sub(r"\1", body).strip(" ")
    cells = pd.read_csv(
        io.StringIO(body), sep=_CELL, header=None, names=range(len(reader)), usecols=sorted(keep),
        dtype=object, quoting=csv.QUOTE_NONE, keep_default_na=False, skip_blank_lines=False,
    )[keep]  # fmt: skip
    cells.columns = pd.Index(header, dtype=str)
    if columns is None and "" in header:
        unused = (cells.columns == "") & (cells == "").all().to_numpy()
        cells = cells.loc[:, ~unused]
    notes = [Note(path.name, "table", reason) for reason in reader.reasons()]
    if separator != own and len(header) > 1:
        notes.insert(0, Note(path.name, "table", Reason("other_separator", _name(separator))))
    return UserTable(cells, notes)


def _is_no_comment(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().lstrip('"').startswith("#")


def _name(separator: str) -> str:
    return SEPARATORS.get(separator, repr(separator))


def _separator(sample: Sequence[str], own: str) -> str:
    """Return what separates the cells of most rows as it does those of the header.

    Among equals the one that the file's name promises, then the one of most columns.
    """
    found = []
    for separator in SEPARATORS:
        widths = [_count(line, separator) for line in sample]
        if widths[0] > 1:
            # R's header lacks the name of the column of row names.
            fits = sum(width in (widths[0], widths[0] + 1) for width in widths) / len(widths)
            found.append((fits, separator == own, widths[0], separator))
    return max(found)[-1] if found else own


def _count(line: str, separator: str) -> int:
    cells = _unquoted(line, separator) if '"' in line else None
    return len(cells) if cells else line.count(separator) + 1


def _unquoted(line: str, separator: str) -> list[str] | None:
    """Return the cells of a line whose quotation marks are in order; None if they are not."""
    try:
        (cells,) = csv.reader([line], delimiter=separator, strict=True)
    except (csv.Error, ValueError):
        return None
    return cells


def _refuse_commented_header(
    header: Sequence[str], comments: Sequence[str], separator: str
) -> None:
    """Raise an error if a comment may be the header, and the first row data.

    That is so of a comment with a word for each column if it is the only one, as tools write that
    mark their header with ``#``, or if the first row has numbers. cBioPortal writes four such
    comments above a header of words.
    """
    named = [comment for comment in comments if _names_columns(comment, len(header), separator)]
    if len(named) == 1 or (named and any(map(_is_number, header[1:]))):
        raise ValueError(
            f"its header may begin with #: {named[-1][:60]}; take that sign, or the line, away"
        )


def _names_columns(comment: str, width: int, separator: str) -> bool:
    names = [name.strip(' "') for name in comment.lstrip('# "').split(separator)]
    return len(names) == width > 1 and all(names) and not any(map(_is_number, names))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+([.,]\d*)?(e[+-]?\d+)?", text.strip(), re.IGNORECASE) is not None


class _Lines:
    """The rows of a table's lines, each of the header's width, cells separated by `_CELL`."""

    def __init__(self, lines: Sequence[str], start: int, separator: str) -> None:
        self._lines, self._separator = lines, separator
        self._next = start
        self._width = 0
        self._named_rows = False
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return the number of columns."""
        return self._width

    def rows(self) -> Iterator[str]:
        """Yield the header and the rows that are not empty."""
        header = self._cells()
        self._width = len(header)
        if self._has_row_names():
            header.insert(0, "")
            self._width += 1
        yield _CELL.join(header)
        separator, blank = self._separator, f"{self._separator} \t"
        while self._next < len(self._lines):
            line = self._lines[self._next]
            if not line.strip(blank) or not line.replace('"', "").strip(blank):
                self._counts["empty_rows"] += separator in line
                self._next += 1
            elif '"' not in line and line.count(separator) + 1 == self._width:
                self._next += 1
                yield line.replace(separator, _CELL)
            else:
                yield _CELL.join(self._fitted(self._next, self._cells()))

    def _has_row_names(self) -> bool:
        """Tell whether each row has a cell more than the header: R does not name the row names."""
        sample = self._lines[self._next : self._next + _SNIFFED_ROWS]
        sample = [line for line in sample if line.strip()]
        self._named_rows = bool(sample) and all(
            _count(line, self._separator) == self._width + 1 and not line.endswith(self._separator)
            for line in sample
        )
        return self._named_rows

    def reasons(self) -> Iterator[Reason]:
        """Yield what was done to rows, with their number."""
        for code, count in self._counts.items():
            if count:
                yield Reason(code, f"{count} {'row' if count == 1 else 'rows'}")

    def _cells(self) -> list[str]:
        """Return the cells of the next line, or of the lines that its quotation marks join."""
        line = self._lines[self._next]
        self._next += 1
        if '"' not in line:
            return line.split(self._separator)
        cells, literal = _unquoted(line, self._separator), line.split(self._separator)
        if cells is not None and self._width in (0, len(cells)):
            return cells
        joined = self._joined(line)
        if joined is not None:
            # Each line a row, or one row over several lines: the first if every line reads well.
            ends, cells_of_all = joined
            swallowed = [
                literal,
                *(li.split(self._separator) for li in self._lines[self._next : ends]),
            ]
            if any(len(row) != self._width for row in swallowed):
                self._next = ends
                return [cell.replace("\n", " ") for cell in cells_of_all]
        if len(literal) == self._width or cells is None:
            self._counts["literal_quotes"] += 1
            return literal
        return cells

    def _joined(self, line: str) -> tuple[int, list[str]] | None:
        """Join a line with those after it until its quotation marks are in order."""
        last = min(self._next + _MAX_LINES_OF_A_CELL, len(self._lines))
        for end in range(self._next, last):
            line = f"{line}\n{self._lines[end]}"
            if '"' in self._lines[end]:
                try:
                    (cells,) = csv.reader(
                        io.StringIO(line, newline=""), delimiter=self._separator, strict=True
                    )
                except (csv.Error, ValueError):
                    continue
                if len(cells) == self._width:
                    return end + 1, cells
        return None

    def _fitted(self, number: int, cells: list[str]) -> list[str]:
        """Fill up a row that lacks its last cells; drop empty cells beyond the last column."""
        beyond = cells[self._width :]
        if any(cell.strip() for cell in beyond) or (self._named_rows and len(cells) < self._width):
            raise ValueError(
                f"line {number + 1} has {len(cells)} cells, but the header has {self._width}: "
                f"{self._lines[number][:60]}"
            )
        if len(cells) < self._width:
            self._counts["short_rows"] += 1
        return (cells + [""] * (self._width - len(cells)))[: self._width]
