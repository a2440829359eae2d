"""Build a control: a network that knows nothing of tissue."""

from histotransfer.core.joblog import job_log
from histotransfer.models.controls import write_control

with job_log(snakemake.log[0]):
    write_control(
        snakemake.params.kind,
        snakemake.output.model,
        input_px=snakemake.params.input_px,
        extractor=snakemake.wildcards.extractor,
        seed=snakemake.params.seed,
    )
