"""Pool external features: a folder of slides, a table of patients, or clinical covariates."""

from histotransfer.core.joblog import job_log
from histotransfer.features.covariates import read_covariates, write_covariates
from histotransfer.features.external import pool_folder, pool_table
from histotransfer.study.parameters import PoolingParameters

with job_log(snakemake.log[0]):
    if snakemake.params.kind == "table":
        pool_table(
            snakemake.input.source,
            snakemake.params.patients,
            snakemake.output.pooled,
            snakemake.output.used,
            extractor=snakemake.wildcards.extractor,
            id_column=snakemake.params.id_column,
        )
    elif snakemake.params.kind == "covariates":
        covariates = read_covariates(
            snakemake.input.source,
            snakemake.params.patients.values(),
            id_column=snakemake.params.id_column,
            columns=snakemake.params.columns,
        )
        write_covariates(
            covariates,
            snakemake.output.pooled,
            snakemake.output.used,
            extractor=snakemake.wildcards.extractor,
        )
    else:
        pool_folder(
            snakemake.input.source,
            snakemake.params.verdicts,
            snakemake.params.patients,
            snakemake.output.pooled,
            snakemake.output.used,
            extractor=snakemake.wildcards.extractor,
            parameters=PoolingParameters.of(snakemake.params),
        )
