"""The rate of extraction, beside the network alone and the loop of CLAM and TRIDENT.

`make bench-features`. The same Xception (with random weights, on which the rate does not depend)
takes the same JPEG patches in three ways, in turns: the network on patches in memory, which is the
limit; histotransfer's extraction; and a loop as in CLAM and TRIDENT, which reads and collates
patches one by one and appends rows to the HDF5 file batch by batch (here without worker processes,
and in Keras instead of PyTorch). The bench also prints how long a job takes to start, and which
share of the time that is in jobs of several slides.
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


def main() -> None:
    """Time the three ways in turns."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--patches", type=int, default=128)
    options.add_argument("--px", type=int, default=224, help="side of a patch, a multiple of 8")
    options.add_argument("--batch-size", type=int, default=16)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=0)
    chosen = options.parse_args()
    count, size, px = chosen.patches, chosen.batch_size, chosen.px
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, patches = folder / "x.keras", folder / "s.h5"
        initial_weights.fetch(folder / "w.h5", source="random", seed=0)
        xception.write_imagenet_extractor(folder / "w.h5", model, input_px=px, extractor="x")
        write_store(patches, count, px)
        network = Network(model, size, threads=chosen.threads)
        with h5py.File(patches) as store:
            images = np.stack([decode(buffer) for buffer in store["images"][:]])
        width = network.run(images[:size]).shape[1]

        def alone() -> None:
            for start in range(0, count, size):
                network.run(images[start : start + size])

        def ours() -> None:
            with h5py.File(patches) as store:
                rows = extraction.compute_features(store, network)
                attrs = {"slide": "bench", "extractor": "x", "key": "k"}
                extraction.write_features(
                    folder / "f.h5", rows, (count, width), "float16", store, attrs
                )

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
