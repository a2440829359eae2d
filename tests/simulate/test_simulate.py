"""The simulated cohort: real files with the truth that was planted in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import kurtosis, skew
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

from histotransfer.core.errors import HistotransferError
from histotransfer.core.streams import stream
from histotransfer.core.tables import read_table, write_table
from histotransfer.simulate.cohort import EMPTY, UNREADABLE, composition
from histotransfer.simulate.painter import CLASSES, develop, draw_stain, paint
from histotransfer.simulate.slides import _regions, write_patches, write_slide
from histotransfer.simulate.tables import TRUTH, cohort_sheet, write_labels

ROOT = Path(__file__).resolve().parents[2]
SEED = 20220112
SLIDE = "SIM-01-0001-01Z-00-DX1"


def write_small(path: Path, slide: str = SLIDE, **options: float) -> Path:
    size = {"slide_px": 500, "mpp": 0.5, "seed": SEED} | options
    write_slide(path, slide=slide, **size)
    return path


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "PATCHES"
    write_patches(folder, dataset="PATCHES", seed=SEED, patches_per_class=16, patch_px=96, mpp=1.0)
    return folder


def read_patches(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    files = sorted(folder.glob("*/*.tif"))
    return np.stack([np.asarray(Image.open(file)) for file in files]), np.array(
        [file.parent.name for file in files]
    )


def test_openslide_reads_a_slide_as_aperio(tmp_path: Path) -> None:
    path = write_small(tmp_path / "a.svs")
    with openslide.OpenSlide(path) as slide:
        assert slide.properties["openslide.vendor"] == "aperio"
        assert slide.properties["openslide.mpp-x"] == "0.5"
        assert slide.properties["openslide.objective-power"] == "20"
        assert slide.level_dimensions == ((500, 500), (125, 125))
        assert slide.associated_images["thumbnail"].size == (63, 63)
        base = slide.read_region((0, 0), 0, (500, 500)).convert("RGB")
        small = slide.read_region((0, 0), 1, (125, 125)).convert("RGB")
    difference = np.asarray(base.reduce(4), float) - np.asarray(small, float)
    assert np.abs(difference).mean() < 3  # two JPEG encodings of the same picture


def test_the_same_slide_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write_small(tmp_path / "a.svs").read_bytes()
    assert write_small(tmp_path / "b.svs").read_bytes() == first
    assert write_small(tmp_path / "c.svs", seed=1).read_bytes() != first


def test_the_damaged_slide_does_not_open(tmp_path: Path) -> None:
    path = write_small(tmp_path / "a.svs", f"{UNREADABLE}-01Z-00-DX1")
    with pytest.raises(openslide.OpenSlideError):
        openslide.OpenSlide(path)


def test_the_empty_slide_opens_and_is_pale_all_over(tmp_path: Path) -> None:
    path = write_small(tmp_path / "a.svs", f"{EMPTY}-01Z-00-DX1")
    with openslide.OpenSlide(path) as slide:
        pixels = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
    assert (pixels.min(axis=2) > 200).mean() > 0.995


def read_rgb(path: Path) -> np.ndarray:
    with openslide.OpenSlide(path) as slide:
        return np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"), float)


def test_a_side_of_some_slides_is_out_of_focus(tmp_path: Path) -> None:
    def edges(path: Path) -> tuple[float, float]:
        grey = read_rgb(path).mean(axis=2)
        left, right = grey[:, :225], grey[:, 400:]
        return np.abs(np.diff(left)).mean(), np.abs(np.diff(right[:, :50])).mean()

    sharp_left, soft_right = edges(write_small(tmp_path / "a.svs", "SIM-01-0004-01Z-00-DX1"))
    assert soft_right < 0.3 * sharp_left
    left, right = edges(write_small(tmp_path / "b.svs", "SIM-01-0006-01Z-00-DX1"))
    assert right > 0.5 * left


def test_some_slides_carry_pen_marks(tmp_path: Path) -> None:
    def ink(path: Path) -> float:
        flat = np.asarray(Image.fromarray(read_rgb(path).astype(np.uint8)).reduce(10), float)
        red, green, blue = np.moveaxis(flat, -1, 0)
        return float(((blue > red + 80) & (red < 90) & (green < 110)).mean())

    assert ink(write_small(tmp_path / "a.svs", "SIM-01-0003-01Z-00-DX1")) > 0.02
    assert ink(write_small(tmp_path / "b.svs", "SIM-01-0006-01Z-00-DX1")) < 0.001


def test_a_slide_that_is_not_simulated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistotransferError, match="not the id of a simulated slide"):
        write_small(tmp_path / "a.svs", "TCGA-05-4244-01Z-00-DX1")
    assert not list(tmp_path.iterdir())


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 48))
def test_regions_have_the_fractions_of_the_composition(seed: int, number: int) -> None:
    fractions = composition(f"SIM-01-{number:04d}", seed)
    assert sum(fractions.values()) == pytest.approx(1)
    regions = _regions(np.random.default_rng(seed), 216, fractions)
    counts = np.bincount(regions.ravel(), minlength=len(CLASSES)).astype(float)
    counts[CLASSES.index("BACK")] = 0
    assert 0.3 < counts.sum() / regions.size < 0.9
    np.testing.assert_allclose(counts / counts.sum(), list(fractions.values()), atol=0.01)


def test_compositions_differ_along_three_axes_and_more() -> None:
    table = pd.DataFrame([composition(f"SIM-01-{i:04d}", SEED) for i in range(1, 49)])
    variances = np.sort(np.linalg.eigvalsh(table.cov()))[::-1]
    assert (variances[:3] > 0.1 * variances.sum()).all()
    assert (table[["TUM", "STR", "LYM", "MUC", "NORM"]].std() > 0.1).all()


def test_the_demo_sheet_is_the_simulated_cohort(tmp_path: Path) -> None:
    write_table(cohort_sheet(SEED), tmp_path / "slides.tsv")
    committed = ROOT / "config" / "demo" / "slides.tsv"
    assert committed.read_bytes() == (tmp_path / "slides.tsv").read_bytes()
    sheet = cohort_sheet(SEED)
    assert sheet["patient"].nunique() == 50
    assert (sheet["patient"].value_counts() == 2).sum() == 4
    assert sheet["slide"].is_unique


def test_labels_follow_the_truth_and_nothing_else(tmp_path: Path) -> None:
    # A cohort of many more patients than the demo's shows the planted effects without much noise.
    patients = [f"SIM-02-{number:04d}" for number in range(3000)]
    write_table(pd.DataFrame({"slide": patients, "patient": patients}), tmp_path / "slides.tsv")
    paths = {name: tmp_path / f"{name}.tsv" for name in ("expression", "mutations", "truth")}
    red = pd.Series(np.random.default_rng(3).normal(150, 9, 3000), patients)
    sheet = tmp_path / "slides.tsv"
    write_labels(**paths, slides=sheet, redness=red[100:].to_dict(), seed=SEED)
    truth = read_table(paths["truth"], TRUTH).fillna({"follows": ""})
    tpm = pd.read_csv(paths["expression"], sep="\t").set_index("patient")
    status = pd.read_csv(paths["mutations"], sep="\t").set_index("patient")
    traits = pd.DataFrame([composition(p, SEED) for p in patients], index=patients)
    traits["colour"] = red
    assert truth["task"].value_counts().to_dict() == {"expression": 24, "mutation": 6}
    assert (truth["follows"] == "").groupby(truth["task"]).sum().to_dict() == {
        "expression": 11,
        "mutation": 3,
    }
    assert truth.loc[truth["follows"] == "colour", "target"].tolist() == ["SIMG13"]
    for row in truth.itertuples():
        amount = traits[row.follows.split("+")].sum(axis=1) if row.follows else traits["TUM"]
        if row.task == "expression":
            assert (tpm[row.target] >= 0).all()
            known = amount.index[100:]  # those before have no patches, so no colour
            explained = np.corrcoef(np.log2(tpm[row.target][known]), amount[known])[0, 1] ** 2
            planted = {"": 0, "colour": 0.95}.get(row.follows, 0.7)
            assert explained == pytest.approx(planted, abs=0.04)
            assert np.isfinite(tpm[row.target]).all()
        else:
            known = status[row.target].dropna()
            assert 0.01 < status[row.target].isna().mean() < 0.05
            assert 0.3 <= known.mean() <= 0.5
            ratio = amount[known.index].groupby(known).mean()
            gap = (ratio[1] - ratio[0]) / amount.std()
            assert (gap > 1) if row.follows else (abs(gap) < 0.15)


def test_patches_are_laid_out_as_the_public_set_is(patches: Path) -> None:
    images, labels = read_patches(patches)
    assert images.shape == (9 * 16, 96, 96, 3)
    assert images.dtype == np.uint8
    assert dict(zip(*np.unique(labels, return_counts=True), strict=True)) == dict.fromkeys(
        CLASSES, 16
    )
    for file in patches.glob("*/*.tif"):
        tissue, name = file.stem.split("-")
        assert tissue == file.parent.name
        assert len(name) == 8
        assert name.isupper()


def test_another_data_set_has_other_patches_and_stains(patches: Path, tmp_path: Path) -> None:
    folder = tmp_path / "OTHER"
    write_patches(folder, dataset="OTHER", seed=SEED, patches_per_class=2, patch_px=96, mpp=1.0)
    names = {file.name for file in patches.glob("*/*.tif")}
    assert not names & {file.name for file in folder.glob("*/*.tif")}
    before = {file.name: file.read_bytes() for file in folder.glob("*/*.tif")}
    write_patches(folder, dataset="OTHER", seed=SEED, patches_per_class=2, patch_px=96, mpp=1.0)
    assert {file.name: file.read_bytes() for file in folder.glob("*/*.tif")} == before


def texture(image: np.ndarray) -> list[float]:
    """Edge strength, blob strength and asymmetry at five scales of the grey picture."""
    grey = Image.fromarray(image).convert("L")
    found = []
    for factor in (1, 2, 3, 4, 6):
        values = np.asarray(grey.reduce(factor), dtype=float)
        values = (values - values.mean()) / max(values.std(), 3)
        rows, columns = np.gradient(values)
        tensor = np.array([[rows.var(), (rows * columns).mean()], [0, columns.var()]])
        low, high = np.linalg.eigvalsh(tensor, UPLO="U")
        found += [low, high, low / (high + 1e-9), skew(values.ravel()), kurtosis(values.ravel())]
    return np.nan_to_num([*found, np.asarray(grey).std()]).tolist()


def test_classes_differ_in_texture_more_than_in_colour(patches: Path) -> None:
    images, labels = read_patches(patches)
    forest = RandomForestClassifier(100, random_state=0)
    colour = cross_val_score(forest, images.mean(axis=(1, 2)), labels, cv=4).mean()
    shape = cross_val_score(forest, [texture(image) for image in images], labels, cv=4).mean()
    assert colour < 0.75
    assert shape > colour + 0.1
    assert shape > 0.7


@pytest.mark.parametrize("tissue", CLASSES)
def test_every_class_can_be_painted_at_any_size_and_scale(tissue: str) -> None:
    for shape, mpp in (((40, 90), 0.25), ((64, 33), 1.0), ((1, 7), 0.5)):
        rng = stream(SEED, "simulation", tissue)
        stains = paint(tissue, rng, shape, mpp)
        assert stains.shape == (2, *shape)
        assert np.isfinite(stains).all()
        assert stains.min() >= 0
        pixels = develop(stains, draw_stain(rng), rng)
        assert pixels.shape == (*shape, 3)


def test_stains_are_found_again_in_the_pixels() -> None:
    """Beer–Lambert: the optical density of a patch lies in the plane of its two stain vectors."""
    rng = stream(SEED, "simulation", "stain")
    stain = draw_stain(rng)
    pixels = develop(paint("LYM", rng, (200, 200), 0.5), stain, rng).astype(float)
    density = -np.log(np.maximum(pixels, 1) / stain.white).reshape(-1, 3)
    density = density[density.min(axis=1) > 0.15]
    _, _, axes = np.linalg.svd(density, full_matrices=False)
    outside = np.abs(stain.vectors @ axes[2]) / np.linalg.norm(stain.vectors, axis=1)
    assert (outside < 0.1).all()
