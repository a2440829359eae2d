"""Unpack a dataset's archive."""

from histotransfer.core.joblog import job_log
from histotransfer.fetch.archives import unpack

with job_log(snakemake.log[0]):
    unpack(snakemake.input.archive, snakemake.output.folder)
