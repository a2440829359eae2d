"""Score the out-of-fold predictions, fold by fold."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.scores import write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_scores(
        job.input.predictions,
        job.input.labels,
        job.input.splits,
        job.output.scores,
        kind=job.params.kind,
    )
