"""Draw expression and mutations from the simulated tissue, and write down the truth."""

from histotransfer.core.joblog import job_log
from histotransfer.features.mean_colour import mean_colours
from histotransfer.simulate.tables import write_labels

with job_log(snakemake.log[0]):
    colours = mean_colours(
        snakemake.params.patches, snakemake.params.verdicts, snakemake.params.patients
    )
    write_labels(
        expression=snakemake.output.expression,
        mutations=snakemake.output.mutations,
        truth=snakemake.output.truth,
        slides=snakemake.input.sheet,
        redness={patient: colour[0] for patient, colour in colours.items()},
        seed=snakemake.params.seed,
    )
