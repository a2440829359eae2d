"""List a project's slides, patients and files of labels."""

from histotransfer.core.joblog import job_log
from histotransfer.fetch.gdc import Gdc
from histotransfer.fetch.gdc_sheets import write_sheets

with job_log(snakemake.log[0]):
    write_sheets(
        Gdc(snakemake.params.address),
        snakemake.params.project,
        snakemake.params.slide_folder,
        out=snakemake.output,
        kinds=snakemake.params.samples,
    )
