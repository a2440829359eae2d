"""Lay the grid of candidate tiles over the tissue of one slide."""

from functools import partial
from typing import TYPE_CHECKING

from histotransfer.core.crashes import crash_of
from histotransfer.core.joblog import job_log
from histotransfer.slides.tiles import tile_slide

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    read = partial(
        tile_slide,
        job.params.slide,
        job.output.tiles,
        slide=job.wildcards.slide,
        sheet_mpp=job.params.sheet_mpp,
        patch_px=job.params.patch_px,
        stride_px=job.params.stride_px,
        target_mpp=job.params.target_mpp,
        mpp_tolerance=job.params.mpp_tolerance,
        thumbnail_mpp=job.params.thumbnail_mpp,
        min_tissue_fraction=job.params.min_tissue_fraction,
    )
    if crash := crash_of(read):
        read(crash=crash)
