"""Read the gallery's patches from their slides."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.results.gallery_images import write_images

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_images(
        job.input.gallery,
        job.params.slides,
        job.params.patches,
        job.output.images,
        target_mpp=job.params.target_mpp,
        tolerance=job.params.mpp_tolerance,
        patch_px=job.params.patch_px,
    )
