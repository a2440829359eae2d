"""Fetch or draw the network's initial weights."""

from histotransfer.core.joblog import job_log
from histotransfer.models.initial_weights import fetch

with job_log(snakemake.log[0]):
    fetch(snakemake.output.weights, source=snakemake.params.source, seed=snakemake.params.seed)
