"""Where the extractors of a study come from.

Imported by the Snakefile and by the report, so only the standard library may be imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .parameters import TimmParameters

CONTROLS = ("colour", "random")
"""Kinds of networks that know nothing of tissue."""
COVARIATES, CONCAT = "covariates", "concat"
"""Kinds of extractors that are not features of slides: clinical values, and others side by side."""


@dataclass(frozen=True)
class Extractor:
    """An extractor of the study.

    Attributes
    ----------
    kind : str
        ``imagenet``, ``finetuned``, one of `CONTROLS`, ``model`` (a ``.keras`` file), ``timm`` (a
        network of PyTorch), ``torchscript`` (a ``.pt`` file), ``features`` (a folder of another
        tool's HDF5 files), ``table`` (patients × features), ``covariates`` (patients × clinical
        values) or ``concat`` (the features of others side by side).
    path : str
        Of the external file or folder; empty for the study's own.
    seed : int or None
        Of a fine-tuned network.
    id_column : str
        Of a table, the column of patient ids; empty if the config does not name it.
    columns : tuple of str
        Of covariates, those that count; empty for all.
    parts : tuple of str
        Of ``concat``, the extractors whose features these are; covariates come last.
    timm : TimmParameters or None
        Of ``timm``, which network it is.
    """

    kind: str
    path: str = ""
    seed: int | None = None
    id_column: str = ""
    columns: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    timm: TimmParameters | None = None

    @property
    def is_network(self) -> bool:
        """Whether it is a network, which can run on any patch."""
        return self.kind not in ("features", "table", COVARIATES, CONCAT)

    @property
    def is_torch(self) -> bool:
        """Whether it is a network of PyTorch, which has an environment of its own."""
        return self.kind in ("timm", "torchscript")

    @property
    def model_suffix(self) -> str:
        """The ending of its file among the study's models."""
        return {"timm": ".safetensors", "torchscript": ".pt"}.get(self.kind, ".keras")

    @property
    def is_control(self) -> bool:
        """Whether any extractor should beat it."""
        return self.kind in CONTROLS


def extractors(config: Mapping[str, Any]) -> dict[str, Extractor]:
    """Return a config's extractors by name, the baseline first.

    A fine-tuned one stands for as many as there are `finetune.seeds`: the first seed keeps the
    name, the others append theirs, such as ``FTX-2048-seed7``. Clinical covariates are an extractor
    of their own, and one more beside each of the others but controls, such as ``UNI+covariates``.

    Parameters
    ----------
    config : mapping
        A config that fits the schema.

    Returns
    -------
    dict of str to Extractor
    """
    found: dict[str, Extractor] = {}
    runs = fine_tuning_runs(config)
    for name, entry in config["extractors"].items():
        source = entry["source"]
        if isinstance(source, Mapping) and CONCAT in source:
            found[name] = Extractor(CONCAT, parts=tuple(source[CONCAT]))
        elif isinstance(source, Mapping) and "timm" in source:
            timm = TimmParameters(
                source["timm"],
                source.get("revision", ""),
                source.get("pooling", ""),
                source.get("arguments", {}),
            )
            found[name] = Extractor("timm", timm.folder, timm=timm)
        elif isinstance(source, Mapping):
            kind = "table" if "table" in source else "features"
            found[name] = Extractor(kind, source[kind], id_column=source.get("id", ""))
        elif source in ("imagenet", *CONTROLS):
            found[name] = Extractor(source)
        elif source == "finetuned":
            for run, seed in zip(runs[name], config["finetune"]["seeds"], strict=True):
                found[run] = Extractor(source, seed=seed)
        else:
            found[name] = Extractor("torchscript" if source.endswith(".pt") else "model", source)
    if COVARIATES not in config:
        return found
    entry = config[COVARIATES]
    section = {"table": entry} if isinstance(entry, str) else entry
    of_table = Extractor(
        COVARIATES,
        section["table"],
        id_column=section.get("id", ""),
        columns=tuple(section.get("columns", ())),
    )
    beside = {
        f"{name}+{COVARIATES}": Extractor(CONCAT, parts=(*(one.parts or (name,)), COVARIATES))
        for name, one in found.items()
        if not one.is_control
    }
    return {**found, COVARIATES: of_table, **beside}


def fine_tuning_runs(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of each fine-tuned extractor's runs, one per seed, by its own name."""
    further = config["finetune"]["seeds"][1:]
    return {
        name: [name, *(f"{name}-seed{seed}" for seed in further)]
        for name, entry in config["extractors"].items()
        if entry["source"] == "finetuned"
    }
