"""Score the external cohort, beside the cross-validation."""

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.external_scores import write_validation

with job_log(snakemake.log[0]):
    write_validation(
        snakemake.params.files,
        snakemake.input.metrics,
        snakemake.params.kinds,
        snakemake.output.validation,
        cohorts=tuple(snakemake.params.cohorts),
        seed=snakemake.params.seed,
    )
