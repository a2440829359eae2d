"""Write a slide's kept tiles as GeoJSON."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.qc.qupath import write_geojson

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_geojson(job.input.qc, job.output.geojson)
