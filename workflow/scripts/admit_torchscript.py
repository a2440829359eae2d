"""Check a TorchScript file of the user's and add it to the study's models."""

from histotransfer.core.joblog import job_log
from histotransfer.models.torch_files import save_torchscript

with job_log(snakemake.log[0]):
    save_torchscript(
        snakemake.input.model, snakemake.output.model, input_px=snakemake.params.input_px
    )
