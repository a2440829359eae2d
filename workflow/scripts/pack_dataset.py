"""Pack the labelled patches of a dataset into a patch store."""

from histotransfer.core.joblog import job_log
from histotransfer.patches.from_folders import pack_dataset
from histotransfer.study.parameters import EncodingParameters

with job_log(snakemake.log[0]):
    pack_dataset(
        snakemake.input.get("folder") or None,
        snakemake.output.patches,
        dataset=snakemake.wildcards.dataset,
        patch_px=snakemake.params.patch_px,
        encoding=EncodingParameters.of(snakemake.params),
        patients=snakemake.input.get("patients") or None,
        labels=snakemake.input.get("labels") or None,
        images=snakemake.params.images,
    )
