"""Ask a study's questions of each of its alternatives."""

from histotransfer.core.joblog import job_log
from histotransfer.core.tables import write_table
from histotransfer.results.answers import answer_questions
from histotransfer.results.sensitivity import AS_DECLARED, ROBUSTNESS, tabulate_robustness
from histotransfer.results.tables import read_tables

with job_log(snakemake.log[0]):
    answers = {
        name or AS_DECLARED: answer_questions(
            read_tables(files),
            runs=snakemake.params.runs[name],
            patch_tasks=snakemake.params.patch_tasks,
            alpha=snakemake.params.alpha,
            rope=snakemake.params.rope,
        )
        for name, files in snakemake.params.files.items()
    }
    table = tabulate_robustness(answers, snakemake.params.differs)
    write_table(table, snakemake.output.robustness, ROBUSTNESS)
