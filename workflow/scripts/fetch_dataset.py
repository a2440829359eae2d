"""Fetch a dataset's archive and check it."""

from histotransfer.core.joblog import job_log
from histotransfer.fetch.zenodo import fetch

with job_log(snakemake.log[0]):
    fetch(
        snakemake.params.record,
        snakemake.params.file,
        snakemake.params.md5,
        snakemake.output.archive,
    )
