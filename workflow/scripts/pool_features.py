"""Pool the features of the patches that count, per slide and per patient."""

from histotransfer.core.joblog import job_log
from histotransfer.features.pooling import pool
from histotransfer.study.parameters import PoolingParameters

with job_log(snakemake.log[0]):
    pool(
        snakemake.params.features,
        snakemake.params.verdicts,
        snakemake.params.patients,
        snakemake.output.pooled,
        extractor=snakemake.wildcards.extractor,
        parameters=PoolingParameters.of(snakemake.params),
    )
