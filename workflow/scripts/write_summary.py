"""Write the page to read first."""

from histotransfer.core.joblog import job_log
from histotransfer.report.summary import write_summary

with job_log(snakemake.log[0]):
    write_summary(
        snakemake.params.config,
        snakemake.params.tables,
        snakemake.output.summary,
        figure=snakemake.input.figure,
        checklist_path=snakemake.output.checklist,
        defaults=snakemake.params.defaults,
        random_weights=snakemake.params.random_weights,
        copies=snakemake.params.copies,
        left_out=snakemake.params.left_out,
    )
