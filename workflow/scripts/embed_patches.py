"""Lay the tissue patches out in two dimensions under each extractor."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.results.embedding import write_embedding

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    features: dict[str, dict[str, str]] = {task: {} for task in job.params.tasks}
    for (task, extractor), path in zip(job.params.of, job.input.features, strict=True):
        features[task][extractor] = path
    write_embedding(
        features,
        dict(zip(job.params.tasks, job.input.labels, strict=True)),
        job.output.embedding,
        seed=job.params.seed,
    )
