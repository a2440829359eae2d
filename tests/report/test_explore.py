"""The page to explore: all of it in one file that asks for nothing, and that does what it says."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from plotly.offline import get_plotlyjs

from histotransfer.core.exclusions import Reason
from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import read_table
from histotransfer.qc.verdicts import COLOURS
from histotransfer.report import explore
from histotransfer.report.slide_pictures import LONGEST_PX, slide_pictures
from histotransfer.results.extremes import EXTREMES
from histotransfer.results.tables import SCHEMAS
from support.browser import Browser, browser
from support.results import emptied, write_results, written
from support.slide_stores import write_slide_stores

PATIENTS = {f"S{number}": f"P{number}" for number in range(9)} | {"S9": "P8"}
VERDICTS = ["kept"] * 9 + ["pen", "blurred", "blurred"]
EXTRACTORS = ("IMGNET-2048", "FTX-2048")
NO_MAPS = pd.DataFrame({"slide": []})


def write_predictions(folder: Path, extractor: str) -> str:
    """Predict GENE001 to be the higher, the higher the number of the patient."""
    path = folder / f"cv/expression/{extractor}/000.h5"
    path.parent.mkdir(parents=True)
    with create_store(path, "cv/2", {"task": "expression", "extractor": extractor}) as store:
        text = h5py.string_dtype()
        store.create_dataset("sample", data=sorted(set(PATIENTS.values())), dtype=text)
        store.create_dataset("target", data=["GENE001"], dtype=text)
        store["predictions"] = np.arange(9, dtype=np.float32).reshape(1, 9, 1)
    return str(path)


def page_of(folder: Path, *, slides: int = 10, beside: bool = False, **changed: object) -> Path:
    paths = write_results(folder, genes=12, repeats=2) | changed
    names = (
        "comparison",
        "answers",
        *(("gallery", "heatmaps", "heatmap_images") if slides else ()),
    )
    stores = {name: write_slide_stores(folder, name, VERDICTS) for name in list(PATIENTS)[:slides]}
    predictions = {name: write_predictions(folder, name) for name in EXTRACTORS} if slides else {}
    explore.write_explore(
        {name: paths[name] for name in names},
        folder / "explore.html",
        study="simulated",
        alpha=0.05,
        patients=PATIENTS,
        predictions={"expression": predictions} if slides else {},
        slides=stores,
        slides_folder=folder / "explore_slides" if beside else None,
    )
    return folder / "explore.html"


def data_of(page: Path) -> dict:
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r"const DATA = (.*);</script>", text)[1])


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    return page_of(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as one:
        yield one


def opened(chromium: Browser, page: Path) -> None:
    chromium.requests()
    chromium.complaints()
    chromium.open(page)
    chromium.until("return document.querySelectorAll('#scatter .points path').length")


def asked_only_for(chromium: Browser, *paths: Path) -> None:
    assert set(chromium.requests()) == {path.as_uri() for path in paths}
    assert chromium.complaints() == []


def test_the_page_names_the_point_under_the_pointer_and_filters_by_name(chromium, page):
    opened(chromium, page)
    chromium.run("$('task').value = 'expression'; $('task').onchange()")
    count = "return document.querySelectorAll('#scatter .points path').length"
    genes = read_table(page.parent / "tables/comparison.tsv", SCHEMAS["comparison"])
    genes = genes[genes["task"] == "expression"]
    assert chromium.run(count) == len(genes) == 12
    for number in (0, 7):
        chromium.point_at(f"document.querySelectorAll('#scatter .points path')[{number}]")
        named = "return document.querySelector('#scatter .hovertext')?.textContent"
        name = genes["target"].iloc[number]
        assert chromium.until(f"{named}.includes('{name}')")
    chromium.type("#filter", "gene00")
    assert chromium.until("return $('found').textContent") == "9 of 12 targets"
    named = "return [...document.querySelectorAll('#scatter .textpoint')].map(t => t.textContent)"
    assert sorted(filter(None, chromium.until(named))) == [f"GENE00{i}" for i in range(1, 10)]
    targets = chromium.run(
        "return [...$('comparisons').tBodies[0].rows].map(r => r.cells[1].innerText)"
    )
    assert sorted(targets) == [f"GENE00{i}" for i in range(1, 10)]
    asked_only_for(chromium, page)


def test_the_table_is_sorted_by_any_column_with_what_is_missing_last(chromium, page):
    opened(chromium, page)
    comparison = read_table(page.parent / "tables/comparison.tsv", SCHEMAS["comparison"])
    column = (
        "const place = [...$('comparisons').tHead.rows[0].cells].findIndex(c => c.textContent"
        " === arguments[0]);"
    )
    cells = "return [...$('comparisons').tBodies[0].rows].map(r => r.cells[place].textContent)"
    for title, name in (("difference", "delta"), ("p", "p_corrected"), ("n", "n")):
        for sign in (1, -1):
            chromium.run(f"{column} $('comparisons').tHead.rows[0].cells[place].click()", title)
            shown = chromium.run(f"{column} {cells}", title)
            assert len(shown) == len(comparison)
            given = [float(text.replace("−", "-")) for text in shown if text]
            assert given == sorted(given, reverse=sign < 0)
            assert len(given) == comparison[name].notna().sum()
            assert all(not text for text in shown[len(given) :])
    asked_only_for(chromium, page)


def test_a_gene_leads_to_its_slides_and_each_layer_can_be_switched(chromium, page):
    opened(chromium, page)
    chromium.type("#filter", "GENE001")
    chromium.click("#comparisons tbody button.link")
    said = chromium.run("return $('chosen').innerText")
    for text in ("GENE001 (expression)", "FTX-2048", "heatmap, highest prediction: S0"):
        assert text in said
    assert "patients of the highest prediction: S8, S9, S7, S6" in said  # P8 has two slides
    assert "patients of the lowest prediction: S0, S1, S2" in said
    chromium.click("#chosen button.link")
    assert chromium.run("return $('slide').value") == "S0"
    layers = (
        "return [...document.querySelectorAll('#layers input')].map((box, i) => [box.name,"
        " box.checked, !$('stack').children[i + 1].hidden])"
    )
    assert chromium.until(layers) == [
        ["kept", False, False], ["pen", False, False], ["blurred", False, False],
        ["IMGNET-2048", True, True], ["FTX-2048", False, False],  # of GENE001
        ["IMGNET-2048", False, False], ["FTX-2048", False, False],  # of STK11
    ]  # fmt: skip
    chromium.click("#layers input[name='pen']")
    chromium.click("#layers input[name='IMGNET-2048']")
    assert [shown for _, _, shown in chromium.run(layers)] == [False, True] + 5 * [False]
    loaded = "return [...$('stack').children].every(image => image.complete && image.naturalWidth)"
    assert chromium.until(loaded)
    asked_only_for(chromium, page)


def test_slides_beside_the_page_are_loaded_from_the_disk_when_they_are_chosen(chromium, tmp_path):
    page = page_of(tmp_path, beside=True)
    assert data_of(page)["pictures"] == {}
    opened(chromium, page)
    shown = "return $('note').textContent.startsWith('patient {}') && $('layers').innerText"
    assert "pen" in chromium.until(shown.format("P0"))
    asked_only_for(chromium, page, tmp_path / "explore_slides/S0.js")
    chromium.run("$('slide').value = 'S4'; $('slide').onchange()")
    assert chromium.until(shown.format("P4"))
    asked_only_for(chromium, tmp_path / "explore_slides/S4.js")
    (tmp_path / "explore_slides/S5.js").unlink()
    chromium.run("$('slide').value = 'S5'; $('slide').onchange()")
    assert chromium.until("return $('note').textContent.includes('keep the folder beside')")


def test_a_study_without_slides_or_without_results_has_a_page(chromium, tmp_path):
    page = page_of(tmp_path / "none", slides=0)
    opened(chromium, page)
    assert not chromium.run("return $('slide')")
    chromium.click("#comparisons tbody button.link")
    assert chromium.run("return $('chosen').innerText")
    asked_only_for(chromium, page)
    paths = write_results(tmp_path, genes=12, repeats=2)
    nothing = emptied(paths, tmp_path, "comparison", "answers")
    page = page_of(tmp_path / "empty", slides=0, **nothing)
    chromium.open(page)
    assert chromium.until("return $('found').textContent") == "0 targets"
    asked_only_for(chromium, page)


def test_names_stay_names(chromium, tmp_path):
    paths = write_results(tmp_path, genes=12, repeats=2)
    hostile = "</script><img src=x onerror=alert(1)>"
    table = read_table(paths["comparison"], SCHEMAS["comparison"]).replace("GENE001", hostile)
    path = written("comparison", table, tmp_path / "comparison.tsv")
    page = page_of(tmp_path / "page", slides=0, comparison=path)
    assert hostile not in page.read_text(encoding="utf-8")
    opened(chromium, page)
    chromium.type("#filter", "onerror")
    assert (
        chromium.run("return $('comparisons').tBodies[0].rows[0].cells[1].textContent") == hostile
    )
    chromium.click("#comparisons tbody button.link")
    assert chromium.run("return document.images.length") == 0
    asked_only_for(chromium, page)


def test_the_page_is_one_file_of_known_size_and_the_same_twice(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    own = text.replace(get_plotlyjs(), "")
    assert len(own) < len(text)
    assert not re.search(r"<script src|<link|https?://|@import|url\(", own)
    assert page.stat().st_size < 6e6
    assert page_of(tmp_path).read_bytes() == page.read_bytes()


def test_a_slide_of_a_clinic_fits_fifty_times_into_fifteen_megabytes(tmp_path):
    """Thousands of patches on a thumbnail with as much detail as tissue has."""
    reasons = np.resize(["kept", "kept", "blurred", "pen", "background"], 120 * 90).tolist()
    rng = np.random.default_rng(3)
    # Detail at several scales, as in tissue; white noise would be what no JPEG can hold.
    detail = sum(
        np.kron(rng.normal(0, 12, (1500 // size, 2000 // size, 3)), np.ones((size, size, 1)))
        for size in (5, 20, 50, 100)
    )
    picture = np.clip(190 + detail, 0, 255).astype(np.uint8)
    stores = write_slide_stores(tmp_path, "S", reasons, columns=120, thumbnail=picture)
    held = len(json.dumps(slide_pictures(*stores, NO_MAPS, slide="S")))
    assert 54 * held + len(get_plotlyjs()) < 15e6


def test_many_comparisons_keep_the_surest_and_say_how_many_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(explore, "MOST_ROWS", 7)
    page = page_of(tmp_path, slides=0)
    data = data_of(page)
    comparison = read_table(tmp_path / "tables/comparison.tsv", SCHEMAS["comparison"])
    kept = data["comparison"]["q_bh"]
    assert data["left_out"] == len(comparison) - 7
    assert max(kept) <= comparison["q_bh"].sort_values().iloc[7]


def test_layers_lie_where_the_patches_are(tmp_path):
    stores = write_slide_stores(tmp_path, "S", VERDICTS)
    maps = pd.DataFrame(
        {
            "slide": ["S"], "task": ["t"], "target": ["g"], "unit": ["log-odds"], "limit": [2.0],
            "extractors": [["A"]], "coords": [np.array([[0, 0], [1344, 896]], np.int32)],
            "contributions": [np.array([[2.0], [-9.0]])],
        }
    )  # fmt: skip
    found = slide_pictures(*stores, maps, slide="S")
    assert found["width_mm"] == 0.9  # 1792 px of 0.5 µm
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert [layers[name]["note"] for name in ("kept", "pen", "blurred")] == ["9", "1", "2"]
    assert layers["A"]["note"] == "−2 to +2 log-odds"
    pictures = {name: decoded(layer["picture"]) for name, layer in layers.items()}
    assert {image.size for image in pictures.values()} == {(LONGEST_PX, LONGEST_PX * 3 // 4)}
    side = LONGEST_PX // 4
    middle = lambda image, column, row: image.getpixel(  # noqa: E731
        (int((column + 0.5) * side), int((row + 0.5) * side))
    )
    pen = tuple(int(COLOURS["pen"][i : i + 2], 16) for i in (1, 3, 5))
    assert middle(pictures["pen"], 1, 2) == (*pen, 255)
    assert middle(pictures["pen"], 2, 2)[3] == 0
    red, blue = middle(pictures["A"], 0, 0), middle(pictures["A"], 3, 2)
    assert red[0] > 2 * red[2]
    assert blue[2] > 1.5 * blue[0]
    assert middle(pictures["A"], 1, 1)[3] == 0


def test_a_slide_without_a_picture_says_why(tmp_path):
    reason = Reason("slide_unreadable", "no TIFF", "Copy it again")
    stores = write_slide_stores(tmp_path, "S", [], excluded=reason)
    found = slide_pictures(*stores, NO_MAPS, slide="S")
    assert found["picture"] == ""
    assert "Copy it again" in found["note"]
    assert EXTREMES == 3


def decoded(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGBA")
