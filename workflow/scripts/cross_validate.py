"""Predict a block of repeats out of fold."""

from pathlib import Path
from tempfile import TemporaryDirectory

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.evaluation.splits import write_splits
from histotransfer.study.parameters import SplitParameters
from histotransfer.study.tasks import PredictorParameters

with job_log(snakemake.log[0]), TemporaryDirectory() as folder:
    # The block draws its own folds, which follow from labels and parameters: as an input, the
    # file of all repeats would run every block again once there are more repeats.
    splits = Path(folder) / "splits.tsv"
    task = PredictorParameters.of(snakemake.params.task)
    write_splits(
        snakemake.input.labels,
        splits,
        task=snakemake.wildcards.task,
        kind=task.kind,
        parameters=SplitParameters(
            snakemake.params.folds,
            len(snakemake.params.repeats),
            snakemake.params.group_by,
            snakemake.params.seed,
        ),
        of_patches=snakemake.params.of_patches,
        sites=snakemake.params.sites,
        repeats=snakemake.params.repeats,
    )
    run_block(
        snakemake.params.features,
        snakemake.input.labels,
        splits,
        snakemake.output.predictions,
        parameters=task,
        task=snakemake.wildcards.task,
        extractor=snakemake.wildcards.extractor,
        parts=snakemake.params.parts,
        repeats=snakemake.params.repeats,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
    )
