"""Paint one slide of the simulated cohort."""

from histotransfer.core.joblog import job_log
from histotransfer.simulate.slides import write_slide

with job_log(snakemake.log[0]):
    write_slide(
        snakemake.output.slide,
        slide=snakemake.wildcards.slide,
        seed=snakemake.params.seed,
        slide_px=snakemake.params.slide_px,
        mpp=snakemake.params.mpp,
    )
