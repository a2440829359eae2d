"""Read, measure, normalise and store one slide's candidate tiles in one pass."""

from functools import partial
from typing import TYPE_CHECKING

from histotransfer.core.crashes import crash_of
from histotransfer.core.joblog import job_log
from histotransfer.patches.from_tiles import cut_patches

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    read = partial(
        cut_patches,
        job.params.slide,
        job.input.tiles,
        job.output.measures,
        job.output.patches,
        reference_path=job.input.reference or None,
        stain_method=job.params.stain_method,
        stain_fallback=job.params.stain_fallback,
        max_background_fraction=job.params.max_background_fraction,
        max_unreadable_fraction=job.params.max_unreadable_fraction,
        codec=job.params.codec,
        jpeg_quality=job.params.jpeg_quality,
        seed=job.params.seed,
    )
    if crash := crash_of(read):
        read(crash=crash)
