"""Check an extractor made elsewhere and take it among the study's models."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.models.keras_files import admit

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    admit(job.input.model, job.output.model, input_px=job.params.input_px)
