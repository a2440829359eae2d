"""Unpack a dataset's archive."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.fetch.archives import unpack

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    unpack(job.input.archive, job.output.folder)
