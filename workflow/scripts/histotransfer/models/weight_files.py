"""Weights of Xception as a file, and the names of its layers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from ..core.hdf5 import create_store, open_store

Tensors = dict[str, npt.NDArray[np.float32]]


SCHEMA = "weights/1"


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
            path, "its tensors do not match its digest", "Delete this file and run again"
        )
    return tensors


def tensor_digest(tensors: Mapping[str, npt.NDArray[np.float32]]) -> str:
    """Return the SHA-256 over names, shapes and little-endian float32 bytes, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(tensors[name], dtype="<f4").tobytes())
    return digest.hexdigest()


def canonical_names(layers: Iterable[tuple[str, str]]) -> list[str]:
    """Name every layer of Xception after its block.

    Keras Applications names most layers ``block3_sepconv1`` and the like, but leaves those on the
    residual paths to a counter of the session (``conv2d_7``).

    Parameters
    ----------
    layers : iterable of (str, str)
        Class name and name of each layer, in the model's order.

    Returns
    -------
    list of str
        The names; for instance ``block3_residual``, ``block3_residual_bn``, ``block3_add``.
    """
    strided = (2, 3, 4, 13)  # the blocks whose residual path has a convolution
    unnamed = {
        "Conv2D": iter([f"block{block}_residual" for block in strided]),
        "BatchNormalization": iter([f"block{block}_residual_bn" for block in strided]),
        "Add": iter([f"block{block}_add" for block in range(2, 14)]),
        "GlobalAveragePooling2D": iter(["features"]),
    }
    return [
        name if name.startswith("block") or kind not in unnamed else next(unnamed[kind])
        for kind, name in layers
    ]
