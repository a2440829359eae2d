"""Read a task's labels into one tidy table."""

from histotransfer.core.joblog import job_log
from histotransfer.labels.task_labels import write_labels
from histotransfer.study.parameters import CohortParameters
from histotransfer.study.tasks import LabelParameters

with job_log(snakemake.log[0]):
    write_labels(
        LabelParameters.of(snakemake.params.task),
        snakemake.output.labels,
        snakemake.output.excluded,
        snakemake.output.flow,
        cohort_table=snakemake.input.get("cohort") or None,
        pooled=snakemake.input.get("pooled", []),
        patches=snakemake.input.get("patches"),
        features=snakemake.input.get("features", []),
        cohorts=CohortParameters.of(cohorts) if (cohorts := snakemake.params.cohorts) else None,
    )
