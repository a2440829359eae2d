"""Turn patch stores into feature files."""

from typing import TYPE_CHECKING

from histotransfer.features import extract
from histotransfer.joblog import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    extract(
        job.input.model,
        job.input.patches,
        job.params.features,
        extractor=job.wildcards.extractor,
        batch_size=job.params.batch_size,
        dtype=job.params.dtype,
        threads=job.threads,
    )
