"""Lay the tissue patches out in two dimensions under each extractor."""

from histotransfer.core.joblog import job_log
from histotransfer.results.embedding import write_embedding

with job_log(snakemake.log[0]):
    write_embedding(snakemake.params.files, snakemake.output.embedding, seed=snakemake.params.seed)
