"""Estimate the reference stain from the patches of a dataset."""

from histotransfer.core.joblog import job_log
from histotransfer.patches.stain_reference import fit_reference

with job_log(snakemake.log[0]):
    fit_reference(
        snakemake.input.patches,
        snakemake.output.reference,
        glass=snakemake.params.glass,
        seed=snakemake.params.seed,
    )
