"""Write the page to explore."""

from histotransfer.core.joblog import job_log
from histotransfer.report.explore import write_explore

with job_log(snakemake.log[0]):
    write_explore(
        snakemake.params.tables,
        snakemake.output.page,
        study=snakemake.params.study,
        alpha=snakemake.params.alpha,
        controls=snakemake.params.controls,
        patients=snakemake.params.patients,
        predictions=snakemake.params.predictions,
        slides=snakemake.params.slides,
        slides_folder=snakemake.output.get("slides"),
    )
