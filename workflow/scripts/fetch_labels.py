"""Fetch the files that a task's labels are read from."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.fetch.gdc import fetch_files

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    fetch_files(
        job.params.address,
        job.input.sheet,
        job.output.manifest,
        connections=job.params.connections,
    )
