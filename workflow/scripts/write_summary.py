"""Write the page to read first."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.report.summary import write_summary

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_summary(
        job.params.config,
        dict(job.input.items()),
        job.output.summary,
        random_weights=job.params.random_weights,
    )
