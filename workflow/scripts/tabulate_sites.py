"""Put into tables what tells the site, and results under splits that keep sites together."""

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.site_audit import write_site_tables
from histotransfer.study.parameters import StatisticsParameters

with job_log(snakemake.log[0]):
    write_site_tables(
        snakemake.input.audits,
        snakemake.params.files,
        snakemake.input.comparison,
        snakemake.params.kinds,
        tuple(snakemake.params.groupings),
        StatisticsParameters.of(snakemake.params),
        snakemake.output.audit,
        snakemake.output.splits,
    )
