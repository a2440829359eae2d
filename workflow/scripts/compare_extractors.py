"""Compare the extractors: every task, every target."""

from itertools import islice
from typing import TYPE_CHECKING

from histotransfer.comparison import write_comparison
from histotransfer.joblog import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    kinds, extractors, blocks = job.params.kinds, job.params.extractors, job.params.blocks
    scores, predictions = iter(job.input.scores), iter(job.input.predictions)
    write_comparison(
        {task: {extractor: next(scores) for extractor in extractors} for task in kinds},
        {
            task: {extractor: list(islice(predictions, len(blocks))) for extractor in extractors}
            for task in kinds
        },
        dict(zip(kinds, job.input.labels, strict=True)),
        dict(zip(kinds, job.input.splits, strict=True)),
        baseline=extractors[0],
        extractors=extractors,
        kinds=kinds,
        statistics=job.params.statistics,
        seed=job.params.seed,
        out=dict(job.output.items()),
    )
