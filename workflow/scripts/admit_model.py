"""Check an extractor of the user's and add it to the study's models."""

from histotransfer.core.joblog import job_log
from histotransfer.models.keras_files import admit

with job_log(snakemake.log[0]):
    admit(snakemake.input.model, snakemake.output.model, input_px=snakemake.params.input_px)
