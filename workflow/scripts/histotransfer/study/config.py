"""The config: completed by defaults, and checked before the first job.

Imported by the Snakefile, so only what Snakemake itself depends on may be imported here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import HistotransferError
from .cohorts import refuse_useless_cohorts
from .extractors import CONCAT, COVARIATES, extractors
from .schema import check, load_schema, read_yaml
from .tasks import completed_task

#: Where the published study's data come from, by the config key that names them.
SOURCES = {
    "NCT-CRC-HE-100K": "unpack NCT-CRC-HE-100K.zip of https://zenodo.org/records/1214456 there",
    "CRC-VAL-HE-7K": "unpack CRC-VAL-HE-7K.zip of https://zenodo.org/records/1214456 there",
    "dataset": "expected is a folder with one sub-folder of patches per tissue class",
    "slides": (
        "list your slides there, tab-separated, with the columns slide, patient, path and, "
        "optionally, mpp"
    ),
    "expression": "a table of expression, patients by genes or genes by patients",
    "mutation": "a table of mutations, patients by genes or genes by patients",
    "binary": "a table of patients, with a column of two values for each target",
    "regression": "a table of patients, with a column of numbers for each target",
    "multiclass": "a table of patients, with a column of classes",
    "survival": "a table of patients, with a column of times and one of events",
}
SHEETS = "`make sheets` asks {gdc} and writes it"
#: The sheets that `make sheets` writes beside the slide sheet.
SHEET_FILES = {
    "patients": "patients.tsv",
    "star_counts": "star_counts.tsv",
    "mutations": "mutations.tsv",
    "left_out": "left_out.tsv",
    "release": "release.json",
}


RENAMED = {
    "crossval.preserve": ("group_by", "`none` is now `patient`"),
    "finetune.augment.flips_and_turns": ("flips_and_rotations", ""),
    "finetune.step1.decay": ("lr_schedule", ""),
    "finetune.step2.decay": ("lr_schedule", ""),
    "tasks.*.inverse_penalty": ("C", ""),
    "tasks.*.inverse_penalties": ("C", ""),
}
"""Keys of earlier versions, with their new names and what else has changed."""


ENDINGS = {
    "tasks": ("excluded", "flow"),
    "extractors": ("classifier", "training", "card", "checkpoint", "used"),
    "datasets": ("zip", "used"),
    "robustness": (),
}
"""What the workflow appends to a name for a further file: `expression.flow` would be a task's name
and another's table. No name ends like this."""
TAKEN = {
    "tasks": (),
    "extractors": ("batches.tsv", "groups.tsv"),
    "datasets": (
        *("slides", "star_counts", "mutations"),
        *("mutations.tsv", "expression.tsv", "truth.tsv"),
    ),
    "robustness": (),
}
"""Names of files and folders that lie beside those that are named like these."""


def complete(config: Mapping[str, Any], defaults_path: str | Path) -> dict[str, Any]:
    """Fill in the keys that a config leaves to the defaults.

    Parameters
    ----------
    config : mapping
        A config as the user wrote it.
    defaults_path : str or Path
        The defaults, in YAML.

    Returns
    -------
    dict
        The config's own keys come first, in its order; short forms are written out. Without a
        reference of its own, the stain is that of the dataset for fine-tuning.
    """
    defaults = read_yaml(defaults_path)
    of_tasks = defaults.pop("task_defaults")
    whole = _merged(_written_out(config), defaults)
    if isinstance(tasks := whole.get("tasks"), Mapping):
        whole["tasks"] = {name: completed_task(task, of_tasks) for name, task in tasks.items()}
    stain, tuning = whole["stain"], whole["finetune"]
    if isinstance(stain, Mapping) and isinstance(tuning, Mapping) and "dataset" in tuning:
        whole["stain"] = {"reference": tuning["dataset"], **stain}
    return whole


def _written_out(config: Mapping[str, Any]) -> dict[str, Any]:
    """Write out the short forms: an extractor's source, or a dataset's path, alone."""
    whole = dict(config)
    if isinstance(named := config.get("extractors"), Mapping):
        whole["extractors"] = {name: _with_source(entry) for name, entry in named.items()}
    if isinstance(named := config.get("datasets"), Mapping):
        whole["datasets"] = {
            name: {"path": entry} if isinstance(entry, str) else entry
            for name, entry in named.items()
        }
    return whole


def _with_source(entry: object) -> object:
    is_source = isinstance(entry, str) or (
        isinstance(entry, Mapping)
        and "source" not in entry
        and {"features", "table", "timm", CONCAT} & {*entry}
    )
    return {"source": entry} if is_source else entry


def _merged(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**own, **{key: value for key, value in defaults.items() if key not in own}}
    for key in own.keys() & defaults.keys():
        if isinstance(own[key], Mapping) and isinstance(defaults[key], Mapping):
            merged[key] = _merged(own[key], defaults[key])
    return merged


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
    _refuse_renamed(config)
    check(config, load_schema(schema_path), "config", remedy)
    _refuse_crossed_limits(config["qc"])
    _refuse_combinations(config)
    _refuse_floating_weights(config)
    _refuse_names(config)
    for name, dataset in config["datasets"].items():
        if {"labels", "patients"} <= dataset.keys():
            raise HistotransferError(
                f"config: datasets.{name}.patients",
                "stands beside `labels`, whose table can name the patients itself",
                "Write the patients into a column `patient` of that table, and drop this key",
            )
    _refuse_missing_parts(config)
    refuse_useless_cohorts(config)
    datasets = set(config["datasets"])
    named = {
        f"{section}.{key}": config[section][key]
        for section, key in (("stain", "reference"), ("finetune", "dataset"))
        if key in config[section]
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
                f"'{dataset}' is not one of the datasets ({', '.join(sorted(datasets)) or 'none'})",
                "Add it to `datasets` or name one of these",
            )
    _refuse_evaluation_on_training(config)
    further = {
        f"{name}-seed{seed}"
        for name, entry in config["extractors"].items()
        if entry["source"] == "finetuned"
        for seed in config["finetune"]["seeds"][1:]
    }
    if taken := further & set(config["extractors"]):
        raise HistotransferError(
            f"config: extractors.{min(taken)}",
            "finetune.seeds gives a fine-tuned extractor this name",
            "Rename it",
        )
    if "download" not in config and (fetched := _fetched(config)):
        raise HistotransferError(
            f"config: {fetched[0]}.source",
            "the config has no section `download`, which says where data come from and go to",
            "Add it (config/config.yaml), or give a path",
        )
    for key, path, _ in _named_files(config):
        if "{" in path or "}" in path:
            raise HistotransferError(
                f"config: {key}",
                f"'{path}' has braces, which Snakemake reads as wildcards",
                "Rename it",
            )
    unpainted = datasets - set(config.get("simulate", {}).get("patches_per_class", datasets))
    if unpainted:
        raise HistotransferError(
            "config: simulate.patches_per_class",
            f"has no number for {', '.join(sorted(unpainted))}",
            "Give one for each dataset",
        )
    for name in config.get("robustness", {}):
        _check_alternative(config, name, schema_path)


def _check_alternative(config: Mapping[str, Any], name: str, schema_path: str | Path) -> None:
    """Check the config of an alternative; an error names the alternative, too."""
    try:
        check_config(amended(config, name), schema_path)
    except HistotransferError as error:
        key = error.subject.removeprefix("config").removeprefix(": ")
        where = f"config: robustness.{name}" + f".{key}" * bool(key)
        raise HistotransferError(where, error.cause, error.remedy) from error
    if "dataset" in config["robustness"][name].get("finetune", {}):
        raise HistotransferError(
            f"config: robustness.{name}.finetune.dataset",
            "an alternative is fine-tuned on the patches of the study, which are searched for "
            "those that it is evaluated on",
            "Take it out, or make a study of its own",
        )


def amended(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the config of one of a study's alternatives, with a folder of results of its own."""
    changes = config["robustness"][name]
    study = {key: value for key, value in config.items() if key != "robustness"}
    return _merged({**changes, "results": f"{config['results']}/robustness/{name}"}, study)


def reads_slides(config: Mapping[str, Any]) -> bool:
    """Tell whether a network has to run on slides: it is compared on patients."""
    return any(e.is_network for e in extractors(config).values()) and any(
        "dataset" not in task for task in config["tasks"].values()
    )


def _refuse_missing_parts(config: Mapping[str, Any]) -> None:
    """Raise an error that lists every line that extractors and tasks need and the config lacks."""
    lines, reasons = [], []
    found = extractors(config)
    tuned = [name for name, extractor in found.items() if extractor.kind == "finetuned"]
    networks = [name for name, extractor in found.items() if extractor.is_network]
    if tuned and "dataset" not in config["finetune"]:
        lines.append("`finetune: {dataset: NAME}`")
        reasons.append(f"{tuned[0]} is fine-tuned on a dataset of patches")
    if "simulate" in config and "slides" not in config:
        lines.append("`slides: config/slides.tsv`")
        reasons.append("the simulated slides are listed there")
    elif reads_slides(config):
        task = next(name for name, task in config["tasks"].items() if "dataset" not in task)
        if "slides" not in config:
            lines.append("`slides: config/slides.tsv`")
            reasons.append(f"{networks[0]} runs on the slides of the patients of task {task}")
        is_given = "reference" in config["stain"] or tuned  # by default that of fine-tuning
        if config["stain"]["method"] != "none" and not is_given:
            lines.append("`stain: {reference: NAME}` (or `stain: {method: none}`)")
            reasons.append("the stain of slides is normalised to that of a dataset")
    for dataset, reason in image_datasets(config).items():
        entry = config["datasets"].get(dataset, {"path": ""})  # an unknown one is named later
        if "path" not in entry and not is_fetched(entry):
            lines.append(f"`path: FOLDER` below `datasets: {dataset}`")
            reasons.append(reason)
    if lines:
        raise HistotransferError(
            "config",
            f"lacks {'a line' if len(lines) == 1 else f'{len(lines)} lines'} that its extractors "
            f"and tasks need: {'; '.join(reasons)}",
            f"Add {' and '.join(lines)} to the config (config/README.md)",
        )


def _refuse_crossed_limits(qc: Mapping[str, Any]) -> None:
    """Raise an error if no mean grey lies between its limits."""
    if qc["min_grey"] >= qc["max_grey"]:
        raise HistotransferError(
            "config: qc.min_grey",
            f"is {qc['min_grey']:g}, not below qc.max_grey ({qc['max_grey']:g}): no patch is kept",
            "Lower it, or raise qc.max_grey",
        )


def _refuse_combinations(config: Mapping[str, Any]) -> None:
    """Raise an error if extractors side by side are not others, or covariates have no use."""
    own, found = config["extractors"], extractors(config)
    given = {COVARIATES, *(f"{name}+{COVARIATES}" for name in own)} & own.keys()
    if COVARIATES in config and given:
        raise HistotransferError(
            f"config: extractors.{min(given)}",
            f"`{COVARIATES}` gives an extractor this name",
            "Rename it",
        )
    single = [name for name in own if found[name].kind != CONCAT]
    for name in own:
        for part in found[name].parts:
            if part in single:
                continue
            cause = f"'{part}' is not one of the extractors ({', '.join(single)})"
            remedy = "Add it to `extractors` or name one of these"
            if part == name:
                cause, remedy = "is made of itself", f"Name others ({', '.join(single)})"
            elif part in own:
                cause = f"'{part}' is made of others itself"
                remedy = f"Name its parts: {', '.join(found[part].parts)}"
            raise HistotransferError(f"config: extractors.{name}.{CONCAT}", cause, remedy)
    of_patches = all("dataset" in task for task in config["tasks"].values())
    if COVARIATES in config and of_patches:
        raise HistotransferError(
            f"config: {COVARIATES}",
            "covariates are of patients, and all tasks are of patches",
            "Take them out, or add a task with labels of patients",
        )


def _refuse_floating_weights(config: Mapping[str, Any]) -> None:
    """Raise an error if weights of the hub have no revision, or those of a folder have one."""
    for name, extractor in extractors(config).items():
        if extractor.timm is None:
            continue
        repository, revision = extractor.timm.repository, extractor.timm.revision
        if repository and not revision:
            raise HistotransferError(
                f"config: extractors.{name}",
                "lacks the key `revision`, without which its weights might change",
                "Add the 40 digits of the last commit at "
                f"https://huggingface.co/{repository}/commits/main",
            )
        if revision and not repository:
            raise HistotransferError(
                f"config: extractors.{name}.revision", "a folder has no revision", "Take it out"
            )


def image_datasets(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the datasets whose images are needed, and why; of others names and labels will do."""
    found = extractors(config)
    networks = [name for name, extractor in found.items() if extractor.is_network]
    tuned = [name for name, extractor in found.items() if extractor.kind == "finetuned"]
    needed: dict[str, str] = {}
    if tuned and (dataset := config["finetune"].get("dataset")):
        needed[dataset] = f"{tuned[0]} is fine-tuned on the images of {dataset}"
    if networks:
        for dataset in (task["dataset"] for task in config["tasks"].values() if "dataset" in task):
            needed.setdefault(dataset, f"{networks[0]} runs on the images of {dataset}")
    stain = config["stain"]
    if "slides" in config and stain["method"] != "none" and (dataset := stain.get("reference")):
        needed.setdefault(dataset, f"the stain of slides becomes that of the images of {dataset}")
    return needed


def _refuse_evaluation_on_training(config: Mapping[str, Any]) -> None:
    """Raise an error if networks are evaluated on the dataset that they are fine-tuned on."""
    if not any(entry["source"] == "finetuned" for entry in config["extractors"].values()):
        return
    trained_on = config["finetune"]["dataset"]
    for name, task in config["tasks"].items():
        if "dataset" not in task:
            continue
        same = task["dataset"] == trained_on
        if same or _origin(config, task["dataset"]) == _origin(config, trained_on):
            which = f"'{trained_on}'" if same else f"'{task['dataset']}', which is '{trained_on}',"
            raise HistotransferError(
                f"config: tasks.{name}.dataset",
                f"networks are fine-tuned on {which} and cannot be evaluated on it too",
                "Name a dataset of other patches, best of other patients",
            )


def _origin(config: Mapping[str, Any], dataset: str) -> str:
    """Return where a dataset's patches come from: a folder, or an archive's digest, and a table.

    Two tables may take different patches of one folder.
    """
    entry = config["datasets"][dataset]
    place = os.path.realpath(entry["path"]) if "path" in entry else str(entry.get("md5", ""))
    return f"{place} {os.path.realpath(entry['labels']) if 'labels' in entry else ''}"


def _refuse_names(config: Mapping[str, Any]) -> None:
    """Raise an error if two names of the config would give one file."""
    names = {section: list(config.get(section, ())) for section in ENDINGS}
    names["extractors"] = list(extractors(config))
    for section, given in names.items():
        alike: dict[str, str] = {}
        for name in given:
            where, low = f"config: {section}.{name}", name.lower()
            if ending := next((e for e in ENDINGS[section] if low.endswith(f".{e}")), ""):
                raise HistotransferError(
                    where,
                    f"a name must not end in `.{ending}`, as some result files do",
                    "Rename it",
                )
            if low in TAKEN[section]:
                raise HistotransferError(
                    where, "the workflow has a file or folder of this name itself", "Rename it"
                )
            if (other := alike.setdefault(low, name)) != name:
                raise HistotransferError(
                    where,
                    f"differs from '{other}' only in capitals, which some file systems ignore",
                    "Rename one of the two",
                )


def _refuse_renamed(config: Mapping[str, Any]) -> None:
    """Raise an error that names the new name of a key of an earlier version."""
    for pattern, (name, change) in RENAMED.items():
        *folders, old = pattern.split(".")
        for path, section in _sections(config, folders):
            if isinstance(section, Mapping) and old in section:
                raise HistotransferError(
                    f"config: {'.'.join((*path, old))}",
                    f"the key is now called `{name}`" + (f"; {change}" if change else ""),
                    "Rename it in the config",
                )


def _sections(value: object, folders: list[str]) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield the sections of a config at a path, where ``*`` stands for every key."""
    if not folders:
        yield (), value
    elif isinstance(value, Mapping):
        for name in value if folders[0] == "*" else [folders[0]]:
            for path, section in _sections(value.get(name), folders[1:]):
                yield (str(name), *path), section


def missing_data(config: Mapping[str, Any]) -> list[str]:
    """List the data that a config names and that do not exist, and where each comes from.

    Parameters
    ----------
    config : mapping
        A checked config. A simulated study makes its own data, so none are missing.

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


def refuse_misplaced(config: Mapping[str, Any]) -> None:
    """Raise HistotransferError if a config names a file where a folder is read, or vice versa.

    Parameters
    ----------
    config : mapping
        A checked config.
    """
    folders = {f"datasets.{name}.path" for name in config["datasets"]}
    folders |= {
        f"extractors.{n}.source"
        for n, e in extractors(config).items()
        if e.kind in ("features", "timm")
    }
    for key, path, _ in _named_files(config):
        if key.endswith(".labels.maf") or not Path(path).exists():
            continue
        wanted = key in folders or key.endswith(".labels.star_counts")
        if wanted != Path(path).is_dir():
            is_there, right = ("file", "folder") if wanted else ("folder", "file")
            raise HistotransferError(
                f"config: {key}", f"{path} is a {is_there}, not a {right}", f"Name a {right}"
            )


def _named_files(config: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """List the files and folders that a config names: key, path, and where it comes from."""
    sheets = SHEETS.format(gdc=config.get("download", {}).get("gdc"))
    by_sheets = f"{SOURCES['slides']}; or {sheets}" if "download" in config else SOURCES["slides"]
    wanted = [("slides", config["slides"], by_sheets)] if "slides" in config else []
    if table := config.get("cohorts", {}).get("table"):
        wanted.append(("cohorts.table", table, "a table of patients, with a column cohort"))
    for name, dataset in config["datasets"].items():
        if "path" in dataset:
            source = SOURCES.get(name, SOURCES["dataset"])
            wanted.append((f"datasets.{name}.path", dataset["path"], source))
        for key, source in (
            ("labels", "a table with the columns patch, class and, optionally, patient"),
            ("patients", "a table with the columns file and patient"),
        ):
            if key in dataset:
                wanted.append((f"datasets.{name}.{key}", dataset[key], source))
    for name, task in config["tasks"].items():
        labels = label_source(config, task)
        if is_fetched(task.get("labels")):
            wanted.append((f"tasks.{name}.labels.source", labels["samples"], sheets))
        else:
            for key, path in label_files(labels):
                key = "labels" if isinstance(task["labels"], str) else key
                wanted.append((f"tasks.{name}.{key}", path, SOURCES[task["kind"]]))
        if isinstance(task.get("targets"), str) and task["targets"] != "all":
            wanted.append((f"tasks.{name}.targets", task["targets"], "a file of one symbol a line"))
    if config["network"]["weights"] not in ("auto", "random"):
        wanted.append(("network.weights", config["network"]["weights"], "or write `auto`"))
    sources = {
        "model": "a Keras model",
        "torchscript": "a TorchScript model",
        "timm": "a folder with config.json and model.safetensors, as timm writes it",
        "features": "a folder with one HDF5 file of features per slide or dataset",
        "table": "a table of patients × features",
    }
    for name, extractor in extractors(config).items():
        if extractor.kind == COVARIATES:
            wanted.append((COVARIATES, extractor.path, "a table of patients × covariates"))
        elif extractor.path:
            wanted.append((f"extractors.{name}.source", extractor.path, sources[extractor.kind]))
    return wanted


def is_fetched(entry: object) -> bool:
    """Tell whether a config's entry is fetched: it says so and gives no path of its own."""
    places = {"path", "table", "star_counts", "maf"}
    return isinstance(entry, Mapping) and "source" in entry and not places & entry.keys()


def sheet_files(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that `make sheets` writes: the slide sheet, and others beside it."""
    sheet = config.get("slides", "config/slides.tsv")
    folder = Path(sheet).parent
    return {"slides": sheet} | {name: str(folder / file) for name, file in SHEET_FILES.items()}


def label_source(config: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task's labels are read from; an empty dict for a task of patches.

    Parameters
    ----------
    config : mapping
        A config that fits the schema.
    task : mapping
        One of its tasks.

    Returns
    -------
    dict
        ``table`` (and ``suffix``), or ``star_counts`` and ``samples``, or ``maf``, ``samples`` and
        ``variant_classes``. What is fetched is named by the path that it will have.
    """
    labels = task.get("labels", {})
    if isinstance(labels, str):
        return {"table": labels}
    source = {key: value for key, value in labels.items() if key != "source"}
    if is_fetched(labels):
        kind, files = {
            "expression": ("star_counts", "star_counts"), "mutation": ("maf", "mutations")
        }[task["kind"]]  # fmt: skip
        source[kind] = f"{config['download']['folder']}/{files}"
        source["samples"] = sheet_files(config)[files]
    return source


def label_files(source: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the paths that labels are read from, each with its key in the config."""
    files = []
    for key in ("table", "star_counts", "maf", "samples"):
        paths = source.get(key, [])
        paths = [paths] if isinstance(paths, str) else paths
        files += [(f"labels.{key}", path) for path in paths]
    return files


def _fetched(config: Mapping[str, Any]) -> list[str]:
    """Name the entries of a config that are fetched."""
    entries = {f"datasets.{name}": entry for name, entry in config["datasets"].items()}
    entries |= {f"tasks.{name}.labels": t.get("labels") for name, t in config["tasks"].items()}
    return [name for name, entry in entries.items() if is_fetched(entry)]


def _odd_value(value: object, key: str = "") -> str:
    """Describe what no schema refuses: keys that are not text, numbers that are not finite."""
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
