"""Build the off-the-shelf extractor from ImageNet's weights."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.models.xception import write_imagenet_extractor

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_imagenet_extractor(
        job.input.weights,
        job.output.model,
        input_px=job.params.input_px,
        extractor=job.wildcards.extractor,
    )
