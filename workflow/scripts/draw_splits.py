"""Draw a task's folds, once for all extractors."""

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.splits import write_splits
from histotransfer.study.parameters import SplitParameters

with job_log(snakemake.log[0]):
    write_splits(
        snakemake.input.labels,
        snakemake.output.splits,
        task=snakemake.wildcards.task,
        kind=snakemake.params.kind,
        parameters=SplitParameters.of(snakemake.params),
        of_patches=snakemake.params.of_patches,
        sites=snakemake.params.sites,
    )
