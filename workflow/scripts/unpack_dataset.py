"""Unpack a dataset's archive."""

from typing import TYPE_CHECKING

from histotransfer.archives import unpack
from histotransfer.joblog import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    unpack(job.input.archive, job.output.folder)
