"""Try the fine-tuned classifiers on the tissue datasets."""

from histotransfer.core.joblog import job_log
from histotransfer.results.classifier import write_classifier_table

with job_log(snakemake.log[0]):
    write_classifier_table(
        snakemake.params.files, snakemake.input.trained_on, snakemake.output.classifier
    )
