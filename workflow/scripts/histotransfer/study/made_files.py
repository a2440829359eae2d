"""The files that a study makes: what jobs read of each other.

Imported by the Snakefile, so only what Snakemake itself depends on may be imported here.
"""

from __future__ import annotations

from typing import Any

from ..core.user_files import PATCHES, files_meant
from .config import is_fetched, label_files
from .disk import Need, of_features, of_fine_tuning, of_patches, of_slides_to_fetch, tile_count
from .extractors import CONCAT, COVARIATES
from .given_files import GivenFiles


class MadeFiles(GivenFiles):
    """A study that knows the files which several jobs make, by what they are of."""

    def label_inputs(self, task: str) -> dict[str, str | list[str]]:
        """Return the files that a task's labels are read from, by the name of the input."""
        external = [name for name in self.compared_in(task) if name in self.external]
        # Extractors are compared on the samples that all of them have.
        features = [self.features_of(task, name) for name in external]
        if task in self.patch_tasks:
            patches = f"{self.at('patches', self.tasks[task].dataset)}.h5"
            return {"patches": patches, "features": features}
        source, targets = self.tasks[task].labels.labels, self.tasks[task].labels.targets
        labels = [path for _, path in label_files(source)]
        if is_fetched(self.config["tasks"][task].get("labels")):
            labels[0] = f"{labels[0]}/MANIFEST.txt"
        files: dict[str, str | list[str]] = {
            "labels": labels,
            "cohort": self._table("cohort") if self.has_slides else [],
            "pooled": features,
        }
        named = isinstance(targets, str) and targets != "all"
        if self.cohorts and self.cohorts.patients is None:
            files["cohorts"] = self.cohorts.path
        return files | ({"targets": str(targets)} if named else {})

    def disk_needs(self, slides: list[str], fetched: list[str], tunings: int) -> list[Need]:
        """Return what a run writes: patches of slides, fetched slides, caches of fine-tuning."""
        config = self.config
        tiles = {slide: tile_count(f"{self.at('tiles', slide)}.h5") for slide in slides}
        needs = [
            of_slides_to_fetch(
                (self.slide(name).size or 0 for name in fetched),
                keep=bool(config.get("download", {}).get("keep_slides")),
                at_once=4,
            ),
            of_patches(
                tiles,
                self.batches.values(),
                keep=config["patches"]["keep"],
                codec=self.encoding.codec,
                patch_px=self.tiling.patch_px,
            ),
            of_features(
                tiles,
                sum(map(len, self.groups.values())),
                int(self.extraction.dtype.removeprefix("float")) // 8,
            ),
        ]
        own = self.trained_on and self.has_own_patches(self.trained_on)
        if tunings and own and config["finetune"]["cache"]:
            count = len(files_meant(self.dataset_folder(self.trained_on), PATCHES))
            versions = self.fine_tuning.augment.versions
            needs.append(of_fine_tuning(count, versions, self.tiling.patch_px))
        return needs

    @property
    def changed_tasks(self) -> list[str]:
        """The tasks whose scores an alternative changes; for the study itself, all tasks."""
        return [
            task
            for task in self.tasks
            if any(self.is_own("scores", task, name) for name in self.compared_in(task))
        ]

    def features_of(self, task: str, extractor: str) -> str:
        """Return the features of a task's samples: patches of a dataset, or patients."""
        if dataset := self.tasks[task].dataset:
            return f"{self.at('features', extractor, dataset)}.h5"
        return f"{self.at('pooled', extractor)}.h5"

    def manifest_of(self, task: str, extractor: str) -> str:
        """Return the file that says that a task's features are made.

        It is the manifest where networks saw a dataset, else the features themselves.
        """
        dataset = self.tasks[task].dataset
        if dataset and extractor in self.networks:
            return self.batch_of(extractor, dataset)
        return self.features_of(task, extractor)

    def scores_of(self, task: str) -> dict[str, str]:
        """Return the scores of a task, by extractor."""
        return {name: f"{self.at('scores', task, name)}.tsv" for name in self.compared_in(task)}

    def predictions_of(self, task: str, extractor: str) -> list[str]:
        """Return the blocks of out-of-fold predictions."""
        return [f"{self.at('cv', task, extractor)}/{block}.h5" for block in self.blocks]

    def by_task(self, tasks: list[str], folder: str, ending: str = ".tsv") -> dict[str, str]:
        """Return one file below the results for each task."""
        return {task: f"{self.results}/{folder}/{task}{ending}" for task in tasks}

    def by_extractor(self, task: str, folder: str, ending: str = ".tsv") -> dict[str, str]:
        """Return one file below the results for each extractor that a task compares."""
        return {
            name: f"{self.results}/{folder}/{task}/{name}{ending}"
            for name in self.compared_in(task)
        }

    def comparison_files(self) -> dict[str, dict[str, Any]]:
        """Return labels and splits of each task, and by extractor its scores and predictions.

        Of an alternative only those of the `changed_tasks`.
        """
        predictions = self.prediction_files()
        return {
            task: {
                "labels": f"{self.at('labels', task)}.tsv",
                "splits": f"{self.at('splits', task)}.tsv",
                "scores": self.scores_of(task),
                "predictions": predictions[task],
            }
            for task in self.changed_tasks
        }

    def prediction_files(self) -> dict[str, dict[str, list[str]]]:
        """Return the blocks of out-of-fold predictions, by task and extractor."""
        return {
            task: {name: self.predictions_of(task, name) for name in self.compared_in(task)}
            for task in self.tasks
        }

    @property
    def audited(self) -> list[str]:
        """The extractors whose features are searched for the site; none where it is unknown."""
        if not (self.sites and self.curve_repeats and self.patient_tasks):
            return []
        others = self.extractors_of(COVARIATES, CONCAT)
        compared = {name for task in self.patient_tasks for name in self.compared_in(task)}
        return [name for name in self.extractors if name in compared and name not in others]

    @property
    def named_sites(self) -> dict[str, str]:
        """The sites that keep splits together, if a column names them; TCGA barcodes need none."""
        by_column = self.splits.group_by == "site" and "site_column" in self.config
        return self.sites if by_column else {}

    @property
    def other_grouping(self) -> str:
        """What keeps splits together where the study's own do not."""
        return "patient" if self.splits.group_by == "site" else "site"

    def site_files(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return each task's scores, and those under the other grouping, by extractor."""
        return {
            task: {
                "scores": self.scores_of(task),
                "beside": self.by_extractor(task, "sites"),
            }
            for task in self.patient_tasks
        }

    def curve_files(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the scores and the learning curves of each task, by extractor."""
        return {
            task: {
                "scores": self.scores_of(task),
                "curves": self.by_extractor(task, "curves", ".h5"),
            }
            for task in self.tasks
        }

    def validation_files(self) -> dict[str, dict[str, Any]]:
        """Return each task's labels in the external cohort, and by extractor its predictions."""
        return {
            task: {
                "external": f"{self.results}/labels/external/{task}.tsv",
                "predictions": self.by_extractor(task, "validation", ".h5"),
            }
            for task in (self.patient_tasks if self.cohorts else ())
        }

    def embedding_files(self) -> dict[str, dict[str, Any]]:
        """Return labels, and features by extractor, of each task of patches."""
        return {
            task: {
                "labels": f"{self.results}/labels/{task}.tsv",
                "features": {
                    name: self.features_of(task, name)
                    for name in self.compared_in(task)
                    if self.extractors[name].kind != CONCAT
                },
            }
            for task in self.patch_tasks
        }

    def classifier_files(self) -> dict[str, dict[str, Any]]:
        """Return the classifier of each fine-tuned extractor, and its features by dataset."""
        return {
            name: {
                "classifier": f"{self.results}/models/{name}.classifier.keras",
                "features": {
                    dataset: f"{self.results}/features/{name}/{dataset}.h5"
                    for dataset in self.evaluated_datasets
                },
            }
            for name in self.extractors_of("finetuned")
            if self.evaluated_datasets
        }

    def evaluated_patches(self) -> dict[str, str]:
        """Return the patches of the tasks of patches, by dataset."""
        return {name: f"{self.results}/patches/{name}.h5" for name in self.evaluated_datasets}

    def gallery_files(self) -> dict[str, dict[str, str]]:
        """Return pooled features by extractor, and labels and splits by task of patients.

        Only networks have features of every patch, so only these are pictured.
        """
        networks = self.networks if self.patient_tasks else []
        return {
            "pooled": {name: f"{self.results}/pooled/{name}.h5" for name in networks},
            "labels": self.by_task(self.patient_tasks, "labels"),
            "splits": self.by_task(self.patient_tasks, "splits"),
        }

    def external_patch_tables(self) -> dict[str, dict[str, str]]:
        """Return which patches could be used, by extractor of another tool and dataset."""
        found: dict[str, dict[str, str]] = {}
        for task in self.patch_tasks:
            dataset = self.tasks[task].dataset
            for name in self.compared_in(task):
                if name in self.external:
                    path = f"{self.results}/features/{name}/{dataset}.used.tsv"
                    found.setdefault(name, {})[dataset] = path
        return found
