"""Draw expression and mutations from the simulated tissue, and write down the truth."""

from histotransfer.core.joblog import job_log
from histotransfer.simulate.tables import write_labels

with job_log(snakemake.log[0]):
    write_labels(
        expression=snakemake.output.expression,
        mutations=snakemake.output.mutations,
        truth=snakemake.output.truth,
        slides=snakemake.input.sheet,
        seed=snakemake.params.seed,
    )
