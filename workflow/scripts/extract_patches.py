"""Read, measure, normalise and store one slide's candidate tiles in one pass."""

from histotransfer.core.joblog import job_log
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.study.parameters import PatchParameters

with job_log(snakemake.log[0]):
    extract_patches(
        snakemake.params.slide,
        snakemake.input.tiles,
        snakemake.output.metrics,
        snakemake.output.patches,
        slide=snakemake.wildcards.slide,
        reference_path=snakemake.input.reference or None,
        parameters=PatchParameters.of(snakemake.params),
    )
