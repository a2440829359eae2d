"""Score the out-of-fold predictions, fold by fold."""

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.scores import write_scores

with job_log(snakemake.log[0]):
    write_scores(
        snakemake.input.predictions,
        snakemake.input.labels,
        snakemake.input.splits,
        snakemake.output.scores,
        kind=snakemake.params.kind,
        task=snakemake.wildcards.task,
        extractor=snakemake.wildcards.extractor,
    )
