"""Compare the extractors: every task, every target."""

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.comparison import write_comparison
from histotransfer.study.parameters import StatisticsParameters

with job_log(snakemake.log[0]):
    write_comparison(
        snakemake.params.files,
        snakemake.params.kinds,
        StatisticsParameters.of(snakemake.params),
        dict(snakemake.output.items()),
        controls=snakemake.params.controls,
    )
