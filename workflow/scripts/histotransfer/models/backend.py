"""The one module that knows which array library runs the network.

Every other module imports Keras from here (``from .backend import keras``), so that the backend is
chosen, and its start-up silenced, before Keras is first imported. Only what stands here imports
TensorFlow, JAX or PyTorch, and only the one in use.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import logging
import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# JAX would take three quarters of a GPU's memory at its start, also where another job uses it.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

try:
    import keras
except ModuleNotFoundError as error:
    raise HistotransferError(
        "KERAS_BACKEND",
        f"is {os.environ['KERAS_BACKEND']}, but {error.name} is not installed",
        "Install it in the environment of the network, or unset KERAS_BACKEND to take TensorFlow",
    ) from error

__all__ = ["compiled", "configure", "device", "is_out_of_memory", "keras"]

log = logging.getLogger(__name__)

_OUT_OF_MEMORY = re.compile(
    r"RESOURCE[_ ]EXHAUSTED|out[_ ]?of[_ ]?memory|not enough memory|OOM when allocating"
    r"|ALLOC_FAILED|bad_alloc|(?:failed|can't|cannot|unable) to allocate|(?:can't|cannot) allocate"
    r"|attempting to (?:allocate|reserve) [^;]*that was not possible|Dst tensor is not initialized",
    re.IGNORECASE,
)
"""What the libraries say, whose classes differ by version: TensorFlow's allocator, its copies to a
GPU and cuDNN, XLA (under TensorFlow and JAX), CUDA, PyTorch, the allocators of a CPU."""


def configure(*, threads: int = 0, seed: int = 0, gpu: bool | str = "prefer") -> None:
    """Make a run repeatable, limit its CPU threads and log the device; may be called again.

    With 0 threads the backend decides. It reads them once, so only a process's first call counts.
    A GPU that is demanded (True) but absent raises HistotransferError; False hides all GPUs from a
    process that has not used them yet.
    """
    if gpu is False:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        _configure_tensorflow(threads)
    if gpu is True and device() == "cpu":
        cause, remedy = _why_no_gpu()
        raise HistotransferError(
            "network.gpu",
            f"is true, but {cause}",
            f"{remedy}, or set network.gpu to prefer, which takes the CPU where there is no GPU",
        )
    log.info("the network runs on %s", device_name())  # last, since asking starts the backend


def _configure_tensorflow(threads: int) -> None:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    try:
        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except (RuntimeError, ValueError):  # it has started, or its memory is limited: earlier choices
        pass
    if not gpus:  # on a GPU some gradients have no deterministic form, and others a slow one
        tf.config.experimental.enable_op_determinism()


def device() -> str:
    """Return ``"gpu"`` if the backend computes on one, else ``"cpu"``."""
    if keras.backend.backend() == "torch":
        import torch

        return "gpu" if torch.cuda.is_available() else "cpu"
    listed = [str(name).lower() for name in keras.distribution.list_devices()]
    return "gpu" if any(name.startswith(("gpu", "cuda")) for name in listed) else "cpu"


def _why_no_gpu() -> tuple[str, str]:
    """Find out why the backend sees no GPU; return cause and remedy."""
    library = keras.backend.backend()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    environment = f"envs/network{'-torch' * (library == 'torch')}-gpu.yaml"
    if not _is_built_for_gpus(library):
        return (
            f"the installed {library} is a build for CPUs",
            f"Run Snakemake with --use-conda, which takes {environment}",
        )
    if not _has_driver():
        return "this machine has no NVIDIA driver", "Run the job on a machine with a GPU"
    if visible is not None and not visible.strip("-1 ,"):
        return (
            f"CUDA_VISIBLE_DEVICES is {visible!r} and hides every GPU from this job",
            "Request a GPU for the job",
        )
    return (
        f"{library} does not find CUDA's libraries, or those of another version than the driver's",
        f"Compare nvidia-smi with the environment of {environment}",
    )


def _is_built_for_gpus(library: str) -> bool:
    if library == "tensorflow":
        import tensorflow as tf

        return bool(tf.test.is_built_with_cuda())
    if library == "torch":
        import torch

        return torch.version.cuda is not None
    return any(
        str(found.metadata["Name"]).startswith(("jax-cuda", "jax_cuda"))
        for found in importlib.metadata.distributions()
    )


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def device_name() -> str:
    """Name the device that the network runs on."""
    if device() == "cpu":
        return "the CPU"
    name = {"tensorflow": _tensorflow_gpu, "jax": _jax_gpu, "torch": _torch_gpu}
    return f"the GPU ({name[keras.backend.backend()]()})"


def _tensorflow_gpu() -> str:
    import tensorflow as tf

    gpu = tf.config.list_physical_devices("GPU")[0]
    return str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))


def _jax_gpu() -> str:
    import jax

    return str(jax.devices()[0].device_kind)


def _torch_gpu() -> str:
    import torch

    return str(torch.cuda.get_device_name())


def compiled(model: keras.Model, *, jit: bool | None = None) -> Callable[[Any], Any]:
    """Return a model's inference as a function of one batch.

    On a GPU the function returns before the result is there, so the next batch is copied while this
    one is computed; `numpy` waits for it. Weights and precision are those of this moment.

    Parameters
    ----------
    model : keras.Model
        The network.
    jit : bool, optional
        Whether TensorFlow compiles it with XLA; without a choice, on a GPU. JAX always does, and
        PyTorch never.
    """
    kind = keras.backend.backend()
    if kind == "jax":
        import jax

        weights = [
            [variable.value for variable in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables)
        ]
        step = jax.jit(lambda weights, batch: model.stateless_call(*weights, batch)[0])
        return lambda batch: step(weights, batch)
    if kind == "torch":
        import torch

        def run(batch: npt.NDArray[Any]) -> object:
            with torch.no_grad():
                return model(batch, training=False)

        return run
    import tensorflow as tf

    use_xla = device() == "gpu" if jit is None else jit
    return tf.function(  # type: ignore[no-any-return]
        lambda batch: model(batch, training=False), jit_compile=use_xla, autograph=False
    )


def numpy(result: object) -> npt.NDArray[Any]:
    """Wait for a result of `compiled` and return it as an array."""
    return np.asarray(keras.ops.convert_to_numpy(result))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error, or one that led to it, means exhausted memory, with any backend."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, HistotransferError):
            return False
        if isinstance(seen, MemoryError) or type(seen).__name__ in (
            "ResourceExhaustedError",
            "OutOfMemoryError",
        ):
            return True
        if _OUT_OF_MEMORY.search(str(seen)):
            return True
        seen = seen.__cause__
    return False
