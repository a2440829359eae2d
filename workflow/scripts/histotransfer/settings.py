"""The config and the slide sheet, checked before the first job.

Imported by the Snakefile, so only what Snakemake itself depends on may be imported here.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from .errors import HistotransferError
from .sources import extractors

#: Where the published study's data come from, by the config key that names them.
SOURCES = {
    "NCT-CRC-HE-100K": "unpack NCT-CRC-HE-100K.zip of https://zenodo.org/records/1214456 there",
    "CRC-VAL-HE-7K": "unpack CRC-VAL-HE-7K.zip of https://zenodo.org/records/1214456 there",
    "dataset": "a folder with one sub-folder of patches per tissue class is expected there",
    "slides": (
        "list the diagnostic slides of TCGA-LUAD from https://portal.gdc.cancer.gov there, "
        "tab-separated, with the columns slide, patient, path and, optionally, mpp"
    ),
    "expression": (
        "write the TPM of the STAR counts of TCGA-LUAD from https://portal.gdc.cancer.gov there, "
        "tab-separated, patients in rows and genes in columns"
    ),
    "mutation": (
        "write the non-silent somatic mutations of TCGA-LUAD from https://portal.gdc.cancer.gov "
        "there, tab-separated, 0/1, patients in rows and genes in columns"
    ),
}


COLUMNS = ("slide", "patient", "path")
"""What every slide sheet has."""

_DECIMAL = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"


@dataclass(frozen=True)
class Slide:
    """A row of the slide sheet; `mpp` is None where the sheet leaves it to the slide's header."""

    slide: str
    patient: str
    path: str
    mpp: float | None = None


def check_config(config: Mapping[str, Any], schema_path: str | Path) -> None:
    """Check a config against its schema, and its keys against each other.

    Parameters
    ----------
    config : mapping
        The config as read.
    schema_path : str or Path
        The JSON schema, in YAML.

    Raises
    ------
    HistotransferError
        At the first key that is wrong, naming it.
    """
    remedy = "Correct it in the config (config/README.md)"
    if odd := _odd_value(config):
        raise HistotransferError("config", odd, remedy)
    _check(config, _schema(schema_path), "config", remedy)
    datasets = set(config["datasets"])
    named = {
        "stain.reference": config["stain"]["reference"],
        "finetune.dataset": config["finetune"]["dataset"],
    }
    named |= {
        f"tasks.{name}.dataset": task["dataset"]
        for name, task in config["tasks"].items()
        if "dataset" in task
    }
    for key, dataset in named.items():
        if dataset not in datasets:
            raise HistotransferError(
                f"config: {key}",
                f"'{dataset}' is not among the datasets ({', '.join(sorted(datasets))})",
                "Add it to `datasets` or name one of these",
            )
    for key, path, _ in _named_files(config):
        if "{" in path or "}" in path:
            raise HistotransferError(
                f"config: {key}",
                f"'{path}' has braces, Snakemake's signs for wildcards",
                "Rename it",
            )
    baseline = next(iter(config["extractors"]))
    tissue = any(task["kind"] == "tissue" for task in config["tasks"].values())
    if tissue and not extractors(config)[baseline].is_network:
        raise HistotransferError(
            f"config: extractors.{baseline}",
            "features made elsewhere know no patches of a tissue dataset, so they cannot be the "
            "baseline of a tissue task",
            "Name a network first, or leave the tissue task out",
        )
    further = {
        f"{name}-seed{seed}"
        for name, entry in config["extractors"].items()
        if entry["source"] == "finetuned"
        for seed in config["finetune"]["seeds"][1:]
    }
    if taken := further & set(config["extractors"]):
        raise HistotransferError(
            f"config: extractors.{min(taken)}",
            "this is the name of a fine-tuned extractor of one of finetune.seeds",
            "Rename it",
        )
    if config["finetune"]["cache"] and config["finetune"]["augment"]["stain_jitter"]:
        raise HistotransferError(
            "config: finetune.cache",
            "a changed stain is another in every epoch, so nothing can be kept",
            "Set finetune.cache to false, or finetune.augment.stain_jitter to 0",
        )
    unpainted = datasets - set(config.get("simulate", {}).get("patches_per_class", datasets))
    if unpainted:
        raise HistotransferError(
            "config: simulate.patches_per_class",
            f"no number for {', '.join(sorted(unpainted))}",
            "Give one for each dataset",
        )


def read_slide_sheet(
    path: str | Path, schema_path: str | Path, reserved: Iterable[str] = ()
) -> dict[str, Slide]:
    """Read the slide sheet.

    Parameters
    ----------
    path : str or Path
        A tab-separated table with the columns slide, patient, path and, optionally, mpp.
    schema_path : str or Path
        The JSON schema of a row, in YAML.
    reserved : iterable of str
        Ids that no slide may have: the datasets', whose files lie beside the slides'.

    Returns
    -------
    dict of str to Slide
        By slide id, in the order of the sheet.

    Raises
    ------
    HistotransferError
        At the first wrong row, naming its line.
    """
    schema = _schema(schema_path)
    reserved = set(reserved)
    slides: dict[str, Slide] = {}
    seen_in_lower_case: dict[str, str] = {}
    for line, cells in _rows(path):
        where = f"{path}, line {line}"
        row: dict[str, Any] = {
            name: value.strip() if isinstance(value, str) else value
            for name, value in cells.items()
            if value is not None
        }
        if "mpp" in row:
            row["mpp"] = _number(row["mpp"], where)
        _check(row, schema, where, "Correct the sheet (config/README.md)")
        slide = Slide(**row)
        if slide.slide in slides:
            raise HistotransferError(
                where, f"slide '{slide.slide}' is listed twice", "Keep one of the rows"
            )
        alike = seen_in_lower_case.setdefault(slide.slide.lower(), slide.slide)
        if alike != slide.slide:
            raise HistotransferError(
                where,
                f"slide '{slide.slide}' differs from '{alike}' in capitals alone, which some file "
                "systems do not tell apart",
                "Rename one of the two",
            )
        if slide.slide in reserved:
            raise HistotransferError(
                where, f"slide '{slide.slide}' has the name of a dataset", "Rename one of the two"
            )
        slides[slide.slide] = slide
    if not slides:
        raise HistotransferError(
            path, "lists no slide", "Write one row per slide below the header slide, patient, path"
        )
    return slides


def missing_data(config: Mapping[str, Any]) -> list[str]:
    """List what a config names and nobody has put there, with where it comes from.

    Parameters
    ----------
    config : mapping
        A checked config. A simulated study makes its own data, and misses none.

    Returns
    -------
    list of str
        One line for each missing folder or file; slides are looked for where the sheet exists.
    """
    if "simulate" in config:
        return []
    return [
        f"{path} (config key {key}): {source}"
        for key, path, source in _named_files(config)
        if not Path(path).exists()
    ]


def _named_files(config: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """List the files and folders that a config names: key, path and where it comes from."""
    wanted = [("slides", config["slides"], SOURCES["slides"])]
    for name, dataset in config["datasets"].items():
        source = SOURCES.get(name, SOURCES["dataset"])
        wanted.append((f"datasets.{name}.path", dataset["path"], source))
    for name, task in config["tasks"].items():
        for key, path in label_files(task).items():
            wanted.append((f"tasks.{name}.{key}", path, SOURCES[task["kind"]]))
        if isinstance(task.get("targets"), str) and task["targets"] != "all":
            wanted.append((f"tasks.{name}.targets", task["targets"], "a file of one symbol a line"))
    if config["network"]["weights"] not in ("auto", "random"):
        wanted.append(("network.weights", config["network"]["weights"], "or write `auto`"))
    sources = {
        "model": "a Keras model",
        "features": "a folder with one HDF5 file of features per slide",
        "table": "a table of patients × features",
    }
    for name, extractor in extractors(config).items():
        if extractor.path:
            wanted.append((f"extractors.{name}.source", extractor.path, sources[extractor.kind]))
    return wanted


def label_files(task: Mapping[str, Any]) -> dict[str, str]:
    """Return what a task's labels are read from, by config key; nothing for tissue."""
    labels = task.get("labels", {})
    if isinstance(labels, str):
        return {"labels": labels}
    files = ("table", "star_counts", "maf", "samples")
    return {f"labels.{key}": labels[key] for key in files if key in labels}


def missing_slides(slides: Iterable[Slide]) -> list[str]:
    """List the paths of the sheet's slides at which there is nothing."""
    return [slide.path for slide in slides if not Path(slide.path).exists()]


def _schema(path: str | Path) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return schema


def _check(value: object, schema: Mapping[str, Any], subject: str, remedy: str) -> None:
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is not None:
        key = ".".join(str(part) for part in error.absolute_path)
        raise HistotransferError(f"{subject}: {key}" if key else subject, error.message, remedy)


def _rows(path: str | Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Yield the line and the cells of each row of the sheet, blank lines left out."""
    remedy = (
        "Save it as tab-separated UTF-8 text with the header slide, patient, path and, optionally, "
        "mpp (config/README.md)"
    )
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HistotransferError(path, f"cannot be read as UTF-8 text ({error})", remedy) from error
    reader = csv.DictReader(
        io.StringIO(text, newline=None), delimiter="\t", restkey="beyond the last column"
    )
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        for name in header:
            if header.count(name) > 1:
                raise HistotransferError(path, f"has two columns '{name}'", remedy)
        if len(header) == 1:
            raise HistotransferError(path, f"has one column, '{header[0][:60]}'", remedy)
        if header and (lacking := [name for name in COLUMNS if name not in header]):
            cause = f"its first line names no column {', '.join(lacking)}: {' '.join(header)[:60]}"
            raise HistotransferError(path, cause, remedy)
        reader.fieldnames = header
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise HistotransferError(path, f"is no table ({error})", remedy) from error


def _odd_value(value: object, key: str = "") -> str:
    """Say what no schema refuses: keys that are no text, numbers that are none."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{key}: {value} is not a finite number"
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not isinstance(name, str):
                return f"{key or 'config'}: the key {name!r} is not text; write it in quotes"
            if odd := _odd_value(inner, f"{key}.{name}" if key else name):
                return odd
    elif isinstance(value, list):
        for inner in value:
            if odd := _odd_value(inner, key):
                return odd
    return ""


def _number(cell: object, where: str) -> float | None:
    if cell == "":
        return None
    if not isinstance(cell, str) or not re.fullmatch(_DECIMAL, cell):
        raise HistotransferError(
            where, f"mpp {cell!r} is not a number", "Write µm per pixel, such as 0.2525"
        )
    return float(cell)
