"""The plan of a study: everything that the rules ask before a job runs, in one typed object.

Imported by the Snakefile, so only what Snakemake itself depends on may be imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import HistotransferError
from .catalogue import FIGURES, TABLES
from .config import check_config, missing_data, reads_slides, refuse_misplaced
from .coverage import refuse_uncompared
from .extractors import extractors
from .made_files import MadeFiles
from .same_slides import refuse_shared_files
from .slide_sheet import Slide, missing_slides, read_slide_sheet, slides_of_features
from .tasks import NUMBERS, TWO_VALUES

MOST_IN_PAGE = 60
"""Slides whose pictures the page to explore holds: about 0.1 MB each, beside 5 MB of its own."""
MAX_LISTED = 20
"""Missing files that an error names."""


class StudyPlan(MadeFiles):
    """A checked study, and what comes out of it: tables, figures, pages.

    Parameters
    ----------
    config : mapping
        The config, complete and checked.
    sheet : mapping of str to Slide
        As in `StudyDesign`.
    tells_robustness : bool
        Whether the study is run under its alternatives, too.

    Attributes
    ----------
    tables, paper_tables, figures, first_figures : list of str
        The names of the final tables, of those that the tables for a paper are made of, of the
        figures, and of those to look at first.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        sheet: Mapping[str, Slide],
        *,
        tells_robustness: bool = False,
    ) -> None:
        super().__init__(config, sheet)
        parts = set() if self.main else self._parts(tells_robustness)
        self.tables = [name for name, item in TABLES.items() if item.needs in parts]
        of_paper = ("comparison", "improved", "answers", "claims", "ranks", "pairs", "table1")
        self.paper_tables = [name for name in of_paper if name in self.tables]
        self.figures = [name for name, item in FIGURES.items() if item.needs in parts]
        first = ("tissue_accuracy", "expression", "truth" if self.is_simulated else "mutation")
        self.first_figures = [name for name in first if name in self.figures]

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        schemas: Path,
        *,
        check_files: bool = True,
        asked_for_robustness: bool = False,
    ) -> StudyPlan:
        """Check a complete config and all that it names, and plan the study.

        Parameters
        ----------
        config : mapping
        schemas : Path
            The folder of the JSON schemas.
        check_files : bool
            Whether missing files are an error.
        asked_for_robustness : bool
            Whether the study is to be run under its alternatives; one that was is told of again.

        Raises
        ------
        HistotransferError
            If the config or the slide sheet is wrong, or data are missing.
        """
        check_config(config, schemas / "config.schema.yaml")
        if check_files:
            _refuse(missing_data(config))
        slides: dict[str, Slide] = {}
        if "slides" not in config:
            found = extractors(config).values()
            folders = [e.path for e in found if e.kind == "features"]
            slides = slides_of_features(folders, config["datasets"])
        elif Path(config["slides"]).exists():
            slides = read_slide_sheet(
                config["slides"],
                schemas / "slides.schema.yaml",
                reserved=config["datasets"],
                needs_paths=reads_slides(config),
                site_column=config.get("site_column", ""),
            )
        is_told = Path(config["results"], "tables/robustness.tsv").exists()
        tells_robustness = "robustness" in config and (asked_for_robustness or is_told)
        plan = cls(config, slides, tells_robustness=tells_robustness)
        refuse_uncompared(plan.extractors, plan.left_out)
        refuse_shared_files(plan.slides.values(), config.get("slides", ""))
        if check_files and not plan.is_simulated:
            own = [s for name, s in plan.slides.items() if name not in plan.fetched_slides]
            _refuse(missing_slides(own))
            refuse_misplaced(config)
        return plan

    def _parts(self, tells_robustness: bool) -> set[str]:
        """Return what of a study this one has: the names that `catalogue.Item.needs` uses."""
        values = {task.labels.values for task in self.tasks.values()}
        pictured = self.has_slides and self.networks and self.patient_tasks
        return {"", *values} | {
            name
            for name, is_there in {
                "three extractors": self._n_compared() > 2,
                "slides": self.has_slides,
                "datasets": self.patch_tasks,
                "gallery": pictured and values & {NUMBERS, TWO_VALUES},
                "fine-tuning": self.extractors_of("finetuned"),
                "classifier": self.classifier_files(),
                "cohorts": self.cohorts,
                "curves": self.curve_repeats,
                "sites": self.audited,
                "covariates": self.covariates,
                "simulated": self.is_simulated,
                "published": self.is_published,
                "robustness": tells_robustness,
            }.items()
            if is_there
        }

    def _n_compared(self) -> int:
        """Count the extractors, of which several runs of one fine-tuning are one."""
        return len(self.extractors) - sum(len(members) - 1 for members in self.runs.values())

    def robustness_files(self, alternatives: Mapping[str, StudyPlan]) -> dict[str, dict[str, str]]:
        """Return the tables that the questions are asked of: of the study (""), of alternatives."""
        return {
            name: {table: plan._table(table) for table in ("comparison", "improved")}
            for name, plan in {"": self, **alternatives}.items()
        }

    def figure_tables(self, figure: str) -> dict[str, Any]:
        """Return the tables that a figure is drawn from, by name."""
        of_two = [name for name, task in self.tasks.items() if task.labels.values == TWO_VALUES]
        tuned = self.extractors_of("finetuned")
        several: dict[str, Any] = {
            "scores": {task: self.scores_of(task) for task in of_two},
            "training": {name: f"{self.results}/models/{name}.training.tsv" for name in tuned},
            "gallery_images": f"{self.results}/gallery/patches.h5",
            "heatmap_images": f"{self.results}/heatmaps/best.h5",
        }
        return {name: several.get(name, self._table(name)) for name in FIGURES[figure].tables}

    def summary_tables(self) -> dict[str, Any]:
        """Return the tables that the summary is written from, by name."""
        names = ["answers", "comparison", "tuning"]
        names += ["cohort"] if self.has_slides else []
        of_some = (
            "qc",
            "excluded_slides",
            "claims",
            "near_duplicates",
            "ranks",
            "pairs",
            "validation",
            "learning_curves",
            "permuted",
            "site_audit",
            "site_splits",
            "table1",
            "robustness",
        )
        names += [name for name in of_some if name in self.tables]
        return {
            **{name: self._table(name) for name in names},
            "excluded_labels": self.by_task(list(self.tasks), "labels", ".excluded.tsv"),
            "external": {
                name: f"{self.results}/pooled/{name}.used.tsv"
                for name in self.external
                if any(name in self.compared_in(task) for task in self.patient_tasks)
            },
            "external_patches": self.external_patch_tables(),
        }

    def explore_tables(self) -> dict[str, Any]:
        """Return the tables that the page to explore is made of, by name."""
        found = {name: self._table(name) for name in ("comparison", "answers")}
        if "heatmaps" in self.tables:
            found |= {name: self._table(name) for name in ("heatmaps", "gallery")}
            found["heatmap_images"] = f"{self.results}/heatmaps/best.h5"
        return found

    def explore_predictions(self) -> dict[str, dict[str, str]]:
        """Return the predictions that say whose slides to look at, by task and extractor."""
        predictions = self.prediction_files()
        return {
            task: {name: blocks[0] for name, blocks in predictions[task].items()}
            for task in (self.patient_tasks if self.has_slides else ())
        }

    def explore_slides(self) -> dict[str, list[str]]:
        """Return the tiles and the verdicts of each slide, which the page to explore shows."""
        return {
            name: [f"{self.results}/{stage}/{name}.h5" for stage in ("tiles", "qc")]
            for name in self.slides
        }

    @property
    def explore_folder(self) -> str:
        """The folder of the slides' pictures, where they are too many for one page; else empty."""
        many = len(self.slides) > MOST_IN_PAGE
        return f"{self.results}/explore_slides" if many else ""


class MissingDataError(HistotransferError):
    """Data that the config names and that do not exist, one a line."""

    def __init__(self, missing: list[str]) -> None:
        shown = missing[:MAX_LISTED]
        if len(missing) > MAX_LISTED:
            shown.append(f"… and {len(missing) - MAX_LISTED} more")
        remedy = "Put them there, or change their paths in the config (config/README.md)"
        super().__init__("config", "names data that do not exist yet", remedy)
        self.args = (
            "These data of the study do not exist yet:\n  - "
            + "\n  - ".join(shown)
            + f"\n{remedy}. `make demo` runs the whole study on simulated data and needs none of "
            "them.",
        )


def _refuse(missing: list[str]) -> None:
    if missing:
        raise MissingDataError(missing)
