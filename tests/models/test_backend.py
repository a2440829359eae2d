"""What the array libraries say when memory is exhausted, and what is something else."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.models import backend
from histotransfer.models.backend import keras

OUT_OF_MEMORY = {
    # TensorFlow's allocator, cuDNN under TensorFlow, and XLA under TensorFlow
    "ResourceExhaustedError": "{{function_node __wrapped__Conv2D_device_}} OOM when allocating "
    "tensor with shape[512,64,109,109] and type float on /GPU:0 by allocator GPU_0_bfc",
    "InternalError": "Failed to allocate memory for the batch of tensors",
    "UnknownError": "CUDNN_STATUS_ALLOC_FAILED in external/local_xla/cuda_dnn.cc(1234)",
    "InvalidArgumentError": "CUBLAS_STATUS_ALLOC_FAILED",
    "UnavailableError": "Failed copying input tensor from /job:localhost/replica:0/task:0/device:"
    "CPU:0 to /job:localhost/replica:0/task:0/device:GPU:0 in order to run _EagerConst: Dst tensor "
    "is not initialized.",
    "NotFoundError": "No algorithm worked!  Error messages:  Profiling failure on CUDNN engine "
    "eng11{k2=2}: Resource exhausted: Allocating 1073741824 bytes exceeds the limit",
    "AbortedError": "Out of memory while trying to allocate 3221225472 bytes. [Op:__inference_1]",
    # JAX, by both names of its error
    "XlaRuntimeError": "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 16.0GiB.",
    "JaxRuntimeError": "RESOURCE_EXHAUSTED: Failed to allocate request for 1.50GiB (1610612736B) on"
    " device ordinal 0",
    "IndexError": "Attempting to allocate 7.50G. That was not possible. There are 3.02G free.",
    "OSError": "std::bad_alloc",
    "ValueError": "INTERNAL: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    # PyTorch
    "OutOfMemoryError": "",
    "AcceleratorError": "CUDA error: out of memory",
    "HipError": "hipErrorOutOfMemory",
    "SystemError": "DefaultCPUAllocator: not enough memory: you tried to allocate 322122547 bytes.",
    "RuntimeError": "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't "
    "allocate memory: you tried to allocate 137438953472 bytes.",
}


@pytest.mark.parametrize(("name", "message"), OUT_OF_MEMORY.items())
def test_exhausted_memory_is_recognised_in_every_form(name, message):
    error = type(name, (Exception,), {})(message)
    assert backend.is_out_of_memory(error)
    with pytest.raises(RuntimeError) as wrapped:
        raise RuntimeError("the step failed") from error
    assert backend.is_out_of_memory(wrapped.value)


def test_the_memory_of_the_machine_counts_too():
    with pytest.raises(MemoryError) as error:
        np.empty(2**62, np.uint8)
    assert backend.is_out_of_memory(error.value)
    assert backend.is_out_of_memory(MemoryError())


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Input 0 of layer block1_conv1 is incompatible with the layer"),
        RuntimeError("CUDA error: device-side assert triggered"),
        type("XlaRuntimeError", (RuntimeError,), {})("INTERNAL: the ptxas binary is missing"),
        HistotransferError("x.keras", "needs more memory than available; out of memory", "Free it"),
    ],
)
def test_other_errors_are_not_taken_for_it(error):
    assert not backend.is_out_of_memory(error)


def test_a_compiled_network_returns_what_keras_predicts():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.GlobalMaxPooling2D()]
    )
    batch = np.random.default_rng(0).random((3, 8, 8, 3), dtype=np.float32)
    found = backend.numpy(backend.compiled(model)(batch))
    assert np.array_equal(found, model.predict_on_batch(batch))
    compiled = backend.numpy(backend.compiled(model, jit=True)(batch))
    np.testing.assert_allclose(compiled, found, rtol=1e-5)


def test_a_backend_that_is_not_installed_is_refused_in_one_sentence():
    missing = next((n for n in ("jax", "torch") if importlib.util.find_spec(n) is None), None)
    if missing is None:
        pytest.skip("both are installed")
    process = subprocess.run(
        [sys.executable, "-c", "import histotransfer.models.inference"],
        env={
            **os.environ,
            "KERAS_BACKEND": missing,
            "PYTHONPATH": ":".join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
    )
    assert f"KERAS_BACKEND: is {missing}, but {missing} is not installed" in process.stderr
