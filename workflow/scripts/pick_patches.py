"""Pick the patches that predict the best genes most and least."""

from histotransfer.core.joblog import job_log
from histotransfer.results.gallery import write_gallery
from histotransfer.results.patch_files import PatchFiles
from histotransfer.study.tasks import PredictorParameters

with job_log(snakemake.log[0]):
    write_gallery(
        snakemake.input.related_genes,
        snakemake.input.mutation,
        snakemake.params.files,
        PatchFiles.from_params(snakemake.params),
        snakemake.output.gallery,
        tasks={
            task: PredictorParameters.of(fields) for task, fields in snakemake.params.tasks.items()
        },
        alpha=snakemake.params.alpha,
        seed=snakemake.params.seed,
    )
