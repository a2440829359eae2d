"""Compare the patches of fine-tuning with those of evaluation."""

from histotransfer.core.joblog import job_log
from histotransfer.results.near_duplicates import write_near_duplicates

with job_log(snakemake.log[0]):
    write_near_duplicates(
        snakemake.params.trained_on,
        snakemake.input.trained_on,
        snakemake.params.evaluated,
        snakemake.output.near_duplicates,
    )
