"""Bring another tool's features of a dataset into the order of its patches."""

from histotransfer.core.joblog import job_log
from histotransfer.features.external_patches import admit_features

with job_log(snakemake.log[0]):
    admit_features(
        snakemake.input.source,
        snakemake.input.patches,
        snakemake.output.features,
        snakemake.output.used,
        extractor=snakemake.wildcards.extractor,
        dataset=snakemake.wildcards.dataset,
    )
