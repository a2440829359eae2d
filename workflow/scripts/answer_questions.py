"""Answer the study's questions from the comparison."""

from histotransfer.core.joblog import job_log
from histotransfer.core.tables import write_table
from histotransfer.results.answers import ANSWERS, answer_questions
from histotransfer.results.tables import read_tables

with job_log(snakemake.log[0]):
    answers = answer_questions(
        read_tables(dict(snakemake.input.items())),
        runs=snakemake.params.runs,
        patch_tasks=snakemake.params.patch_tasks,
        alpha=snakemake.params.alpha,
        rope=snakemake.params.rope,
    )
    write_table(answers, snakemake.output.answers, ANSWERS)
