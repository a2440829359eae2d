"""Compute what the frozen blocks of the network return for the patches of the fine-tuning."""

from histotransfer.core.joblog import job_log
from histotransfer.models.frozen_blocks import write_frozen_blocks
from histotransfer.study.parameters import ComputeParameters, FineTuningParameters

with job_log(snakemake.log[0]):
    write_frozen_blocks(
        snakemake.input.weights,
        snakemake.input.patches,
        snakemake.output.frozen,
        parameters=FineTuningParameters.of(snakemake.params),
        input_px=snakemake.params.input_px,
        compute=ComputeParameters.of(snakemake.params.compute),
        seed=snakemake.params.versions_seed,
        threads=snakemake.threads,
    )
