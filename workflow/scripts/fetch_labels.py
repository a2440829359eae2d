"""Fetch the files that a task's labels are read from."""

from histotransfer.core.joblog import job_log
from histotransfer.fetch.gdc import fetch_files

with job_log(snakemake.log[0]):
    fetch_files(
        snakemake.params.address,
        snakemake.input.sheet,
        snakemake.output.manifest,
        connections=snakemake.params.connections,
    )
