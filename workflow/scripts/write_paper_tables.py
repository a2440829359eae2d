"""Write the comparison as tables for a paper."""

from histotransfer.core.joblog import job_log
from histotransfer.report.paper_tables import write_paper_tables

with job_log(snakemake.log[0]):
    write_paper_tables(
        dict(snakemake.input.items()),
        snakemake.output.markdown,
        snakemake.output.latex,
        snakemake.output.workbook,
        study=snakemake.params.study,
        controls=snakemake.params.controls,
    )
