"""Draw one figure from its tables."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.figures.draw import draw

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    draw(
        job.params.figure,
        dict(job.input.items()),
        [job.output.pdf, job.output.png],
        study=job.params.study,
        alpha=job.params.alpha,
    )
