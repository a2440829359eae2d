"""Describe the patients of the study and of each task."""

from histotransfer.core.joblog import job_log
from histotransfer.results.table1 import write_table1
from histotransfer.study.extractors import COVARIATES, Extractor

with job_log(snakemake.log[0]):
    write_table1(
        Extractor(
            COVARIATES,
            snakemake.input.covariates,
            id_column=snakemake.params.id_column,
            columns=tuple(snakemake.params.columns),
        ),
        snakemake.params.patients,
        snakemake.params.sites,
        snakemake.params.labels,
        snakemake.params.kinds,
        snakemake.output.table1,
    )
