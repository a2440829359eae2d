"""Check a GPU: the same results as on the CPU, and how much of the machine is used.

`make check-gpu`. Features on the GPU must equal the CPU's within stated tolerances, trunk and tail
the whole network; fine-tuning must lower the loss and survive a kill, extraction a lack of memory,
and two processes the same card. Then come rates and ratios. The check draws its own weights and
patches, so it needs no download; with ``KERAS_BACKEND=jax`` or ``torch`` it needs no TensorFlow.
A check that fails does not stop the next. Everything is in the file `--out` as soon as it is known.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from histotransfer.core.hdf5 import create_store, open_store
from histotransfer.features import extraction
from histotransfer.imaging.codecs import decode, encode
from histotransfer.models import backend, initial_weights, keras_files, xception
from histotransfer.models.backend import keras
from histotransfer.models.inference import Network
from histotransfer.patches.store import append_images, create_patch_store

FLOAT32_TOLERANCE, MIXED_TOLERANCE = 5e-3, 3e-2
"""Largest distance of a patch's features from the CPU's, relative to their length. On a GPU,
float32 products may be rounded to TF32, which has 10 bits after the point like float16."""
SHARED_TOLERANCE = 1e-3
"""The same, between the network in two parts and in one on the same device."""
MEMORY_FRACTION = 0.03
"""What the process that must run out of memory may take of the card."""
PATCH_SEED, REFERENCE_PATCHES = 7, 32

Result = dict[str, Any]


class Report:
    """Results, printed and written as they come."""

    def __init__(self, path: Path) -> None:
        self._path, self._started = path, time.perf_counter()
        self.results: Result = {"checks": {}, "figures": {}, "ratios": {}}

    def seconds(self) -> float:
        """Return the time since the start."""
        return time.perf_counter() - self._started

    def figure(self, name: str, value: object) -> None:
        """Note a number, or a word about the machine."""
        self._note("figures", name, value, f"{name}: {_short(value)}")

    def ratio(self, name: str, value: float, target: float | None = None) -> None:
        """Note a ratio and its target, if it has one."""
        said = f"ratio {name} {value:.3g}" + ("" if target is None else f" target {target:g}")
        self._note("ratios", name, {"value": value, "target": target}, said)

    @contextlib.contextmanager
    def check(self, name: str) -> Iterator[Result]:
        """Note whether the assertions of a block held, and what the block found."""
        found: Result = {}
        try:
            yield found
        except Exception as error:
            traceback.print_exc()
            found |= {"ok": False, "error": f"{type(error).__name__}: {str(error)[:2000]}"}
        else:
            found["ok"] = True
        word = "ok" if found["ok"] else "FAILED"
        said = ", ".join(f"{key} {_short(value)}" for key, value in found.items() if key != "ok")
        self._note("checks", name, found, f"{word} {name}: {said}")

    def _note(self, part: str, name: str, value: object, said: str) -> None:
        self.results[part][name] = value
        self.results["seconds"] = self.seconds()
        print(f"[{self.seconds():6.1f} s] {said}", flush=True)
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self.results, indent=1) + "\n", encoding="utf-8")
        partial.replace(self._path)


def _require(holds: object, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(otherwise)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def draw_patches(count: int, px: int) -> npt.NDArray[np.uint8]:
    """Draw patches with the frequencies of tissue rather than of noise."""
    coarse = np.random.default_rng(PATCH_SEED).integers(
        80, 240, (count, -(-px // 8), -(-px // 8), 3), dtype=np.uint8
    )
    return coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :px, :px]


def distance(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """Return the largest distance of rows, relative to the expected rows' length."""
    a, b = found.astype(np.float64), expected.astype(np.float64)
    return float((np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1)).max())


def multiply_adds(model: keras.Model) -> float:
    """Count the multiplications of a patch in the convolutions of Xception."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.SeparableConv2D | keras.layers.Conv2D):
            pixels = int(np.prod(layer.output.shape[1:3]))
            total += pixels * sum(
                int(np.prod(weight.shape)) for weight in layer.weights if len(weight.shape) == 4
            )
    return float(total)


def bytes_moved(model: keras.Model, itemsize: int) -> float:
    """Count the bytes of all layers' outputs for a patch, each written and read once."""
    sizes = [int(np.prod(layer.output.shape[1:])) for layer in model.layers]
    return 2.0 * itemsize * sum(sizes)


class Check:
    """One check of one machine, in a folder for its files."""

    def __init__(self, options: argparse.Namespace, folder: Path, report: Report) -> None:
        self.options, self.folder, self.report = options, folder, report
        self.px, self.batches = options.px, [int(size) for size in options.batches.split(",")]
        self.weights, self.model = folder / "weights.h5", folder / "x.keras"
        self.patches = folder / "slide.h5"
        self.networks: dict[tuple[str, int], Network] = {}
        self.rates: dict[str, float] = {}
        self.children: dict[str, subprocess.Popen[str]] = {}

    # -- what the checks share

    def prepare(self) -> None:
        """Draw weights and patches."""
        initial_weights.fetch(self.weights, source=self.options.weights, seed=0)
        xception.write_imagenet_extractor(self.weights, self.model, input_px=self.px, extractor="x")
        self.report.figure("weights", self.options.weights)

    def start_child(self, name: str, task: str, *arguments: object, **environment: str) -> None:
        """Start another process of this file, with its output in a log."""
        command = [sys.executable, __file__, "--child", task, *map(str, arguments)]
        with (self.folder / f"{name}.log").open("w") as log:
            self.children[name] = subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=log, stderr=log, text=True
            )

    def _fine_tune(self, name: str, folder: Path) -> None:
        """Start a training; with JAX, its second start finds what the first compiled."""
        cache = {"JAX_COMPILATION_CACHE_DIR": str(self.folder / "compiled")}
        self.start_child(name, "fine-tune", self.weights, folder, **cache)

    def finished_child(self, name: str, timeout: float) -> str:
        """Wait for a child and return its log; a failed one raises RuntimeError."""
        process = self.children[name]
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise RuntimeError(
                f"{name} took more than {timeout:.0f} s: {self._log(name)}"
            ) from error
        if process.returncode:
            raise RuntimeError(f"{name} ended with {process.returncode}: {self._log(name)}")
        return self._log(name)

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-3000:]

    def network(self, precision: str, size: int) -> Network:
        """Return the network of a precision and batch size, compiled; note the time for it."""
        if (precision, size) not in self.networks:
            network = Network(self.model, size, mixed_precision=precision == "mixed")
            started = time.perf_counter()
            network.run(np.zeros((size, self.px, self.px, 3), np.uint8))
            self.report.figure(
                f"first_step_seconds_{precision}_batch_{size}", time.perf_counter() - started
            )
            if network.batch_size != size:
                raise MemoryError(f"batches of {size} do not fit")
            self.networks[precision, size] = network
        return self.networks[precision, size]

    # -- the checks

    def start_children(self) -> None:
        """Start all that runs in processes of its own: meanwhile this process compiles."""
        no_gpu = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
        arguments = (self.model, self.px, self.folder / "cpu.npy", "float32", 16)
        self.start_child("cpu", "features", *arguments, **no_gpu)
        self._fine_tune("tuned", self.folder / "tuned")
        memory = {
            "XLA_PYTHON_CLIENT_PREALLOCATE": "true",
            "XLA_PYTHON_CLIENT_MEM_FRACTION": str(MEMORY_FRACTION),
            "HISTOTRANSFER_CHECK_FRACTION": str(MEMORY_FRACTION),
        }
        arguments = (self.model, self.px, self.folder / "oom.npy", "float32", self.options.too_many)
        if backend.device() == "gpu":
            self.start_child("oom", "features", *arguments, **memory)
            if keras.backend.backend() != "torch" and _is_installed("torch"):
                arguments = (self.model, self.px, self.folder / "torch.npy", "float32", 16)
                self.start_child("torch", "features", *arguments, KERAS_BACKEND="torch")

    def features_equal_the_cpus(self) -> None:
        """Compare the features of both devices, in both precisions."""
        images = draw_patches(REFERENCE_PATCHES, self.px)
        found = {}
        for precision in ("float32", "mixed"):
            with self.report.check(f"runs_in_{precision}"):
                found[precision] = self.network(precision, self.batches[0]).run(images)
        self.finished_child("cpu", 240)
        expected = np.load(self.folder / "cpu.npy")
        tolerances = {"float32": FLOAT32_TOLERANCE, "mixed": MIXED_TOLERANCE}
        for precision, features in found.items():
            with self.report.check(f"features_equal_the_cpus_{precision}") as said:
                said |= {"distance": distance(features, expected)}
                said |= {"tolerance": tolerances[precision]}
                said |= {"features_std": float(features.std())}
                _require(np.isfinite(features).all(), "a feature is not finite")
                _require(said["distance"] <= tolerances[precision], "they differ by more")
                again = self.network(precision, self.batches[0]).run(images)
                said |= {"same_bytes_again": bool(np.array_equal(features, again))}

    def trunk_and_tail_equal_the_whole(self) -> None:
        """Compare the network in two parts, compiled apart, with the network in one."""
        images, size = draw_patches(self.batches[0], self.px), self.batches[0]
        for precision in ("float32", "mixed"):
            with self.report.check(f"trunk_and_tail_equal_the_whole_{precision}") as said:
                model = keras_files.load_extractor(self.model)
                xception.set_precision(model, mixed=precision == "mixed")
                boundary = xception.unfreeze(model, "block13")
                trunk = backend.compiled(keras.Model(model.inputs, boundary))
                tail = backend.compiled(keras.Model(boundary, model.outputs[0]))
                parts = backend.numpy(tail(trunk(images)))
                whole = self.network(precision, size).run(images)
                said |= {"distance": distance(parts, whole), "tolerance": SHARED_TOLERANCE}
                said |= {"same_bytes": bool(np.array_equal(parts, whole))}
                below = _seconds(lambda f=trunk: backend.numpy(f(images)))
                middle = trunk(images)
                above = _seconds(lambda f=tail, x=middle: backend.numpy(f(x)))
                said |= {"tail_share_of_time": above / (below + above)}
                limit = SHARED_TOLERANCE if precision == "float32" else MIXED_TOLERANCE
                _require(said["distance"] <= limit, "they differ by more")

    def out_of_memory_is_survived(self) -> None:
        """Compare the features of a process that ran out of memory with the CPU's."""
        if backend.device() != "gpu":
            return
        with self.report.check("out_of_memory_is_survived") as said:
            log = self.finished_child("oom", 240)
            halved = [line for line in log.splitlines() if "continuing with batches of" in line]
            said |= {"started_with": self.options.too_many, "halvings": len(halved)}
            said |= {"last": halved[-1][-40:] if halved else "none"}
            found, expected = np.load(self.folder / "oom.npy"), np.load(self.folder / "cpu.npy")
            said |= {"distance": distance(found, expected)}
            _require(said["distance"] <= FLOAT32_TOLERANCE, "they differ by more")
            _require(halved, "the memory held everything: choose a larger --too-many")

    def torch_agrees(self) -> None:
        """Compare PyTorch's features on the GPU with the CPU's."""
        if "torch" in self.children:
            with self.report.check("torch_backend_equals_the_cpu") as said:
                self.finished_child("torch", 240)
                expected = np.load(self.folder / "cpu.npy")
                said |= {"distance": distance(np.load(self.folder / "torch.npy"), expected)}
                _require(said["distance"] <= FLOAT32_TOLERANCE, "they differ by more")

    def fine_tuning_learns(self) -> None:
        """Check that fine-tuning lowers the loss, here while other processes use the card."""
        with self.report.check("fine_tuning_lowers_the_loss_beside_other_processes") as said:
            self.finished_child("tuned", 240)
            history = _history(self.folder / "tuned")
            for step in (1, 2):
                losses = [row["val_loss"] for row in history if row["step"] == step]
                said |= {f"step{step}": " ".join(f"{loss:.3g}" for loss in losses)}
                _require(min(losses[1:]) < losses[0], f"the loss of step {step} did not fall")

    def fine_tuning_survives_a_kill(self) -> None:
        """Kill a training after an epoch and start it again."""
        with self.report.check("fine_tuning_survives_a_kill") as said:
            folder = self.folder / "killed"
            self._fine_tune("killed", folder)
            checkpoint = folder / "checkpoint.h5"
            deadline = time.perf_counter() + 120
            while not checkpoint.exists() and self.children["killed"].poll() is None:
                _require(time.perf_counter() < deadline, "no checkpoint in two minutes")
                time.sleep(0.02)
            self.children["killed"].send_signal(signal.SIGKILL)
            self.children["killed"].wait()
            _require(checkpoint.exists(), self._log("killed"))
            self._fine_tune("resumed", folder)
            log = self.finished_child("resumed", 120)
            found, expected = _history(folder), _history(self.folder / "tuned")
            _require("resuming after step" in log, log)
            last = [rows[-1]["val_loss"] for rows in (found, expected)]
            said |= {"final_loss": last[0], "uninterrupted": last[1]}
            _require(abs(last[0] - last[1]) < 0.25 * abs(last[1]) + 0.05, "it ends elsewhere")

    # -- rates

    def rate_of_the_machine(self) -> None:
        """Measure what the device multiplies and moves at best."""
        side = 512 if self.options.tiny else 8192
        for precision, dtype in (("float32", "float32"), ("mixed", "float16")):
            square = keras.ops.ones((side, side), dtype=dtype)
            seconds = _seconds(lambda x=square: _repeated(lambda: keras.ops.matmul(x, x), 10)) / 10
            self.report.figure(f"peak_tflops_{precision}", 2 * side**3 / seconds / 1e12)
        long = keras.ops.ones((2**16 if self.options.tiny else 2**28,), dtype="float32")
        seconds = _seconds(lambda: _repeated(lambda: long + 1.0, 10)) / 10
        self.report.figure("peak_gbytes_per_s", 8 * long.shape[0] / seconds / 1e9)

    def rates_of_the_network(self) -> None:
        """Measure patches/s by batch and precision, one at a time and with the next one ahead."""
        for size in self.batches:
            for precision in ("mixed", "float32"):
                if self.report.seconds() > self.options.seconds * 0.75:
                    self.report.figure("left_out", f"{precision} batches of {size} and larger")
                    return
                with self.report.check(f"rate_{precision}_batch_{size}") as said:
                    function = self.network(precision, size)._function
                    images = draw_patches(size, self.px)
                    alone = size / _seconds(lambda f=function, x=images: backend.numpy(f(x)))
                    ahead = (
                        4
                        * size
                        / _seconds(
                            lambda f=function, x=images: [
                                backend.numpy(part) for part in [f(x) for _ in range(4)]
                            ]
                        )
                    )
                    said |= {"patches_per_s": alone, "patches_per_s_ahead": ahead}
                    self.rates[f"{precision}_{size}"] = max(alone, ahead)

    def use_of_the_machine(self) -> None:
        """Compare the network's best rate with what the machine could do."""
        model = keras_files.load_extractor(self.model)
        multiplications = multiply_adds(model)
        self.report.figure("gmac_per_patch", multiplications / 1e9)
        figures = self.report.results["figures"]
        for precision, itemsize in (("float32", 4), ("mixed", 2)):
            rates = [rate for key, rate in self.rates.items() if key.startswith(precision)]
            if rates:
                best = max(rates)
                peak = figures[f"peak_tflops_{precision}"] * 1e12
                self.report.ratio(f"flops_of_peak_{precision}", 2 * multiplications * best / peak)
                moved = bytes_moved(model, itemsize) * best
                self.report.ratio(
                    f"bytes_of_peak_{precision}", moved / (figures["peak_gbytes_per_s"] * 1e9)
                )

    def rate_of_decoding(self) -> float:
        """Measure the decoding of JPEG patches by threads; return the best rate."""
        encoded = [encode(image, "jpeg", 95) for image in draw_patches(256, self.px)]
        write_store(self.patches, encoded, self.options.patches, self.px)
        best, count = 0.0, min(2048, self.options.patches)
        cores = len(os.sched_getaffinity(0))
        for threads in sorted({1, 2, 4, 8, cores}):
            if threads <= cores:
                with ThreadPoolExecutor(threads) as pool:
                    buffers = [encoded[row % len(encoded)] for row in range(count)]
                    seconds = _seconds(lambda p=pool, b=buffers: list(p.map(decode, b)), least=0.5)
                self.report.figure(f"decoded_per_s_{threads}_threads", count / seconds)
                best = max(best, count / seconds)
        return best

    def end_to_end(self) -> None:
        """Compare extraction with the slower of decoding and the network."""
        with self.report.check("end_to_end") as said:
            decoding = self.rate_of_decoding()
            threads = min(8, len(os.sched_getaffinity(0)))
            key = max(self.rates, key=self.rates.__getitem__)
            precision, size = key.split("_")
            network = self.network(precision, int(size))
            width = network.run(draw_patches(8, self.px)).shape[1]
            attrs = {"slide": "slide", "extractor": "x", "key": "k"}
            target = extraction.Target(self.folder / "f.h5", slice(0, width), attrs)
            count, times = self.options.patches, []
            for _ in range(2):
                started = time.perf_counter()
                with open_store(self.patches, "patches/1") as store:
                    rows = extraction.compute_features(store, network, threads)
                    extraction.write_features(rows, [target], count, "float16", store)
                times.append(time.perf_counter() - started)
            rate = count / min(times)
            said |= {"patches_per_s": rate, "with": key, "decoding": decoding}
            self.report.ratio("end_to_end_of_slower", rate / min(decoding, self.rates[key]), 0.9)


def _seconds(work: Callable[[], Any], *, least: float = 1.0) -> float:
    """Return the mean time of some work, done once before and then for at least so long."""
    work()
    times, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < least or not times:
        work()
        times += 1
    return passed / times


def _repeated(work: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        result = work()
    backend.numpy(keras.ops.ravel(result)[:1])


def write_store(path: Path, encoded: list[npt.NDArray[np.uint8]], count: int, px: int) -> None:
    """Write encoded patches over and over as the store of a slide."""
    with create_patch_store(path, {"slide": path.stem, "patch_px": px, "codec": "jpeg"}) as store:
        append_images(store, (encoded[row % len(encoded)] for row in range(count)))
        store["coords"] = np.arange(2 * count, dtype=np.int32).reshape(-1, 2)


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


# -- in processes of their own


def child_features(model: str, px: str, out: str, precision: str, size: str) -> None:
    """Write the features of the reference patches."""
    if (part := os.environ.get("HISTOTRANSFER_CHECK_FRACTION")) and (
        keras.backend.backend() == "tensorflow"
    ):
        import tensorflow as tf

        gpu = tf.config.list_physical_devices("GPU")[0]
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=int(80_000 * float(part)))
        tf.config.set_logical_device_configuration(gpu, [limit])
    network = Network(model, int(size), mixed_precision=precision == "mixed")
    np.save(out, network.run(draw_patches(REFERENCE_PATCHES, int(px))))


def child_fine_tune(weights: str, folder: str) -> None:
    """Fine-tune on patches of three hues that noise hides."""
    from histotransfer.models.fine_tuning import FineTunedFiles, fine_tune
    from histotransfer.models.frozen_blocks import write_frozen_blocks
    from histotransfer.study.parameters import (
        AugmentationParameters,
        ComputeParameters,
        FineTuningParameters,
        StepParameters,
    )

    where, px, count = Path(folder), xception.MIN_INPUT_PX, 240
    where.mkdir(exist_ok=True)
    path = where / "hues.h5"
    if not path.exists():
        random = np.random.default_rng(0)
        labels = np.arange(count) % 3
        with create_store(
            path,
            "patches/1",
            {"dataset": "hues", "patch_px": px, "codec": "png", "classes": ["r", "g", "b"]},
        ) as store:
            append_into(store, random, labels, px)
    recipe = FineTuningParameters(
        validation_fraction=0.2, head_units=32, dropout=0.2, batch_size=16, label_smoothing=0.0,
        class_weights="none", anchor=0.5, cache=True,
        augment=AugmentationParameters(flips_and_rotations=False, stain_jitter=0.0),
        step1=StepParameters(epochs=12, learning_rate=3e-3, lr_schedule="none", patience=12),
        step2=StepParameters(
            epochs=4, learning_rate=1e-4, lr_schedule="cosine", patience=4,
            unfreeze_from="block14",
        ),
    )  # fmt: skip
    names = ("t.keras", "t.classifier.keras", "t.training.tsv", "t.card.md")
    compute, frozen = ComputeParameters("prefer", "auto", "auto"), where / "frozen_blocks.h5"
    write_frozen_blocks(
        weights, path, frozen, parameters=recipe, input_px=px, compute=compute, seed=1
    )
    fine_tune(
        weights, path, frozen, FineTunedFiles(*(where / name for name in names)),
        where / "checkpoint.h5", extractor="t", parameters=recipe, input_px=px, compute=compute,
        seed=1, versions_seed=1,
    )  # fmt: skip


def append_into(
    store: h5py.File, random: np.random.Generator, labels: npt.NDArray[np.int64], px: int
) -> None:
    """Fill the store of the three hues."""
    store.create_dataset("images", (len(labels),), h5py.vlen_dtype(np.uint8))
    for row, label in enumerate(labels.tolist()):
        image = random.integers(0, 200, (px, px, 3))
        image[..., label] += 40
        store["images"][row] = encode(image.astype(np.uint8), "png", 95)
    store["labels"] = labels.astype(np.int16)
    store.create_dataset(
        "names", data=[f"{row}.png" for row in range(len(labels))], dtype=h5py.string_dtype()
    )


def _history(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "t.training.tsv").read_text(encoding="utf-8").splitlines()
    head = lines[0].split("\t")
    rows = [dict(zip(head, line.split("\t"), strict=True)) for line in lines[1:]]
    return [{key: float(value) if value else np.nan for key, value in row.items()} for row in rows]


def describe_machine(report: Report) -> None:
    """Note what the results depend on."""
    report.figure("python", platform.python_version())
    report.figure("backend", keras.backend.backend())
    for package in ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy"):
        if _is_installed(package):
            report.figure(package, version(package))
    report.figure("device", backend.device_name())
    report.figure("cores", len(os.sched_getaffinity(0)))
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv"]
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        report.figure("nvidia_smi", found.stdout.strip().splitlines()[-1])


def main() -> int:
    """Run all checks; the exit status tells whether they held."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    if sys.argv[1:2] == ["--child"]:
        task = {"features": child_features, "fine-tune": child_fine_tune}[sys.argv[2]]
        task(*sys.argv[3:])
        return 0
    logging.getLogger().setLevel(logging.WARNING)
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--weights", default="random", help="random, auto, or a weights file")
    options.add_argument("--out", type=Path, default=Path("check-gpu.json"))
    options.add_argument("--px", type=int, default=224)
    options.add_argument("--batches", default="64,256,512", help="batch sizes to time")
    options.add_argument("--patches", type=int, default=16384, help="patches from end to end")
    options.add_argument("--too-many", type=int, default=512, help="a batch that cannot fit")
    options.add_argument("--seconds", type=float, default=230.0, help="time for everything")
    options.add_argument("--tiny", action="store_true", help="sizes that a CPU computes in minutes")
    options.add_argument("--only", default="", help="steps to run after the first, with commas")
    chosen = options.parse_args()
    if chosen.tiny:
        chosen.px, chosen.batches, chosen.patches = xception.MIN_INPUT_PX, "8", 64
    report = Report(chosen.out)
    with tempfile.TemporaryDirectory() as folder:
        check = Check(chosen, Path(folder), report)
        describe_machine(report)
        with report.check("a_gpu_is_used"):
            _require(backend.device() == "gpu" or chosen.tiny, "the backend finds no GPU")
        steps: list[Callable[[], Any]] = [
            check.prepare,
            check.start_children,
            check.features_equal_the_cpus,
            check.trunk_and_tail_equal_the_whole,
            check.out_of_memory_is_survived,
            check.torch_agrees,
            check.fine_tuning_learns,
            check.rate_of_the_machine,
            check.rates_of_the_network,
            check.use_of_the_machine,
            check.end_to_end,
            check.fine_tuning_survives_a_kill,
        ]
        try:
            for step in steps:
                name = step.__name__
                if chosen.only and name not in ("prepare", *chosen.only.split(",")):
                    continue
                if report.seconds() > chosen.seconds:
                    report.figure(f"left_out_{name}", "no time left")
                    continue
                before = report.seconds()
                try:
                    step()
                except Exception as error:
                    traceback.print_exc()
                    with report.check(name):
                        raise RuntimeError(str(error)) from error
                report.figure(f"seconds_of_{name}", report.seconds() - before)
        finally:
            for process in check.children.values():
                if process.poll() is None:
                    process.kill()
                    process.wait()
    failed = [name for name, found in report.results["checks"].items() if not found["ok"]]
    print("failed: " + ", ".join(failed) if failed else "all checks hold", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
