"""The one module that knows which array library runs the network.

Every other module imports Keras from here (``from .backend import keras``), so that the backend is
chosen, and its start-up silenced, before Keras is first imported.
"""

from __future__ import annotations

import logging
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

__all__ = ["configure", "device", "is_out_of_memory", "keras"]

log = logging.getLogger(__name__)


def configure(*, threads: int = 0, seed: int = 0) -> None:
    """Make a run repeatable, limit its CPU threads and log the device; may be called again.

    With 0 threads the backend decides. It reads them once, so only a process's first call counts.
    """
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        _configure_tensorflow(threads)
    log.info("the network runs on %s", _described_device())  # last, since asking starts TensorFlow


def _configure_tensorflow(threads: int) -> None:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    try:
        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:  # TensorFlow has started, with the first call's choice
        pass
    if not gpus:  # on a GPU some gradients have no deterministic form, and others a slow one
        tf.config.experimental.enable_op_determinism()


def device() -> str:
    """Return ``"gpu"`` if the backend computes on one, else ``"cpu"``."""
    listed = [str(name).lower() for name in keras.distribution.list_devices()]
    return "gpu" if any(name.startswith(("gpu", "cuda")) for name in listed) else "cpu"


def _described_device() -> str:
    """Name the device that the network runs on, for the log."""
    if device() == "cpu":
        return "the CPU"
    if keras.backend.backend() != "tensorflow":
        return "the GPU"
    import tensorflow as tf

    gpu = tf.config.list_physical_devices("GPU")[0]
    details = tf.config.experimental.get_device_details(gpu)
    return f"the GPU ({details.get('device_name', gpu.name)})"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that the device's memory is exhausted, with any backend."""
    name = type(error).__name__
    return name in ("ResourceExhaustedError", "OutOfMemoryError") or (
        name == "XlaRuntimeError" and "RESOURCE_EXHAUSTED" in str(error)
    )
