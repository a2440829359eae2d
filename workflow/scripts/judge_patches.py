"""Judge one slide's patches by their metrics, and draw the overview."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.qc.overview import draw_overview
from histotransfer.qc.verdicts import judge_slide

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    judge_slide(
        job.input.tiles,
        job.input.measures,
        job.output.qc,
        thresholds=job.params.thresholds,
    )
    draw_overview(job.input.tiles, job.output.qc, job.output.overview)
