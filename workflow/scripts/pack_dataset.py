"""Pack a folder of labelled patches into a patch store."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.patches.from_folders import pack_dataset

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    pack_dataset(
        job.input.folder,
        job.output.patches,
        dataset=job.wildcards.dataset,
        patch_px=job.params.patch_px,
        codec=job.params.codec,
        jpeg_quality=job.params.jpeg_quality,
    )
