"""Compare the extractors: every task, every target."""

from itertools import islice
from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.comparison import write_comparison

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    kinds, extractors, blocks = job.params.kinds, job.params.extractors, job.params.blocks
    scores, predictions = iter(job.input.scores), iter(job.input.predictions)
    write_comparison(
        {task: {name: next(scores) for name in extractors[task]} for task in kinds},
        {
            task: {name: list(islice(predictions, len(blocks))) for name in extractors[task]}
            for task in kinds
        },
        dict(zip(kinds, job.input.labels, strict=True)),
        dict(zip(kinds, job.input.splits, strict=True)),
        kinds=kinds,
        statistics=job.params.statistics,
        seed=job.params.seed,
        out=dict(job.output.items()),
    )
