"""Fetch one slide and check it."""

from histotransfer.core.joblog import job_log
from histotransfer.fetch.gdc import fetch_file

with job_log(snakemake.log[0]):
    fetch_file(
        snakemake.params.address,
        snakemake.params.file_id,
        snakemake.params.md5,
        snakemake.params.size,
        snakemake.output.slide,
    )
