"""Draw one figure from its tables."""

from histotransfer.core.joblog import job_log
from histotransfer.figures.draw import draw

with job_log(snakemake.log[0]):
    draw(
        snakemake.params.figure,
        snakemake.params.tables,
        [snakemake.output.pdf, snakemake.output.png],
        study=snakemake.params.study,
        alpha=snakemake.params.alpha,
        controls=snakemake.params.controls,
    )
