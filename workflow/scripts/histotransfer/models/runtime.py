"""How a network is computed: the device, the precision, the library and its compiler.

All of these change the features a little, so they are in the key of a file of features, and in the
file. They are known before Keras is imported, except where a GPU is wanted but need not be there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from ..core.errors import HistotransferError
from ..study.parameters import ComputeParameters

PACKAGES = {
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "jax": ("jax", "jaxlib"),
    "torch": ("torch", "timm"),
}
"""The packages of a backend; an installation has one of TensorFlow's two."""


@dataclass(frozen=True)
class Runtime:
    """How a network is computed, once everything is decided.

    Attributes
    ----------
    device : {"gpu", "cpu"}
    precision : {"float32", "mixed"}
    backend : {"tensorflow", "jax", "torch"}
    jit : bool
        Whether XLA compiles the network.
    versions : str
        Of Keras and the backend.
    """

    device: str
    precision: str
    backend: str
    jit: bool
    versions: str

    @property
    def mixed(self) -> bool:
        """Whether the network computes in float16 where that is safe."""
        return self.precision == "mixed"

    def as_attrs(self) -> dict[str, str]:
        """Return what a file of features says of its making."""
        return {
            "device": self.device,
            "precision": self.precision,
            "backend": self.backend,
            "jit": "on" if self.jit else "off",
            "versions": self.versions,
        }


def resolve(wanted: ComputeParameters) -> Runtime:
    """Decide how to compute; a backend that cannot do what is wanted raises HistotransferError."""
    library = os.environ.get("KERAS_BACKEND", "tensorflow")
    if library not in PACKAGES:
        raise HistotransferError(
            "KERAS_BACKEND", f"names {library}, which is not known here", "Use tensorflow or jax"
        )
    device = "gpu" if wanted.gpu else "cpu"
    if wanted.gpu == "prefer":
        from . import backend

        device = backend.device()
    auto = "mixed" if device == "gpu" else "float32"
    precision = auto if wanted.precision == "auto" else wanted.precision
    fixed = {"jax": True, "torch": False}.get(library)
    jit = (device == "gpu" if fixed is None else fixed) if wanted.jit == "auto" else wanted.jit
    if fixed is not None and jit != fixed:
        raise HistotransferError(
            "network.jit",
            f"is {str(jit).lower()}, but with {library} the network is "
            f"{'always' if fixed else 'never'} compiled",
            "Set network.jit to auto",
        )
    return Runtime(device, precision, library, bool(jit), _versions(library))


def _versions(library: str) -> str:
    found = []
    for package in ("keras", *PACKAGES[library]):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
