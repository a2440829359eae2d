"""List a project's slides, patients and files of labels."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.fetch.gdc import Gdc
from histotransfer.fetch.gdc_sheets import write_sheets

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_sheets(
        Gdc(job.params.address),
        job.params.project,
        job.params.slide_folder,
        out=job.output,
    )
