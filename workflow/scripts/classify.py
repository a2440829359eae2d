"""Classify the tissue datasets by the fine-tuned classifiers."""

from typing import TYPE_CHECKING

from histotransfer.classify import write_confusion
from histotransfer.joblog import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_confusion(
        job.input.classifiers, job.input.features, job.input.trained_on, job.output.classifier
    )
