"""Estimate the reference stain of the fine-tuning set."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.patches.stain_reference import fit_reference

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    fit_reference(job.input.patches, job.output.reference, seed=job.params.seed)
