"""Where the extractors of a study come from.

Imported by the Snakefile and by the report, so only the standard library may be imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Extractor:
    """An extractor of the study.

    Attributes
    ----------
    kind : str
        ``imagenet``, ``finetuned``, ``model`` (a ``.keras`` file), ``features`` (a folder of
        another tool's HDF5 files) or ``table`` (patients × features).
    path : str
        Of the external file or folder; empty for the study's own.
    seed : int or None
        Of a fine-tuned network.
    id_column : str
        Of a table, the column of patient ids; empty if the config does not name it.
    """

    kind: str
    path: str = ""
    seed: int | None = None
    id_column: str = ""

    @property
    def is_network(self) -> bool:
        """Whether it is a network, which can run on any patch."""
        return self.kind not in ("features", "table")


def extractors(config: Mapping[str, Any]) -> dict[str, Extractor]:
    """Return a config's extractors by name, the baseline first.

    A fine-tuned one stands for as many as there are `finetune.seeds`: the first seed keeps the
    name, the others append theirs, such as ``FTX-2048-seed7``.

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
        if isinstance(source, Mapping):
            kind = "table" if "table" in source else "features"
            found[name] = Extractor(kind, source[kind], id_column=source.get("id", ""))
        elif source == "imagenet":
            found[name] = Extractor(source)
        elif source == "finetuned":
            for run, seed in zip(runs[name], config["finetune"]["seeds"], strict=True):
                found[run] = Extractor(source, seed=seed)
        else:
            found[name] = Extractor("model", source)
    return found


def fine_tuning_runs(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of each fine-tuned extractor's runs, one per seed, by its own name."""
    further = config["finetune"]["seeds"][1:]
    return {
        name: [name, *(f"{name}-seed{seed}" for seed in further)]
        for name, entry in config["extractors"].items()
        if entry["source"] == "finetuned"
    }
