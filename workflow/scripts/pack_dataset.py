"""Pack a folder of labelled patches into a patch store."""

from histotransfer.core.joblog import job_log
from histotransfer.patches.from_folders import pack_dataset
from histotransfer.study.parameters import EncodingParameters

with job_log(snakemake.log[0]):
    pack_dataset(
        snakemake.input.folder,
        snakemake.output.patches,
        dataset=snakemake.wildcards.dataset,
        patch_px=snakemake.params.patch_px,
        encoding=EncodingParameters.of(snakemake.params),
        patients=snakemake.input.get("patients") or None,
    )
