"""Predict a block of repeats out of fold."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.cross_validation import run_block

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    run_block(
        job.input.features,
        job.input.labels,
        job.input.splits,
        job.output.predictions,
        task=job.params.task,
        task_name=job.wildcards.task,
        extractor=job.wildcards.extractor,
        repeats=job.params.repeats,
        seed=job.params.seed,
        threads=job.threads,
    )
