"""Tabulate what the slides cost."""

from pathlib import Path
from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.results.resource_usage import tabulate_slides

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    slides = job.params.slides
    tabulate_slides(
        dict(zip(slides, job.input.qc, strict=True)),
        {
            name: {slide: Path(job.params.benchmarks, rule, f"{slide}.tsv") for slide in slides}
            for name, rule in job.params.jobs.items()
        },
        job.output.costs,
    )
