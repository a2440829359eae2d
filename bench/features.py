"""Extraction beside the network alone, and beside the loop of CLAM and TRIDENT.

`make bench-features`. The same Xception (random weights: the rate does not depend on them) takes
the same JPEG patches of 224 px in three ways, in turns: the network on patches in memory, which is
the limit; histotransfer's extraction; and a loop as in CLAM's and TRIDENT's extraction (patches
read one by one and collated, the network, rows appended to the HDF5 file batch by batch), here
without worker processes and through Keras in place of PyTorch. The start of a job, and its share in
jobs of several slides, stand below.
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
from histotransfer.imaging.codecs import append_image, decode, encode
from histotransfer.models import backend, initial_weights, keras_files, xception
from histotransfer.patches.store import create_patch_store
from ratios import report


def write_store(path: Path, count: int, px: int) -> None:
    """Write a store of JPEG patches with the frequencies of tissue rather than of noise."""
    rng = np.random.default_rng(0)
    with create_patch_store(path, {"slide": "bench", "patch_px": px, "codec": "jpeg"}) as store:
        for _ in range(count):
            coarse = rng.integers(80, 240, (px // 8, px // 8, 3), dtype=np.uint8)
            append_image(store, encode(coarse.repeat(8, axis=0).repeat(8, axis=1), "jpeg", 95))
        store["coords"] = np.arange(2 * count, dtype=np.int32).reshape(-1, 2)


def main() -> None:
    """Time the three ways in turns."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--patches", type=int, default=128)
    options.add_argument("--px", type=int, default=224)
    options.add_argument("--batch-size", type=int, default=16)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=0)
    chosen = options.parse_args()
    count, size = chosen.patches, chosen.batch_size
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backend.configure(threads=chosen.threads)
        initial_weights.fetch(folder / "w.h5", source="random", seed=0)
        keras_files.save(xception.from_weights(folder / "w.h5", chosen.px), folder / "x.keras")
        write_store(folder / "s.h5", count, chosen.px)
        net = extraction._Network(folder / "x.keras", size, False, chosen.threads)
        with h5py.File(folder / "s.h5") as store:
            images = np.stack([decode(buffer) for buffer in store["images"][:]])

        def alone() -> None:
            for start in range(0, count, size):
                net.run(images[start : start + size])

        def ours() -> None:
            with h5py.File(folder / "s.h5") as store:
                shape = (count, images_out)
                rows = extraction._rows(store, net)
                extraction._write(
                    folder / "f.h5", rows, shape, "float16", store, extractor="x", key="k"
                )

        def their_loop() -> None:
            with h5py.File(folder / "s.h5") as store, h5py.File(folder / "t.h5", "w") as out:
                rows = out.create_dataset("features", (0, images_out), "f4", maxshape=(None, None))
                for start in range(0, count, size):
                    taken = range(start, min(start + size, count))
                    batch = np.stack([decode(store["images"][row]) for row in taken])
                    found = net.run(batch)
                    rows.resize((start + len(found), images_out))
                    rows[start:] = found

        images_out = net.run(images[:size]).shape[1]
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
            "from histotransfer.features import extraction\nimport numpy as np\n"
            f"n = extraction._Network({str(folder / 'x.keras')!r}, {size}, False, "
            f"{chosen.threads})\n"
            f"n.run(np.zeros(({size}, {chosen.px}, {chosen.px}, 3), np.uint8))"
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
