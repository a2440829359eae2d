"""Fetch one slide and check it."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.fetch.gdc import fetch_file

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    fetch_file(
        job.params.address,
        job.params.file_id,
        job.params.md5,
        job.params.size,
        job.output.slide,
    )
