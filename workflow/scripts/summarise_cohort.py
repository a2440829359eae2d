"""Tabulate the slides, those excluded, and the patients."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.qc.cohort import summarise

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    summarise(
        dict(zip(job.params.patients, job.input.qc, strict=True)),
        job.params.patients,
        qc_table=job.output.qc,
        excluded_table=job.output.excluded,
        cohort_table=job.output.cohort,
        apply_qc=job.params.apply_qc,
    )
