"""Tabulate what the jobs cost."""

from histotransfer.core.joblog import job_log
from histotransfer.results.resource_usage import tabulate_jobs

with job_log(snakemake.log[0]):
    tabulate_jobs(snakemake.params.benchmarks, snakemake.params.on_gpu, snakemake.output.costs)
