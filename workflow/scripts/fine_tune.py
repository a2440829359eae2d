"""Fine-tune the network on tissue patches in two steps."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.models.fine_tuning import finetune

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    finetune(
        job.input.weights,
        job.input.patches,
        extractor_path=job.output.model,
        classifier_path=job.output.classifier,
        history_path=job.output.history,
        card_path=job.output.card,
        checkpoint_dir=job.params.checkpoints,
        input_px=job.params.input_px,
        params=job.params.finetune,
        mixed_precision=job.params.mixed_precision,
        seed=job.params.seed,
        simulated=job.params.simulated,
        code=job.params.code,
        threads=job.threads,
    )
