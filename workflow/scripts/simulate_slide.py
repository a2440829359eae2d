"""Paint one slide of the simulated cohort."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.simulate.slides import write_slide

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_slide(
        job.output.slide,
        slide=job.wildcards.slide,
        seed=job.params.seed,
        slide_px=job.params.slide_px,
        mpp=job.params.mpp,
    )
