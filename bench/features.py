"""The rate of extraction: of several extractors in one pass, of one beside the network alone.

`make bench-features`. Extractors that are equal below a block (`--cut`) pass the patches together,
and one after another, in turns; both ways give the same bytes, or the bench stops. Then one
Xception (with random weights, on which the rate does not depend) takes the same JPEG patches in
three ways, in turns: the network on patches in memory, which is the limit; histotransfer's
extraction; and a loop as in CLAM and TRIDENT, which reads and collates patches one by one and
appends rows to the HDF5 file batch by batch (here without worker processes, and in Keras instead of
PyTorch). The bench also prints how long a job takes to start, and which share of the time that is
in jobs of several slides.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from histotransfer.core.hdf5 import open_store
from histotransfer.features import extraction
from histotransfer.imaging.codecs import decode, encode
from histotransfer.models import initial_weights, xception
from histotransfer.models.inference import Network
from histotransfer.patches.store import append_images, create_patch_store
from ratios import report


def write_store(path: Path, count: int, px: int) -> None:
    """Write a store of JPEG patches with the frequencies of tissue rather than of noise."""
    rng = np.random.default_rng(0)
    with create_patch_store(path, {"slide": "bench", "patch_px": px, "codec": "jpeg"}) as store:
        coarse = (
            rng.integers(80, 240, (px // 8, px // 8, 3), dtype=np.uint8) for _ in range(count)
        )
        append_images(
            store, (encode(c.repeat(8, axis=0).repeat(8, axis=1), "jpeg", 95) for c in coarse)
        )
        store["coords"] = np.arange(2 * count, dtype=np.int32).reshape(-1, 2)


TARGETS = {2: 1.75, 6: 4.0}
"""How many times as fast one pass must be as one each, by extractors that differ from block 13."""


def write_models(folder: Path, count: int, px: int, cut: str) -> list[Path]:
    """Write extractors that are equal below the cut."""
    model = xception.build(px)
    tensors = initial_weights.random_tensors(0)
    above = tuple(f"block{block}_" for block in range(int(cut.removeprefix("block")), 15))
    paths = [folder / f"x{number}.keras" for number in range(count)]
    for number, path in enumerate(paths):
        changed = {
            name: values * (1 + number / 100) if name.startswith(above) else values
            for name, values in tensors.items()
        }
        xception.set_tensors(model, changed)
        xception.save(model, path)
    return paths


def extract(store_path: Path, network: Network, names: list[str]) -> None:
    """Write the features of each extractor that a network holds beside its model."""
    width = 2048
    targets = [
        extraction.Target(
            store_path.with_name(name),
            slice(place * width, (place + 1) * width),
            {"slide": "bench", "extractor": "x", "key": "k"},
        )
        for place, name in enumerate(names)
    ]
    with open_store(store_path, "patches/1") as store:
        rows = extraction.compute_features(store, network)
        extraction.write_features(rows, targets, len(store["images"]), "float16", store)


def compare_passes(
    store_path: Path, models: list[Path], cut: str, size: int, rounds: int, threads: int
) -> None:
    """Time one pass for several extractors against one pass each."""
    alone = [Network(path, size, cut=cut, threads=threads) for path in models]
    for count, target in TARGETS.items():
        if count > len(models):
            continue
        shared = Network(models[0], size, beside=models[1:count], cut=cut, threads=threads)
        names = [f"one-{number}.h5" for number in range(count)]

        def together(shared: Network = shared, names: list[str] = names) -> None:
            extract(store_path, shared, names)

        def apart(count: int = count) -> None:
            for number, network in enumerate(alone[:count]):
                extract(store_path, network, [f"each-{number}.h5"])

        seconds: dict[str, list[float]] = {"together": [], "apart": []}
        together()  # compiled before they are timed
        apart()
        for number, name in enumerate(names):
            one, each = (store_path.with_name(file) for file in (name, f"each-{number}.h5"))
            if one.read_bytes() != each.read_bytes():
                raise SystemExit(f"extractor {number} gets other features in company")
        for _ in range(rounds):
            for way in (together, apart):
                started = time.perf_counter()
                way()
                seconds[way.__name__].append(time.perf_counter() - started)
        report(
            f"features-{count}-extractors",
            min(seconds["apart"]) / min(seconds["together"]),
            target,
        )


def main() -> None:
    """Time all ways in turns."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--patches", type=int, default=128)
    options.add_argument("--px", type=int, default=224, help="side of a patch, a multiple of 8")
    options.add_argument("--batch-size", type=int, default=16)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=0)
    options.add_argument("--extractors", type=int, default=max(TARGETS))
    options.add_argument("--cut", default="block13", help="first block in which extractors differ")
    chosen = options.parse_args()
    count, size, px = chosen.patches, chosen.batch_size, chosen.px
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        patches = folder / "s.h5"
        write_store(patches, count, px)
        models = write_models(folder, chosen.extractors, px, chosen.cut)
        compare_passes(patches, models, chosen.cut, size, chosen.rounds, chosen.threads)
        model, *_ = models
        network = Network(model, size, threads=chosen.threads)
        with h5py.File(patches) as store:
            images = np.stack([decode(buffer) for buffer in store["images"][:]])
        width = network.run(images[:size]).shape[1]

        def alone() -> None:
            for start in range(0, count, size):
                network.run(images[start : start + size])

        def ours() -> None:
            extract(patches, network, ["f.h5"])

        def their_loop() -> None:
            with h5py.File(patches) as store, h5py.File(folder / "t.h5", "w") as out:
                rows = out.create_dataset("features", (0, width), "f4", maxshape=(None, width))
                for start in range(0, count, size):
                    taken = range(start, min(start + size, count))
                    batch = np.stack([decode(store["images"][row]) for row in taken])
                    found = network.run(batch)
                    rows.resize((start + len(found), width))
                    rows[start:] = found

        seconds: dict[str, list[float]] = {way.__name__: [] for way in (alone, ours, their_loop)}
        for _ in range(chosen.rounds):
            for way in (alone, ours, their_loop):
                started = time.perf_counter()
                way()
                seconds[way.__name__].append(time.perf_counter() - started)
        best = {way: min(times) for way, times in seconds.items()}
        for way, least in best.items():
            print(f"{way}: {count / least:.2f} patches/s")
        report("extraction_of_network_alone", best["alone"] / best["ours"], 0.95)
        report("extraction_over_clam_loop", best["their_loop"] / best["ours"], 1.0)

        code = (
            "import numpy as np\nfrom histotransfer.models.inference import Network\n"
            f"network = Network({str(model)!r}, {size}, threads={chosen.threads})\n"
            f"network.run(np.zeros(({size}, {px}, {px}, 3), np.uint8))"
        )
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        start_up = time.perf_counter() - started - size * best["alone"] / count
        print(f"start of a job (imports, model, first step): {start_up:.1f} s")
        for rate, where in ((count / best["ours"], "here"), (1000.0, "at 1,000 patches/s")):
            for slides in (1, 4, 16, 64):
                work = slides * 5000 / rate
                share = start_up / (start_up + work)
                print(f"share of the start, {slides} slides of 5,000 patches, {where}: {share:.1%}")


if __name__ == "__main__":
    main()
