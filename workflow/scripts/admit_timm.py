"""Fetch a network of timm, or take it from a folder, and add it to the study's models."""

from histotransfer.core.joblog import job_log
from histotransfer.models.network_card import write_network_card
from histotransfer.models.torch_files import save_timm
from histotransfer.study.parameters import TimmParameters

with job_log(snakemake.log[0]):
    name = snakemake.wildcards.extractor
    description = save_timm(
        TimmParameters.of(snakemake.params.timm),
        snakemake.output.model,
        input_px=snakemake.params.input_px,
        extractor=name,
    )
    write_network_card(snakemake.output.card, description, name=name, model=snakemake.output.model)
