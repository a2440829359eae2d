"""Paint a folder of patches, one sub-folder per tissue class."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.simulate.slides import write_patches

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_patches(
        job.output.folder,
        dataset=job.wildcards.dataset,
        seed=job.params.seed,
        patches_per_class=job.params.patches_per_class,
        patch_px=job.params.patch_px,
        mpp=job.params.mpp,
    )
