"""Map the best-predicted target of each task on the slides that tell most."""

from histotransfer.core.joblog import job_log
from histotransfer.results.heatmaps import Study, write_best_maps

with job_log(snakemake.log[0]):
    write_best_maps(
        snakemake.input.related_genes,
        snakemake.input.mutation,
        Study.of(snakemake.params),
        snakemake.output.heatmaps,
        snakemake.output.images,
        alpha=snakemake.params.alpha,
    )
