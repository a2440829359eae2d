"""Compare the published study's claims with this study's answers."""

from histotransfer.core.joblog import job_log
from histotransfer.core.tables import write_table
from histotransfer.results.claims import CLAIMS, judge_claims
from histotransfer.results.tables import read_tables

with job_log(snakemake.log[0]):
    claims = judge_claims(
        read_tables(dict(snakemake.input.items())),
        runs=snakemake.params.runs,
        random_weights=snakemake.params.random_weights,
        rope=snakemake.params.rope,
        controls=snakemake.params.controls,
    )
    write_table(claims, snakemake.output.claims, CLAIMS)
