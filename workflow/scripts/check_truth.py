"""Hold what was recovered against what was planted in a simulated cohort."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.results.planted_truth import write_truth_check

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_truth_check(
        job.input.truth,
        job.input.related_genes,
        job.input.mutation,
        job.output.truth,
        alpha=job.params.alpha,
    )
