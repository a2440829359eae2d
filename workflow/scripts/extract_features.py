"""Turn patch stores into feature files."""

from pathlib import Path

from histotransfer.core.joblog import job_log
from histotransfer.features.extraction import by_id, extract, write_manifest
from histotransfer.study.parameters import ExtractionParameters

with job_log(snakemake.log[0]):
    models, stores = by_id(snakemake.input.models), by_id(snakemake.input.patches)
    folder = Path(snakemake.params.folder)
    outputs = {
        extractor: {store: folder / extractor / f"{store}.h5" for store in stores}
        for extractor in models
    }
    extract(
        models,
        stores,
        outputs,
        cut=snakemake.params.cut,
        parameters=ExtractionParameters.of(snakemake.params),
        code=snakemake.params.code,
        threads=snakemake.threads,
    )
    if "manifest" in snakemake.output.keys():  # noqa: SIM118 (a list that has named members)
        write_manifest(outputs, snakemake.output.manifest)
