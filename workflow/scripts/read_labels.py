"""Read a task's labels into one tidy table."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.labels.task_labels import write_labels

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_labels(
        job.params.task,
        job.output.labels,
        job.output.excluded,
        job.output.flow,
        cohort_table=job.input.get("cohort"),
        dataset_features=job.input.get("patches"),
        pooled=job.input.get("pooled", []),
    )
