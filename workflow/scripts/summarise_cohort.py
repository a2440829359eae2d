"""Tabulate the slides, those excluded, and the patients."""

from histotransfer.core.joblog import job_log
from histotransfer.qc.cohort import summarise

with job_log(snakemake.log[0]):
    summarise(
        snakemake.params.verdicts,
        snakemake.params.patients,
        qc_table=snakemake.output.qc,
        excluded_table=snakemake.output.excluded,
        cohort_table=snakemake.output.cohort,
        apply_qc=snakemake.params.apply_qc,
    )
