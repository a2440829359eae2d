"""Weight files: the tensors of a network without the network.

A ``weights/1`` file holds one dataset per tensor, ``layer/variable`` (such as
``block1_conv1/kernel``), and the root attributes `source`, `kind` (imagenet, random or user) and
`digest`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from ..core.hdf5 import create_store, open_store

SCHEMA = "weights/1"
Tensors = dict[str, npt.NDArray[np.float32]]


def write(path: str | Path, tensors: Mapping[str, npt.NDArray[np.float32]], **attrs: str) -> None:
    """Write tensors as a ``weights/1`` file with the given root attributes."""
    with create_store(path, SCHEMA, {**attrs, "digest": tensor_digest(tensors)}) as store:
        for name in sorted(tensors):
            store[name] = tensors[name]


def read(path: str | Path) -> Tensors:
    """Read the tensors of a ``weights/1`` file by name and check them against its digest."""
    with open_store(path, SCHEMA) as store:
        tensors = {
            f"{layer}/{variable}": group[variable][:]
            for layer, group in store.items()
            for variable in group
        }
        expected = store.attrs["digest"]
    if tensor_digest(tensors) != expected:
        raise HistotransferError(
            path, "has tensors that do not match its digest", "Delete this file and run again"
        )
    return tensors


def tensor_digest(tensors: Mapping[str, npt.NDArray[np.float32]]) -> str:
    """Return the SHA-256 over names, shapes and little-endian float32 bytes, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(tensors[name], dtype="<f4").tobytes())
    return digest.hexdigest()
