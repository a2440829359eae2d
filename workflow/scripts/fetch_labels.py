"""Fetch the files that a task's labels are read from."""

from typing import TYPE_CHECKING

from histotransfer.gdc import fetch_files
from histotransfer.joblog import job_log

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
