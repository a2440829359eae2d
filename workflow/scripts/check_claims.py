"""Hold the published study's claims against this one's tables."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.results.claims import write_claims

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_claims(
        job.input.comparison,
        job.input.improved,
        job.input.cohort,
        job.output.claims,
        study=job.params.study,
        random_weights=job.params.random_weights,
    )
