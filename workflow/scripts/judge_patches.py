"""Give each of a slide's patches its verdict, and draw them over the slide."""

from typing import TYPE_CHECKING

from histotransfer.joblog import job_log
from histotransfer.qc import judge_slide

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    judge_slide(
        job.input.tiles,
        job.input.measures,
        job.output.qc,
        job.output.overview,
        thresholds=job.params.thresholds,
    )
