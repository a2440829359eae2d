"""What a user sees of wrong input: one message, a non-zero exit, and nothing half done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from support.slides import tissue
from support.tiny_study import RESULTS, Tiny

ODD = "a $(touch gone); 'b' \"c\" & ü.csv"


def break_sheet(study: Tiny) -> None:
    (study.folder / "config/slides.tsv").write_text("slide\tpatient\tpath\n/etc/passwd\tP\tx\n")


def break_table(study: Tiny) -> None:
    (study.folder / "data/clinical.tsv").write_text("patient\tG\nP00\thigh\n")


def break_patch(study: Tiny) -> None:
    folder = study.folder / "data/none/A"
    folder.mkdir()
    Image.fromarray(tissue(96, 96)).save(folder / "good.png")
    (folder / "wrong.png").write_bytes((folder / "good.png").read_bytes()[:700])
    config = study.tiny_config()
    config["stain"]["method"] = "slide"  # otherwise nobody looks at the images
    study.configure("tiny.yaml", config)


CASES: dict[str, tuple[Callable[[Tiny], None], str, str]] = {
    "a sheet": (break_sheet, f"{RESULTS}/tables/qc.tsv", "config/slides.tsv, line 2: slide: "),
    "a table": (
        break_table,
        f"{RESULTS}/pooled/TABLE.h5",
        "error: data/clinical.tsv: column 'G' holds",
    ),
    "a patch": (break_patch, f"{RESULTS}/patches/none.h5", "error: data/none/A/wrong.png: cannot"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_wrong_input_ends_in_one_message_and_a_failed_run(tmp_path: Path, case: str) -> None:
    spoil, target, named = CASES[case]
    study = Tiny(tmp_path, patients=2)
    spoil(study)
    process = study.snakemake(*study.arguments(target))
    assert process.returncode != 0
    said = [line for line in process.stdout.splitlines() if named in line]
    assert said, process.stdout[-3000:]
    assert len(said[0]) < 500
    assert "Traceback" not in process.stdout
    assert not (tmp_path / target).exists()
    assert study.leftovers() == []


@pytest.mark.slow
def test_a_path_with_whatever_a_shell_knows_is_a_path(tmp_path: Path) -> None:
    study = Tiny(tmp_path, patients=2)
    text = (tmp_path / "data/clinical.tsv").read_text().replace("\t", ",")
    (tmp_path / "data" / ODD).write_text(text)
    config = study.config("tiny.yaml")
    config["extractors"]["TABLE"]["source"]["table"] = f"data/{ODD}"
    study.configuration = study.configure("odd.yaml", config)
    study.run(*study.arguments(f"{RESULTS}/pooled/TABLE.h5"))
    assert not list(tmp_path.rglob("gone"))
