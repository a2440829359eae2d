"""Fetch ImageNet's weights and check them."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.models.initial_weights import fetch

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    fetch(job.output.weights, source=job.params.source, seed=job.params.seed)
