"""Fetch a dataset's archive and check it."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.fetch.zenodo import fetch

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    fetch(job.params.record, job.params.file, job.params.md5, job.output.archive)
