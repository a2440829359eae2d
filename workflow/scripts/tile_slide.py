"""Lay the grid of candidate tiles over the tissue of one slide."""

from histotransfer.core.joblog import job_log
from histotransfer.slides.tiles import tile_slide
from histotransfer.study.parameters import TilingParameters

with job_log(snakemake.log[0]):
    tile_slide(
        snakemake.params.slide,
        snakemake.output.tiles,
        slide=snakemake.wildcards.slide,
        sheet_mpp=snakemake.params.sheet_mpp,
        parameters=TilingParameters.of(snakemake.params),
    )
