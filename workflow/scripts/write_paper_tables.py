"""Write the comparison as tables that an author pastes."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.report.paper_tables import write_paper_tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_paper_tables(
        dict(job.input.items()),
        job.output.markdown,
        job.output.latex,
        job.output.workbook,
        study=job.params.study,
    )
