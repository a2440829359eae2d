"""Classify the tissue datasets by the fine-tuned classifiers."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.results.classifier import write_confusion

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_confusion(
        job.input.classifiers, job.input.features, job.input.trained_on, job.output.classifier
    )
