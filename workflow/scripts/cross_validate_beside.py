"""Score the first repeats under splits that keep sites together, or only patients."""

from pathlib import Path
from tempfile import TemporaryDirectory

from histotransfer.core.joblog import job_log
from histotransfer.core.tables import write_table
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.evaluation.scores import SCORES, write_scores
from histotransfer.evaluation.site_audit import is_splittable
from histotransfer.evaluation.splits import write_splits
from histotransfer.study.parameters import SplitParameters
from histotransfer.study.tasks import PredictorParameters


def main(folder: Path) -> None:
    params, labels = snakemake.params, snakemake.input.labels
    if not is_splittable(labels, params.sites, params.folds):
        write_table(SCORES.empty(), snakemake.output.scores, SCORES)
        return
    splits, block = folder / "splits.tsv", folder / "block.h5"
    task = PredictorParameters.of(params.task)
    whose = {"task": snakemake.wildcards.task, "extractor": snakemake.wildcards.extractor}
    write_splits(
        labels,
        splits,
        task=whose["task"],
        kind=task.kind,
        parameters=SplitParameters(params.folds, params.repeats, params.group_by, params.seed),
        sites=params.sites,
    )
    run_block(
        snakemake.input.features,
        labels,
        splits,
        block,
        parameters=task,
        parts=params.parts,
        repeats=range(params.repeats),
        seed=params.seed,
        threads=snakemake.threads,
        **whose,
    )
    write_scores([block], labels, splits, snakemake.output.scores, kind=task.kind, **whose)


with job_log(snakemake.log[0]), TemporaryDirectory() as folder:
    main(Path(folder))
