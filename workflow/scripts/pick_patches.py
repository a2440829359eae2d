"""Pick the patches that predict the best genes most and least."""

from pathlib import Path
from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.results.gallery import Slide, best_of_tables, pick_patches
from histotransfer.results.tables import read_tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    tables = read_tables({name: job.input[name] for name in ("related_genes", "mutation")})
    tables = {name: rows[rows["extractor"].isin(job.params.of)] for name, rows in tables.items()}
    pick_patches(
        best_of_tables(tables["related_genes"], tables["mutation"], job.params.alpha),
        {
            extractor: [
                Slide(
                    slide,
                    patient,
                    Path(job.params.features, extractor, f"{slide}.h5"),
                    Path(job.params.verdicts, f"{slide}.h5") if job.params.apply_qc else None,
                )
                for slide, patient in job.params.patients.items()
            ]
            for extractor in job.params.of
        },
        dict(zip(job.params.of, job.input.pooled, strict=True)),
        dict(zip(job.params.tasks, job.input.labels, strict=True)),
        dict(zip(job.params.tasks, job.input.splits, strict=True)),
        job.params.tasks,
        job.output.gallery,
        pooling=job.params.pooling,
        seed=job.params.seed,
    )
