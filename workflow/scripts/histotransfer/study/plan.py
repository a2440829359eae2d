"""The plan of a study: everything that the rules ask before a job runs, in one typed object.

Imported by the Snakefile, so only what Snakemake itself depends on may be imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import HistotransferError
from ..core.user_files import (
    FEATURES,
    MAFS,
    NETWORK,
    PATCHES,
    STAR_COUNTS,
    files_by_stem,
    files_meant,
)
from .batches import assign_batches, assign_groups
from .catalogue import FIGURES, PUBLISHED, TABLES
from .cohorts import cohorts_of
from .config import (
    check_config,
    image_datasets,
    is_fetched,
    label_files,
    label_source,
    missing_data,
    reads_slides,
    refuse_misplaced,
    sheet_files,
)
from .coverage import feature_files, lacking, refuse_uncompared, sentences
from .disk import Need, of_features, of_fine_tuning, of_patches, of_slides_to_fetch, tile_count
from .extractors import CONCAT, CONTROLS, COVARIATES, extractors, fine_tuning_runs
from .file_states import file_state, files_state, slide_state, state_of
from .parameters import (
    ComputeParameters,
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
from .same_slides import copies, refuse_shared_files, warnings
from .sites import sites_of_patients
from .slide_sheet import Slide, missing_slides, read_slide_sheet, slides_of_features
from .tasks import NUMBERS, TWO_VALUES, Task

MOST_IN_PAGE = 60
"""Slides whose pictures the page to explore holds: about 0.1 MB each, beside 5 MB of its own."""
MAX_LISTED = 20
"""Missing files that an error names."""


class StudyPlan:
    """A checked study.

    Parameters
    ----------
    config : mapping
        The config, complete and checked.
    sheet : mapping of str to Slide
        The slides of the sheet, in its order; without a sheet, those that have features.
    tells_robustness : bool
        Whether the study is run under its alternatives, too.

    Attributes
    ----------
    results, data : str
        The folders of everything that is made, and of everything that is fetched.
    sheet : mapping of str to Slide
        As given.
    main : StudyPlan or None
        The study of which this one is an alternative (`alternatives.py`), and whose files it takes
        where both would make the same.
    home : str
        The folder of all results, those of alternatives included.
    is_simulated, is_published, has_random_weights, uses_gpu : bool
    slides : mapping of str to Slide
        Those that are read: of the sheet, if it has paths.
    patients : dict of str to str
        By slide.
    without_sheet, has_slides : bool
        Whether the slides are those that have features, and whether slides are read.
    fetched_datasets, fetched_slides : list of str
        A slide is fetched if it is one of the GDC's and lies where `make sheets` puts it.
    reference, trained_on : str
        The datasets of the reference stain and of fine-tuning; empty without one.
    extractors : dict of str to Extractor
        The baseline first.
    runs : dict of str to list of str
        Of each compared extractor that is fine-tuned, its runs, one per seed.
    controls : list of str
        The extractors that know nothing of tissue.
    networks, external : list of str
        The extractors that run here, and those whose features, or covariates, the user brings.
    covariates : Extractor or None
        The clinical covariates.
    tasks : dict of str to Task
    kinds : dict of str to str
        By task.
    patch_tasks, patient_tasks : list of str
        By what their samples are.
    evaluated_datasets : list of str
        The datasets of the tasks of patches.
    left_out : dict of str to dict
        By task, the extractors without features of its samples (`coverage.lacking`).
    cohorts : CohortParameters or None
        Those of an external validation.
    ledger, groups_ledger : str
        The tables that remember which slides share a batch, and which networks a group.
    batches, groups, blocks : dict of str to list
        Slides that share one start of the network; networks that share a pass; repeats that share
        one job.
    cut : str
        The block below which all networks of `sharing` are the same; empty if none is.
    sharing : list of str
        The networks that could share a pass.
    sites : dict of str to str
        By patient; empty unless all have one, and there are two at least.
    curve_repeats : int
        The first repeats, of which learning curves are traced and sites audited.
    tables, paper_tables, figures, first_figures : list of str
        The names of the final tables, of those that the tables for a paper are made of, of the
        figures, and of those to look at first.
    tiling, encoding, patches, qc, fine_tuning, compute, extraction, pooling, splits, statistics
        The parameters of the stages.
    """

    main: StudyPlan | None = None

    def __init__(
        self,
        config: Mapping[str, Any],
        sheet: Mapping[str, Slide],
        *,
        tells_robustness: bool = False,
    ) -> None:
        slides = {name: slide for name, slide in sheet.items() if slide.path}
        self.config, self.slides, self.sheet = config, slides, sheet
        self.results = str(config["results"])
        self.home = self.main.results if self.main else self.results
        self.data = str(config.get("download", {}).get("folder", "data"))
        self.is_simulated = "simulate" in config
        self.is_published = config["study"] == PUBLISHED
        self.has_random_weights = bool(config["network"]["weights"] == "random")
        self.uses_gpu = bool(config["network"]["gpu"])
        self.patients = {name: slide.patient for name, slide in sheet.items()}
        self.without_sheet = "slides" not in config
        # A sheet that is still missing will have paths.
        self.has_slides = bool(slides) or not (self.without_sheet or sheet)
        self.fetched_datasets = [n for n, entry in config["datasets"].items() if is_fetched(entry)]
        self.fetched_slides = [
            name
            for name, slide in slides.items()
            if slide.file_id and slide.path == f"{self.data}/slides/{name}.svs"
        ]
        self.reference = str(config["stain"].get("reference", ""))
        self.trained_on = str(config["finetune"].get("dataset", ""))
        self.extractors = extractors(config)
        baseline = next(iter(self.extractors))
        runs = fine_tuning_runs(config)
        self.runs = {name: members for name, members in runs.items() if name != baseline}
        self.networks = [name for name, e in self.extractors.items() if e.is_network]
        self.controls = [name for name, e in self.extractors.items() if e.is_control]
        own = [*self.networks, *self.extractors_of(CONCAT)]
        self.external = [name for name in self.extractors if name not in own]
        is_there = bool(self.extractors_of(COVARIATES))
        self.covariates = self.extractors[COVARIATES] if is_there else None
        self.tasks = {
            name: Task.from_config(name, entry, label_source(config, entry))
            for name, entry in config["tasks"].items()
        }
        self.kinds = {name: task.kind for name, task in self.tasks.items()}
        self.patch_tasks = [name for name, task in self.tasks.items() if task.dataset]
        self.patient_tasks = [name for name in self.tasks if name not in self.patch_tasks]
        # A sheet that is still missing will list slides that have features.
        known = set(sheet) if sheet or self.without_sheet else None
        self._feature_files = feature_files(self.extractors)
        self.left_out = lacking(self.extractors, self._feature_files, self.tasks, known)
        self.evaluated_datasets = sorted({self.tasks[name].dataset for name in self.patch_tasks})
        self.cohorts = cohorts_of(config, ((s.patient, s.cohort) for s in sheet.values()))
        self.cut = str(config["finetune"]["step2"]["unfreeze_from"])
        if self.cut in ("all", "block1"):
            self.cut = ""
        # Those from the same weights share the frozen blocks: what the networks' files say of
        # themselves decides in the job. Controls only save the start of a job.
        self.sharing = self.extractors_of("imagenet", "finetuned", *CONTROLS) if self.cut else []
        self.ledger = f"{self.home}/features/batches.tsv"
        self.batches = assign_batches(slides, config["features"]["slides_per_job"], self.ledger)
        repeats, size = (int(config["crossval"][key]) for key in ("repeats", "repeats_per_job"))
        self.blocks = {
            f"{start // size:03d}": list(range(start, min(start + size, repeats)))
            for start in range(0, repeats, size)
        }
        self.sites = sites_of_patients(config, sheet.values())
        self.curve_repeats = min(int(config["crossval"]["curve_repeats"]), repeats)
        parts = set() if self.main else self._parts(tells_robustness)
        self.tables = [name for name, item in TABLES.items() if item.needs in parts]
        of_paper = ("comparison", "improved", "answers", "claims", "ranks", "pairs", "table1")
        self.paper_tables = [name for name in of_paper if name in self.tables]
        self.figures = [name for name, item in FIGURES.items() if item.needs in parts]
        first = ("tissue_accuracy", "expression", "truth" if self.is_simulated else "mutation")
        self.first_figures = [name for name in first if name in self.figures]

        seed, stain = config["seed"], config["stain"]
        if not self.reference:  # no network sees the slides' patches (`check_config`)
            stain = {**stain, "method": "none"}
        self.tiling = TilingParameters.of(config["tiling"])
        self.encoding = EncodingParameters.of(config["patches"])
        self.patches = PatchParameters.of(
            {f"stain_{key}": value for key, value in stain.items()}
            | config["tiling"]
            | config["patches"]
            # Only a stain that is fitted to a slide is drawn from a sample of it.
            | {"seed": seed if stain["method"] == "slide" else 0}
        )
        self.qc = QcParameters.of(config["qc"])
        self.fine_tuning = FineTuningParameters.of(config["finetune"])
        self.compute = ComputeParameters.of(config["network"])
        self.extraction = ExtractionParameters(
            config["network"]["batch_size"], config["features"]["dtype"], self.compute
        )
        self.pooling = PoolingParameters(
            config["pooling"]["patches"],
            config["pooling"]["slides"],
            bool(config["qc"]["apply"] and self.has_slides),
        )
        self.splits = SplitParameters.of({**config["crossval"], "seed": seed})
        self.statistics = StatisticsParameters.of({**config["statistics"], "seed": seed})

        own = [name for name in self.networks if self.is_own("features", name)]
        self.groups_ledger = f"{self.results}/features/groups.tsv"
        self.groups = assign_groups(own, self.sharing, self.groups_ledger)

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

    @property
    def changed_tasks(self) -> list[str]:
        """The tasks that an alternative scores anew; of a study itself, all."""
        return [
            task
            for task in self.tasks
            if any(self.is_own("scores", task, name) for name in self.compared_in(task))
        ]

    def robustness_files(self, alternatives: Mapping[str, StudyPlan]) -> dict[str, dict[str, str]]:
        """Return the tables that the questions are asked of: of the study (""), of alternatives."""
        return {
            name: {table: plan._table(table) for table in ("comparison", "improved")}
            for name, plan in {"": self, **alternatives}.items()
        }

    def is_own(self, stage: str, *names: str) -> bool:
        """Tell whether a file is made here; an alternative takes others from its study."""
        return True

    def at(self, stage: str, *names: str) -> str:
        """Return the place of a file of the results, without its ending, or of a folder of them."""
        return "/".join((self._maker(stage, *names).results, stage, *names))

    def _maker(self, stage: str, *names: str) -> StudyPlan:
        return self.main if self.main and not self.is_own(stage, *names) else self

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

    def dataset_folder(self, name: str) -> str:
        """Return the folder of a dataset's patches; empty if its labels are all that is known."""
        entry: Mapping[str, str] = self.config["datasets"][name]
        return f"{self.data}/{name}" if is_fetched(entry) else entry.get("path", "")

    def needs_images(self, dataset: str) -> bool:
        """Tell whether a network or the stain needs a dataset's images; else names will do."""
        return dataset in image_datasets(self.config)

    def slide(self, name: str) -> Slide:
        """Look up a slide of the sheet; raises HistotransferError if the sheet does not list it."""
        if name not in self.slides:
            raise HistotransferError(
                self.config["slides"], f"lists no slide '{name}'", "Name one of its slides"
            )
        return self.slides[name]

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

    def frozen_blocks_params(self) -> dict[str, Any]:
        """Return what the frozen blocks' output depends on, beside its inputs.

        The trainings that read it depend on the same, so that it need not be there for those that
        are done. The first of their seeds draws the versions of the patches, which all see.
        """
        return {
            **self.fine_tuning.as_params(),
            "input_px": self.tiling.patch_px,
            "compute": self.compute.as_params(),
            "versions_seed": self.config["finetune"]["seeds"][0],
        }

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

    def extractors_of(self, *kinds: str) -> list[str]:
        """Return the extractors of these kinds."""
        return [name for name, extractor in self.extractors.items() if extractor.kind in kinds]

    def group_of(self, network: str) -> str:
        """Return the group of networks that a network is computed with."""
        return next(group for group, members in self.groups.items() if network in members)

    def batches_of(self, network: str) -> list[str]:
        """Return the manifests of a network's features of slides."""
        plan = self._maker("features", network)
        folder = f"{plan.results}/features/{plan.group_of(network)}/batches"
        return [f"{folder}/{batch}.tsv" for batch in plan.batches]

    def cut_of(self, network: str) -> str:
        """Return the block at which a network is computed in two parts; empty for one part."""
        return self.cut if network in self.sharing else ""

    def compared_in(self, task: str) -> list[str]:
        """Return the extractors that a task compares.

        Those of other tools have features of the slides or of the dataset, or are `left_out`.
        """
        return [name for name in self.extractors if name not in self.left_out[task]]

    def model_of(self, extractor: str) -> str:
        """Return the file of a network among the study's models."""
        return f"{self.at('models', extractor)}{self.extractors[extractor].model_suffix}"

    def parts_of(self, extractor: str) -> list[str]:
        """Return the extractors whose features stand side by side: several, or itself."""
        return list(self.extractors[extractor].parts or (extractor,))

    def warnings_of_coverage(self) -> list[str]:
        """Say which extractors are left out of which task, and why."""
        return sentences(self.left_out)

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

    # -- Files that several jobs make, by what they are of

    def features_of(self, task: str, extractor: str) -> str:
        """Return the features of a task's samples: patches of a dataset, or patients."""
        if dataset := self.tasks[task].dataset:
            return f"{self.at('features', extractor, dataset)}.h5"
        return f"{self.at('pooled', extractor)}.h5"

    def scores_of(self, task: str) -> dict[str, str]:
        """Return the scores of a task, by extractor."""
        return {name: f"{self.at('scores', task, name)}.tsv" for name in self.compared_in(task)}

    def predictions_of(self, task: str, extractor: str) -> list[str]:
        """Return the blocks of out-of-fold predictions."""
        return [f"{self.at('cv', task, extractor)}/{block}.h5" for block in self.blocks]

    def by_task(self, tasks: list[str], folder: str, ending: str = ".tsv") -> dict[str, str]:
        """Return one file below the results for each task."""
        return {task: f"{self.results}/{folder}/{task}{ending}" for task in tasks}

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
                "beside": {
                    name: f"{self.results}/sites/{task}/{name}.tsv"
                    for name in self.compared_in(task)
                },
            }
            for task in self.patient_tasks
        }

    def curve_files(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the scores and the learning curves of each task, by extractor."""
        return {
            task: {
                "scores": self.scores_of(task),
                "curves": {
                    name: f"{self.results}/curves/{task}/{name}.h5"
                    for name in self.compared_in(task)
                },
            }
            for task in self.tasks
        }

    def validation_files(self) -> dict[str, dict[str, Any]]:
        """Return each task's labels in the external cohort, and by extractor its predictions."""
        return {
            task: {
                "external": f"{self.results}/labels/external/{task}.tsv",
                "predictions": {
                    name: f"{self.results}/validation/{task}/{name}.h5"
                    for name in self.compared_in(task)
                },
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

    def _table(self, name: str) -> str:
        return f"{self.at('tables', name)}.tsv"


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
