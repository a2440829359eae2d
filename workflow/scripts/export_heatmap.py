"""Write a heatmap for QuPath."""

from histotransfer.core.joblog import job_log
from histotransfer.results.heatmap_export import export_heatmap

with job_log(snakemake.log[0]):
    export_heatmap(
        snakemake.input.images, snakemake.output.geojson, slide=snakemake.wildcards.slide
    )
