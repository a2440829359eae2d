"""Hold what was recovered against what was planted in a simulated cohort."""

from histotransfer.core.joblog import job_log
from histotransfer.results.planted_truth import write_truth_check

with job_log(snakemake.log[0]):
    write_truth_check(
        snakemake.input.truth,
        snakemake.input.related_genes,
        snakemake.input.mutation,
        snakemake.output.truth,
        alpha=snakemake.params.alpha,
    )
