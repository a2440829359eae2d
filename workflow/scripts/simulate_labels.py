"""Draw expression and mutations from the simulated tissue, and write down the truth."""

from typing import TYPE_CHECKING

from histotransfer.core.joblog import job_log
from histotransfer.simulate.cohort import write_labels

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

job = snakemake
with job_log(job.log[0]):
    write_labels(
        expression=job.output.expression,
        mutations=job.output.mutations,
        truth=job.output.truth,
        slides=job.input.sheet,
        seed=job.params.seed,
    )
