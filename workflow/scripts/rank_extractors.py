"""Rank the extractors and compare every pair of them."""

from histotransfer.core.joblog import job_log
from histotransfer.core.tables import write_table
from histotransfer.results.ranks import PAIRS, RANKS, compare_pairs, rank_extractors
from histotransfer.results.tables import read_tables

with job_log(snakemake.log[0]):
    tables = read_tables(dict(snakemake.input.items()))
    comparison, runs = tables["comparison"], snakemake.params.runs
    ranks = rank_extractors(comparison, tables["metrics"], runs=runs, alpha=snakemake.params.alpha)
    write_table(ranks, snakemake.output.ranks, RANKS)
    pairs = compare_pairs(comparison, runs=runs, controls=snakemake.params.controls)
    write_table(pairs, snakemake.output.pairs, PAIRS)
