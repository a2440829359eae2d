"""Write a slide's kept tiles as GeoJSON."""

from histotransfer.core.joblog import job_log
from histotransfer.qc.qupath import write_geojson

with job_log(snakemake.log[0]):
    write_geojson(snakemake.input.qc, snakemake.output.geojson, slide=snakemake.wildcards.slide)
