"""Fit a task to all training patients, and predict those of the external cohort."""

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.external_predictions import predict_externally
from histotransfer.study.tasks import PredictorParameters

with job_log(snakemake.log[0]):
    predict_externally(
        dict(zip(snakemake.params.parts, snakemake.input.features, strict=True)),
        snakemake.input.labels,
        snakemake.input.external,
        snakemake.output.predictions,
        parameters=PredictorParameters.of(snakemake.params.task),
        task=snakemake.wildcards.task,
        extractor=snakemake.wildcards.extractor,
        folds=snakemake.params.folds,
        seed=snakemake.params.seed,
    )
