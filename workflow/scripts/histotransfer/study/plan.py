"""The plan of a study: everything that the rules ask before a job runs, in one typed object.

Imported by the Snakefile, so only what Snakemake itself depends on may be imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..core.errors import HistotransferError
from .batches import assign_batches
from .catalogue import FIGURES, TABLES
from .config import (
    check_config,
    is_fetched,
    label_files,
    label_source,
    missing_data,
    sheet_files,
)
from .extractors import Extractor, extractors
from .parameters import (
    EncodingParameters,
    ExtractionParameters,
    FineTuningParameters,
    PatchParameters,
    PoolingParameters,
    QcParameters,
    SplitParameters,
    StatisticsParameters,
    TilingParameters,
)
from .slide_sheet import Slide, missing_slides, read_slide_sheet
from .tasks import Task

MAX_LISTED = 20
"""Missing files that an error names."""


@dataclass(frozen=True)
class StudyPlan:
    """A checked study.

    Attributes
    ----------
    config : mapping
        The config, complete.
    slides : dict of str to Slide
        Those of the slide sheet, in its order.
    """

    config: Mapping[str, Any]
    slides: Mapping[str, Slide]

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], schemas: Path, *, check_files: bool = True
    ) -> StudyPlan:
        """Check a config and all that it names, and plan the study.

        Parameters
        ----------
        config : mapping
            The config, complete.
        schemas : Path
            The folder of the JSON schemas.
        check_files : bool
            Whether files that are missing are an error.

        Raises
        ------
        HistotransferError
            If the config or the slide sheet is wrong, or data are missing.
        """
        check_config(config, schemas / "config.schema.yaml")
        if check_files:
            _refuse(missing_data(config))
        slides: dict[str, Slide] = {}
        if Path(config["slides"]).exists():
            slides = read_slide_sheet(
                config["slides"], schemas / "slides.schema.yaml", reserved=config["datasets"]
            )
        plan = cls(config, slides)
        if check_files and not plan.is_simulated:
            _refuse(
                missing_slides(
                    slide for slide in slides.values() if slide.slide not in plan.fetched_slides
                )
            )
        return plan

    # -- Folders and the data's origin

    @property
    def results(self) -> str:
        """The folder of everything that is made."""
        return str(self.config["results"])

    @property
    def data(self) -> str:
        """The folder of everything that is fetched."""
        return str(self.config["download"]["folder"]) if "download" in self.config else "data"

    @property
    def is_simulated(self) -> bool:
        """Whether the study's own data are painted."""
        return "simulate" in self.config

    @property
    def fetched_datasets(self) -> list[str]:
        """The datasets that are fetched."""
        return [name for name, entry in self.config["datasets"].items() if is_fetched(entry)]

    @cached_property
    def fetched_slides(self) -> frozenset[str]:
        """The slides that are fetched: those of the GDC that lie where `make sheets` puts them."""
        return frozenset(
            slide.slide
            for slide in self.slides.values()
            if slide.file_id and slide.path == f"{self.data}/slides/{slide.slide}.svs"
        )

    def dataset_folder(self, name: str) -> str:
        """Return the folder of a dataset's patches."""
        entry: Mapping[str, str] = self.config["datasets"][name]
        return f"{self.data}/{name}" if is_fetched(entry) else entry["path"]

    def slide(self, name: str) -> Slide:
        """Look up a slide of the sheet.

        Raises
        ------
        HistotransferError
            If the sheet does not list it.
        """
        if name not in self.slides:
            raise HistotransferError(
                self.config["slides"], f"lists no slide '{name}'", "Name one of its slides"
            )
        return self.slides[name]

    def slide_made_by_a_rule(self, name: str) -> str | list[str]:
        """Return a slide's path if a rule makes it, else an empty list.

        A slide of the user's is no input: if it vanished in the run, Snakemake would end the whole
        run, instead of one job that lists the slide and goes on. `slide_state` stands in for it.
        """
        slide = self.slide(name)
        return slide.path if self.is_simulated or name in self.fetched_slides else []

    def slide_state(self, name: str) -> str:
        """Return a slide's size and time of change, so that another file there is noticed.

        Of a fetched slide it is the digest, because the file comes and goes.
        """
        slide = self.slide(name)
        if name in self.fetched_slides:
            return slide.md5
        path = Path(slide.path)
        if self.is_simulated or not path.exists():
            return ""
        stat = path.stat()
        return f"{stat.st_size} bytes, {stat.st_mtime_ns} ns"

    @property
    def patients(self) -> dict[str, str]:
        """The patient of each slide."""
        return {name: slide.patient for name, slide in self.slides.items()}

    # -- Extractors

    @cached_property
    def extractors(self) -> dict[str, Extractor]:
        """All extractors, the baseline first."""
        return extractors(self.config)

    @property
    def networks(self) -> list[str]:
        """The extractors that are networks."""
        return [name for name, extractor in self.extractors.items() if extractor.is_network]

    @property
    def external(self) -> list[str]:
        """The extractors whose features another tool made."""
        return [name for name, extractor in self.extractors.items() if not extractor.is_network]

    def extractors_of(self, *kinds: str) -> list[str]:
        """Return the extractors of these kinds."""
        return [name for name, extractor in self.extractors.items() if extractor.kind in kinds]

    @property
    def uses_gpu(self) -> bool:
        """Whether the network's jobs ask for a GPU."""
        return bool(self.config["network"]["gpu"])

    @property
    def has_random_weights(self) -> bool:
        """Whether the network does not start from ImageNet."""
        return bool(self.config["network"]["weights"] == "random")

    # -- Tasks

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """All tasks."""
        return {
            name: Task.from_config(name, entry, label_source(self.config, entry))
            for name, entry in self.config["tasks"].items()
        }

    def tasks_of(self, *kinds: str) -> list[str]:
        """Return the tasks of these kinds."""
        return [name for name, task in self.tasks.items() if task.kind in kinds]

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each task."""
        return {name: task.kind for name, task in self.tasks.items()}

    @property
    def patient_tasks(self) -> list[str]:
        """The tasks whose samples are patients."""
        return [name for name, task in self.tasks.items() if not task.is_of_patches]

    @property
    def patch_tasks(self) -> list[str]:
        """The tasks whose samples are patches of a dataset."""
        return [name for name, task in self.tasks.items() if task.is_of_patches]

    def compared_in(self, task: str) -> list[str]:
        """Return the extractors that a task compares.

        External features know the slides' patients, but not the patches of a tissue dataset.
        """
        return self.networks if self.tasks[task].is_of_patches else list(self.extractors)

    @property
    def evaluated_datasets(self) -> list[str]:
        """The datasets of the tissue tasks."""
        return sorted({self.tasks[name].dataset for name in self.patch_tasks})

    @property
    def classified(self) -> list[tuple[str, str]]:
        """The fine-tuned extractors whose classifier is tried, with the datasets it is tried on."""
        return [
            (extractor, dataset)
            for extractor in self.extractors_of("finetuned")
            for dataset in self.evaluated_datasets
        ]

    def label_inputs(self, task: str) -> dict[str, str | list[str]]:
        """Return the files that a task's labels are read from, by the name of the input."""
        spec = self.tasks[task]
        if spec.is_of_patches:
            return {"patches": f"{self.results}/patches/{spec.dataset}.h5"}
        files: dict[str, str | list[str]] = {
            "labels": [path for _, path in label_files(spec.labels.labels)],
            "cohort": f"{self.results}/tables/cohort.tsv",
            # Extractors are compared on the patients that all of them have.
            "pooled": [f"{self.results}/pooled/{name}.h5" for name in self.external],
        }
        if is_fetched(self.config["tasks"][task].get("labels")):
            folder, samples = (path for _, path in label_files(spec.labels.labels))
            files["labels"] = [f"{folder}/MANIFEST.txt", samples]
        targets = spec.labels.targets
        if isinstance(targets, str) and targets != "all":
            files["targets"] = targets
        return files

    def features_of(self, task: str, extractor: str) -> str:
        """Return the features of a task's samples: patches of a dataset, or patients."""
        spec = self.tasks[task]
        if spec.is_of_patches:
            return f"{self.results}/features/{extractor}/{spec.dataset}.h5"
        return f"{self.results}/pooled/{extractor}.h5"

    # -- Files that several jobs made, named by what they are of

    def in_each_comparison(self, pattern: str) -> dict[str, dict[str, str]]:
        """Fill ``{task}`` and ``{extractor}`` of a path below the results."""
        return {
            task: {
                name: f"{self.results}/{pattern}".format(task=task, extractor=name)
                for name in self.compared_in(task)
            }
            for task in self.tasks
        }

    def comparison_files(self) -> dict[str, dict[str, Any]]:
        """Return what each task is compared on: labels, splits, scores, and blocks of predictions.

        Scores and predictions are by extractor.
        """
        scores = self.in_each_comparison("scores/{task}/{extractor}.tsv")
        return {
            task: {
                "labels": f"{self.results}/labels/{task}.tsv",
                "splits": f"{self.results}/splits/{task}.tsv",
                "scores": scores[task],
                "predictions": {
                    name: [f"{self.results}/cv/{task}/{name}/{block}.h5" for block in self.blocks]
                    for name in self.compared_in(task)
                },
            }
            for task in self.tasks
        }

    def embedding_files(self) -> dict[str, dict[str, Any]]:
        """Return labels, and features by extractor, of each task of patches."""
        return {
            task: {
                "labels": f"{self.results}/labels/{task}.tsv",
                "features": {name: self.features_of(task, name) for name in self.compared_in(task)},
            }
            for task in self.patch_tasks
        }

    def classifier_files(self) -> dict[str, dict[str, Any]]:
        """Return the classifier, and the features of each dataset, of each fine-tuned extractor."""
        return {
            name: {
                "classifier": f"{self.results}/models/{name}.classifier.keras",
                "features": {
                    dataset: f"{self.results}/features/{name}/{dataset}.h5"
                    for dataset in self.evaluated_datasets
                },
            }
            for name in self.extractors_of("finetuned")
        }

    def gallery_files(self) -> dict[str, dict[str, str]]:
        """Return pooled features by extractor, and labels and splits by task of patients.

        Only networks have features of every patch, so only these are pictured.
        """
        networks = self.networks if self.patient_tasks else []
        return {
            "pooled": {name: f"{self.results}/pooled/{name}.h5" for name in networks},
            "labels": {name: f"{self.results}/labels/{name}.tsv" for name in self.patient_tasks},
            "splits": {name: f"{self.results}/splits/{name}.tsv" for name in self.patient_tasks},
        }

    def figure_tables(self, figure: str) -> dict[str, Any]:
        """Return the tables that a figure is drawn from, by name."""
        several: dict[str, Any] = {
            "scores": {
                task: scores
                for task, scores in self.in_each_comparison("scores/{task}/{extractor}.tsv").items()
                if self.tasks[task].kind == "mutation"
            },
            "training": {
                name: f"{self.results}/models/{name}.training.tsv"
                for name in self.extractors_of("finetuned")
            },
            "gallery_images": f"{self.results}/gallery/patches.h5",
        }
        return {
            name: several.get(name, f"{self.results}/tables/{name}.tsv")
            for name in FIGURES[figure].tables
        }

    def summary_tables(self) -> dict[str, Any]:
        """Return the tables that the summary is written from, by name."""
        names = ("claims", "comparison", "improved", "cohort", "qc", "excluded_slides")
        return {
            **{name: f"{self.results}/tables/{name}.tsv" for name in names},
            "excluded_labels": {
                name: f"{self.results}/labels/{name}.excluded.tsv" for name in self.tasks
            },
            "external": {name: f"{self.results}/pooled/{name}.used.tsv" for name in self.external},
        }

    # -- Jobs

    @property
    def ledger(self) -> str:
        """The table that remembers which slides share a batch."""
        return f"{self.results}/features/batches.tsv"

    @cached_property
    def batches(self) -> dict[str, list[str]]:
        """The slides that share one start of the network, by batch."""
        size = int(self.config["features"]["slides_per_job"])
        return assign_batches(self.slides, size, self.ledger)

    @property
    def blocks(self) -> dict[str, list[int]]:
        """The repeats of the cross-validation that share one job, by block."""
        repeats = int(self.config["crossval"]["repeats"])
        size = int(self.config["crossval"]["repeats_per_job"])
        return {
            f"{start // size:03d}": list(range(start, min(start + size, repeats)))
            for start in range(0, repeats, size)
        }

    @property
    def sheets(self) -> dict[str, str]:
        """The sheets that `make sheets` writes."""
        return sheet_files(self.config)

    # -- What the study shows

    @property
    def tables(self) -> list[str]:
        """The names of its final tables."""
        absent = {"classifier": not self.classified, "truth": not self.is_simulated}
        return [name for name in TABLES if not absent.get(name)]

    @property
    def figures(self) -> list[str]:
        """The names of its figures."""
        absent = {"classifier": not self.classified, "truth": not self.is_simulated}
        return [name for name in FIGURES if not absent.get(name)]

    @property
    def first_figures(self) -> list[str]:
        """The figures to look at first."""
        return ["tissue_accuracy", "expression", "truth" if self.is_simulated else "mutation"]

    # -- Parameters of the stages

    @property
    def tiling(self) -> TilingParameters:
        """How tiles are laid."""
        return TilingParameters.of(self.config["tiling"])

    @property
    def encoding(self) -> EncodingParameters:
        """How patches are stored."""
        return EncodingParameters.of(self.config["patches"])

    @property
    def patches(self) -> PatchParameters:
        """How tiles become patches."""
        tiling, stain, patches = (self.config[name] for name in ("tiling", "stain", "patches"))
        return PatchParameters(
            codec=patches["codec"],
            jpeg_quality=patches["jpeg_quality"],
            stain_method=stain["method"],
            stain_fallback=stain["fallback"],
            max_background_fraction=tiling["max_background_fraction"],
            max_unreadable_fraction=tiling["max_unreadable_fraction"],
            # Only a stain that is fitted to a slide is drawn from a sample of it.
            seed=self.config["seed"] if stain["method"] == "slide" else 0,
        )

    @property
    def qc(self) -> QcParameters:
        """The thresholds of quality control."""
        return QcParameters.of(self.config["qc"])

    @property
    def fine_tuning(self) -> FineTuningParameters:
        """The recipe of fine-tuning."""
        return FineTuningParameters.of(self.config["finetune"])

    @property
    def extraction(self) -> ExtractionParameters:
        """How patches become features."""
        return ExtractionParameters(
            batch_size=self.config["network"]["batch_size"],
            dtype=self.config["features"]["dtype"],
            mixed_precision=self.uses_gpu,
        )

    @property
    def pooling(self) -> PoolingParameters:
        """How patches become patients."""
        return PoolingParameters(
            across_patches=self.config["pooling"]["patches"],
            across_slides=self.config["pooling"]["slides"],
            apply_qc=self.config["qc"]["apply"],
        )

    @property
    def splits(self) -> SplitParameters:
        """How folds are drawn."""
        return SplitParameters.of({**self.config["crossval"], "seed": self.config["seed"]})

    @property
    def statistics(self) -> StatisticsParameters:
        """How extractors are compared."""
        return StatisticsParameters.of({**self.config["statistics"], "seed": self.config["seed"]})


def _refuse(missing: list[str]) -> None:
    """Raise an error that lists what is missing."""
    if not missing:
        return
    shown = missing[:MAX_LISTED]
    if len(missing) > MAX_LISTED:
        shown.append(f"… and {len(missing) - MAX_LISTED} more")
    raise MissingDataError(shown)


class MissingDataError(HistotransferError):
    """Data that the config names and that are not there, one a line."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(
            "config",
            f"names {len(missing)} files that do not exist",
            "Put them there, or name their places in the config",
        )
        self.args = (
            "These data of the study do not exist yet:\n  - "
            + "\n  - ".join(missing)
            + "\nPut them there, or change their paths in the config (config/README.md). "
            "`make demo` runs the whole study on simulated data and needs none of them.",
        )
