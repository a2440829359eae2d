"""The files that the user gives a study, and their states.

Imported by the Snakefile, so only what Snakemake itself depends on may be imported here.
"""

from __future__ import annotations

from pathlib import Path

from ..core.user_files import (
    FEATURES,
    MAFS,
    NETWORK,
    PATCHES,
    STAR_COUNTS,
    files_by_stem,
)
from .config import is_fetched, sheet_files
from .design import StudyDesign
from .file_states import file_state, files_state, slide_state, state_of
from .same_slides import copies, warnings


class GivenFiles(StudyDesign):
    """A study that knows the files it is given.

    A state goes into the params of the jobs that read the file, so that another one is noticed.
    """

    def slide_made_by_a_rule(self, name: str) -> str | list[str]:
        """Return a slide's path if a rule makes it, else an empty list.

        The user's own slides are not inputs: if one vanished during the run, Snakemake would end
        the whole run, instead of one job that lists it and goes on. `slide_state` watches them.
        """
        made = self.is_simulated or name in self.fetched_slides
        return self.slide(name).path if made else []

    def slide_state(self, name: str) -> str:
        """Return a slide's state (`state_of`), so that another file there is noticed.

        Of a fetched slide it is the digest, because the file comes and goes.
        """
        slide = self.slide(name)
        if name in self.fetched_slides:
            return slide.md5
        return "" if self.is_simulated else slide_state(slide.path)

    def warnings_of_copies(self) -> list[tuple[str, str]]:
        """Return headlines and texts about slides that seem to be copies of one."""
        return [] if self.is_simulated else warnings(copies(self.slides.values()))

    def has_own_patches(self, dataset: str) -> bool:
        """Whether the user gives a dataset's folder of patches, so that no rule makes it."""
        entry = self.config["datasets"][dataset]
        return "path" in entry and not self._is_result(entry["path"])

    def dataset_state(self, name: str) -> str:
        """Return the state of a dataset's patches; empty where a rule makes them."""
        own = self.has_own_patches(name)
        return state_of(self.dataset_folder(name), PATCHES) if own else ""

    def dataset_tables(self, name: str) -> dict[str, str]:
        """Return the table of a dataset's labels or patients, by its key; none without one."""
        entry = self.config["datasets"][name]
        return {key: entry[key] for key in ("labels", "patients") if key in entry}

    def dataset_table_state(self, name: str) -> str:
        """Return the state of that table."""
        tables = self.dataset_tables(name).values()
        return "".join(file_state(path) for path in tables if not self._is_result(path))

    def dataset_features(self, extractor: str, dataset: str) -> str:
        """Return another tool's file of features of a dataset's patches."""
        expected = Path(self.extractors[extractor].path, f"{dataset}.h5")
        return str(self._feature_files.get(extractor, {}).get(dataset, [expected])[0])

    def dataset_features_state(self, extractor: str, dataset: str) -> str:
        """Return the state of that file."""
        return file_state(self.dataset_features(extractor, dataset))

    def extractor_state(self, name: str) -> str:
        """Return the state of a model or of external features; of a folder, its slides' files.

        Weights of the hub have none: their revision says which they are.
        """
        path = self.extractors[name].path
        if self.extractors[name].kind == "timm":
            return state_of(path, NETWORK) if path else ""
        if self.extractors[name].kind == "features":
            files = files_by_stem(path, FEATURES)
            return files_state(file for slide in self.patients for file in files.get(slide, []))
        return "" if self._is_result(path) else state_of(path)

    def weights_state(self) -> str:
        """Return the state of the network's initial weights where they are the user's."""
        weights = str(self.config["network"]["weights"])
        return "" if weights in ("auto", "random") else file_state(weights)

    def label_states(self, task: str) -> dict[str, str]:
        """Return the states of the user's files that a task's labels are read from, by key."""
        if task in self.patch_tasks:
            return {}
        source, targets = self.tasks[task].labels.labels, self.tasks[task].labels.targets
        patterns = {"star_counts": STAR_COUNTS, "maf": MAFS}
        made = set(patterns) if is_fetched(self.config["tasks"][task].get("labels")) else set()
        states = {}
        for key in {"table", "star_counts", "maf", "samples"} & source.keys() - made:
            place = source[key]
            if not isinstance(place, str):
                states[key] = files_state(place)
            elif not self._is_result(place):
                states[key] = state_of(place, patterns.get(key, ()))
        if isinstance(targets, str) and targets != "all":
            states["targets"] = file_state(targets)
        if self.cohorts and self.cohorts.patients is None:
            states["cohorts"] = file_state(self.cohorts.path)
        return dict(sorted(states.items()))

    def unread_labels(self) -> list[str]:
        """Return the tasks of patients whose labels lie here and have not been read yet."""
        if self.is_simulated:
            return []
        sources = {task: self.tasks[task].labels.labels for task in self.patient_tasks}
        return [
            task
            for task, source in sources.items()
            if self.patients
            and Path(source.get("table") or source["samples"]).exists()
            and not Path(f"{self.results}/labels/{task}.tsv").exists()
        ]

    def sheet_state(self, files: str) -> str:
        """Return the state of a sheet that `make sheets` wrote."""
        return file_state(sheet_files(self.config)[files])

    def _is_result(self, path: str) -> bool:
        """Whether a path is one of this study's results, which Snakemake watches."""
        return Path(path).is_relative_to(self.home)
