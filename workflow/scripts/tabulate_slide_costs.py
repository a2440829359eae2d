"""Tabulate what the slides cost."""

from histotransfer.core.joblog import job_log
from histotransfer.results.resource_usage import tabulate_slides

with job_log(snakemake.log[0]):
    tabulate_slides(
        snakemake.params.slides,
        snakemake.params.verdicts,
        snakemake.params.benchmarks,
        snakemake.output.costs,
    )
