"""Map one target on one slide."""

from histotransfer.core.joblog import job_log
from histotransfer.results.heatmaps import Study, write_map

with job_log(snakemake.log[0]):
    write_map(
        Study.of(snakemake.params),
        snakemake.output.heatmap,
        snakemake.output.images,
        task=snakemake.wildcards.task,
        target=snakemake.wildcards.target,
        slide=snakemake.wildcards.slide,
    )
