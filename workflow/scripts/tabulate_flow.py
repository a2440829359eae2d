"""Tabulate how many slides, patients and patches go in and out."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.results.cohort_flow import write_flow

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_flow(
        job.input.qc,
        job.input.excluded,
        job.input.cohort,
        dict(zip(job.params.kinds, job.input.labels_flow, strict=True)),
        job.params.kinds,
        job.output.flow,
        apply_qc=job.params.apply_qc,
    )
