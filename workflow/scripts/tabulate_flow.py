"""Tabulate how many slides, patients and patches go in and out."""

from histotransfer.core.joblog import job_log
from histotransfer.results.cohort_flow import write_flow

with job_log(snakemake.log[0]):
    write_flow(
        snakemake.input.qc,
        snakemake.input.excluded,
        snakemake.input.cohort,
        snakemake.params.labels_flow,
        snakemake.output.flow,
        apply_qc=snakemake.params.apply_qc,
    )
