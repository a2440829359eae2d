"""Pool features that were made elsewhere: a folder of slides, or a table of patients."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.features.external import pool_folder, pool_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    slides = job.params.patients
    if job.params.kind == "table":
        pool_table(
            job.input.source,
            slides,
            job.output.pooled,
            job.output.used,
            extractor=job.wildcards.extractor,
        )
    else:
        pool_folder(
            job.input.source,
            dict(zip(slides, job.input.qc, strict=True)),
            slides,
            job.output.pooled,
            job.output.used,
            extractor=job.wildcards.extractor,
            patches=job.params.across_patches,
            slides=job.params.across_slides,
            apply_qc=job.params.apply_qc,
        )
