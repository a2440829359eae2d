"""Draw a task's folds, once for all extractors."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.splits import write_splits

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_splits(
        job.input.labels,
        job.output.splits,
        kind=job.params.kind,
        folds=job.params.folds,
        repeats=job.params.repeats,
        seed=job.params.seed,
        preserve=job.params.preserve,
    )
