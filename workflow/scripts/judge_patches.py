"""Judge one slide's patches by their metrics, and draw the overview."""

from histotransfer.core.joblog import job_log
from histotransfer.qc.overview import draw_overview
from histotransfer.qc.verdicts import judge_slide
from histotransfer.study.parameters import QcParameters

with job_log(snakemake.log[0]):
    judge_slide(
        snakemake.input.tiles,
        snakemake.input.metrics,
        snakemake.output.qc,
        slide=snakemake.wildcards.slide,
        parameters=QcParameters.of(snakemake.params),
    )
    draw_overview(
        snakemake.input.tiles,
        snakemake.output.qc,
        snakemake.output.overview,
        slide=snakemake.wildcards.slide,
    )
