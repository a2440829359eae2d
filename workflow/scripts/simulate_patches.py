"""Paint a folder of patches, one sub-folder per tissue class."""

from histotransfer.core.joblog import job_log
from histotransfer.simulate.slides import write_patches

with job_log(snakemake.log[0]):
    write_patches(
        snakemake.output.folder,
        dataset=snakemake.wildcards.dataset,
        seed=snakemake.params.seed,
        patches_per_class=snakemake.params.patches_per_class,
        patch_px=snakemake.params.patch_px,
        mpp=snakemake.params.mpp,
    )
