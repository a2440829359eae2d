"""The design of a study: what it compares, on what, and how; where its files lie.

Imported by the Snakefile, so only what Snakemake itself depends on may be imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import HistotransferError
from .batches import assign_batches, assign_groups
from .catalogue import PUBLISHED
from .cohorts import cohorts_of
from .config import image_datasets, is_fetched, label_source
from .coverage import feature_files, lacking, sentences
from .extractors import CONCAT, CONTROLS, COVARIATES, extractors, fine_tuning_runs
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
from .sites import sites_of_patients
from .slide_sheet import Slide
from .tasks import Task


class StudyDesign:
    """What a study consists of: slides, extractors, tasks, batches, parameters.

    Parameters
    ----------
    config : mapping
        The config, complete and checked.
    sheet : mapping of str to Slide
        The slides of the sheet, in its order; without a sheet, those that have features.

    Attributes
    ----------
    results, data : str
        The folders of everything that is made, and of everything that is fetched.
    sheet : mapping of str to Slide
        As given.
    main : StudyDesign or None
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
    tiling, encoding, patches, qc, fine_tuning, compute, extraction, pooling, splits, statistics
        The parameters of the stages.
    """

    main: StudyDesign | None = None

    def __init__(self, config: Mapping[str, Any], sheet: Mapping[str, Slide]) -> None:
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

        own = [
            name
            for name in self.networks
            if self.is_own("features", name)
            or any(self.is_own("features", name, one) for one in self.evaluated_datasets)
        ]
        self.groups_ledger = f"{self.results}/features/groups.tsv"
        self.groups = assign_groups(own, self.sharing, self.groups_ledger)

    def is_own(self, stage: str, *names: str) -> bool:
        """Tell whether a file is made here; an alternative takes others from its study."""
        return True

    def at(self, stage: str, *names: str) -> str:
        """Return the place of a file of the results, without its ending, or of a folder of them."""
        return "/".join((self._maker(stage, *names).results, stage, *names))

    def _maker(self, stage: str, *names: str) -> StudyDesign:
        return self.main if self.main and not self.is_own(stage, *names) else self

    def _table(self, name: str) -> str:
        return f"{self.at('tables', name)}.tsv"

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

    def extractors_of(self, *kinds: str) -> list[str]:
        """Return the extractors of these kinds."""
        return [name for name, extractor in self.extractors.items() if extractor.kind in kinds]

    def group_of(self, network: str) -> str:
        """Return the group of networks that a network is computed with."""
        return next(group for group, members in self.groups.items() if network in members)

    def batches_of(self, network: str) -> list[str]:
        """Return the manifests of a network's features of slides."""
        plan = self._maker("features", network)
        return [plan._manifest(network, batch) for batch in plan.batches]

    def batch_of(self, network: str, dataset: str) -> str:
        """Return the manifest of a network's features of a dataset, which is a batch of its own."""
        return self._maker("features", network, dataset)._manifest(network, dataset)

    def _manifest(self, network: str, batch: str) -> str:
        return f"{self.results}/features/{self.group_of(network)}/batches/{batch}.tsv"

    def stores_of(self, batch: str) -> list[str]:
        """Return what a batch is made of: slides, or one dataset."""
        return self.batches.get(batch, [batch])

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
