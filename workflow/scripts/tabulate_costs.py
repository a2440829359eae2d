"""Tabulate what the jobs cost."""

from pathlib import Path
from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.results.resource_usage import tabulate_jobs

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    tabulate_jobs(
        Path(job.params.benchmarks),
        job.params.stages,
        job.params.on_gpu,
        job.output.costs,
    )
