"""Read the gallery's patches from their slides."""

from histotransfer.core.joblog import job_log
from histotransfer.results.gallery_images import write_images

with job_log(snakemake.log[0]):
    write_images(
        snakemake.input.gallery,
        snakemake.params.slides,
        snakemake.params.patches,
        snakemake.output.images,
        target_mpp=snakemake.params.target_mpp,
        tolerance=snakemake.params.mpp_tolerance,
        patch_px=snakemake.params.patch_px,
    )
