"""Score one extractor on a task after training on fewer samples, and on shuffled labels."""

from pathlib import Path
from tempfile import TemporaryDirectory

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.learning_curves import trace_curve
from histotransfer.evaluation.splits import write_splits
from histotransfer.study.parameters import SplitParameters
from histotransfer.study.tasks import PredictorParameters

with job_log(snakemake.log[0]), TemporaryDirectory() as folder:
    # The first repeats follow from labels and parameters, as in `cross_validate.py`.
    splits = Path(folder) / "splits.tsv"
    task = PredictorParameters.of(snakemake.params.task)
    write_splits(
        snakemake.input.labels,
        splits,
        task=snakemake.wildcards.task,
        kind=task.kind,
        parameters=SplitParameters(
            snakemake.params.folds,
            snakemake.params.repeats,
            snakemake.params.group_by,
            snakemake.params.seed,
        ),
        of_patches=snakemake.params.of_patches,
        sites=snakemake.params.sites,
    )
    trace_curve(
        snakemake.params.features,
        snakemake.input.labels,
        splits,
        snakemake.output.curve,
        parameters=task,
        task=snakemake.wildcards.task,
        extractor=snakemake.wildcards.extractor,
        parts=snakemake.params.parts,
        of_patches=snakemake.params.of_patches,
        group_by=snakemake.params.group_by,
        sites=snakemake.params.sites,
        seed=snakemake.params.seed,
    )
