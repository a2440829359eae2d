"""Pool the features of the kept patches per slide and patient."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.features.pooling import pool

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    slides = job.params.patients
    pool(
        {slide: f"{job.params.features}/{slide}.h5" for slide in slides},
        dict(zip(slides, job.input.qc, strict=True)),
        slides,
        job.output.pooled,
        extractor=job.wildcards.extractor,
        patches=job.params.across_patches,
        slides=job.params.across_slides,
        apply_qc=job.params.apply_qc,
    )
