"""Put learning curves, and what shuffled labels give, into tables."""

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.curve_tables import write_curve_tables
from histotransfer.study.parameters import StatisticsParameters

with job_log(snakemake.log[0]):
    write_curve_tables(
        snakemake.params.files,
        snakemake.input.comparison,
        snakemake.params.kinds,
        snakemake.params.patch_tasks,
        StatisticsParameters.of(snakemake.params),
        snakemake.output.learning_curves,
        snakemake.output.permuted,
    )
