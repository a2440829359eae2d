"""Predict a block of repeats out of fold."""

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.study.tasks import PredictorParameters

with job_log(snakemake.log[0]):
    run_block(
        snakemake.input.features,
        snakemake.input.labels,
        snakemake.input.splits,
        snakemake.output.predictions,
        parameters=PredictorParameters.of(snakemake.params.task),
        task=snakemake.wildcards.task,
        extractor=snakemake.wildcards.extractor,
        repeats=snakemake.params.repeats,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
    )
