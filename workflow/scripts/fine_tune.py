"""Fine-tune the network on tissue patches in two steps."""

from histotransfer.core.joblog import job_log
from histotransfer.models.fine_tuning import FineTunedFiles, fine_tune
from histotransfer.study.parameters import ComputeParameters, FineTuningParameters

with job_log(snakemake.log[0]):
    fine_tune(
        snakemake.input.weights,
        snakemake.input.patches,
        snakemake.input.frozen,
        FineTunedFiles(
            extractor=snakemake.output.model,
            classifier=snakemake.output.classifier,
            history=snakemake.output.history,
            card=snakemake.output.card,
        ),
        snakemake.params.checkpoint,
        extractor=snakemake.wildcards.extractor,
        parameters=FineTuningParameters.of(snakemake.params),
        input_px=snakemake.params.input_px,
        compute=ComputeParameters.of(snakemake.params.compute),
        seed=snakemake.params.seed,
        versions_seed=snakemake.params.versions_seed,
        simulated=snakemake.params.simulated,
        code=snakemake.params.code,
        threads=snakemake.threads,
    )
