"""The state of a training after its last epoch, from which a killed job resumes."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy.typing as npt

from ..core.errors import HistotransferError
from ..core.hdf5 import create_store, open_store
from .history import Row

log = logging.getLogger(__name__)

SCHEMA = "checkpoint/1"
Values = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """A file of history, current and best values; ignored if another key, or recipe, made it."""

    path: Path
    key: str

    def save(self, history: list[Row], current: Values, best: Values) -> None:
        """Write the state after an epoch."""
        with create_store(self.path, SCHEMA, {"key": self.key}) as store:
            store.create_dataset("history", data=json.dumps(history), dtype=h5py.string_dtype())
            for name, values in (("current", current), ("best", best)):
                for place, value in enumerate(values):
                    store[f"{name}/{place:04d}"] = value

    def load(self) -> tuple[list[Row], Values, Values] | None:
        """Return history, current and best values; None if there is nothing to resume from."""
        if not self.path.exists():
            return None
        try:
            with open_store(self.path, SCHEMA) as store:
                if store.attrs["key"] != self.key:
                    log.warning("%s belongs to another training and is ignored", self.path)
                    return None
                history = json.loads(store["history"].asstr()[()])
                current, best = (
                    [store[name][place][()] for place in sorted(store[name])]
                    for name in ("current", "best")
                )
        except (HistotransferError, KeyError, ValueError) as error:
            log.warning("%s is ignored (%s)", self.path, error)
            return None
        return history, current, best
