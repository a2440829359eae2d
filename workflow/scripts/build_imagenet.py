"""Build the off-the-shelf extractor."""

from histotransfer.core.joblog import job_log
from histotransfer.models.xception import write_imagenet_extractor

with job_log(snakemake.log[0]):
    write_imagenet_extractor(
        snakemake.input.weights,
        snakemake.output.model,
        input_px=snakemake.params.input_px,
        extractor=snakemake.wildcards.extractor,
    )
