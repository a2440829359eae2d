"""Read a task's labels of the external cohort."""

from histotransfer.core.joblog import job_log
from histotransfer.labels.task_labels import write_external_labels
from histotransfer.study.parameters import CohortParameters
from histotransfer.study.tasks import LabelParameters

with job_log(snakemake.log[0]):
    write_external_labels(
        LabelParameters.of(snakemake.params.task),
        snakemake.output.labels,
        cohort_table=snakemake.input.get("cohort") or None,
        pooled=snakemake.input.get("pooled", []),
        cohorts=CohortParameters.of(snakemake.params.cohorts),
    )
