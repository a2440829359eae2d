"""The published study with empty files in the place of its data: enough to plan it."""

from __future__ import annotations

from collections.abc import Iterable

from support.study import Study


def lay_out_the_published_study(study: Study, slides: Iterable[str]) -> None:
    """Put empty files where the published study's data are expected, or would be fetched to."""
    config = study.config("config.yaml")
    rows = ["slide\tpatient\tpath"]
    (study.folder / "data/slides").mkdir(parents=True)
    for number, slide in enumerate(slides):
        path = study.folder / "data/slides" / f"{slide}.svs"
        path.touch()
        rows.append(f"{slide}\tTCGA-05-{number // 2:04d}\tdata/slides/{slide}.svs")
    (study.folder / "config/slides.tsv").write_text("\n".join(rows) + "\n")
    for dataset in config["datasets"]:
        (study.folder / "data" / dataset).mkdir()
    for files in ("star_counts", "mutations"):
        (study.folder / f"config/{files}.tsv").touch()
        (study.folder / f"data/{files}").mkdir()
        (study.folder / f"data/{files}/MANIFEST.txt").touch()
