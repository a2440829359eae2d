"""Turn patch stores into feature files."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.features.extraction import extract, write_manifest

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
        code=job.params.code,
        mixed_precision=job.params.mixed_precision,
        threads=job.threads,
    )
    if "manifest" in job.output.keys():  # noqa: SIM118 (a list that has named members)
        write_manifest(job.params.features, job.output.manifest)
