"""Tabulate how often cross-validation chose an edge of its grid."""

from histotransfer.core.joblog import job_log
from histotransfer.results.tuning import write_tuning

with job_log(snakemake.log[0]):
    write_tuning(snakemake.params.files, snakemake.params.grids, snakemake.output.tuning)
