"""Tabulate what the jobs cost."""

from pathlib import Path
from typing import TYPE_CHECKING

from histotransfer.costs import tabulate_jobs
from histotransfer.joblog import job_log

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
