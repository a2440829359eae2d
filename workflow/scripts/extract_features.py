"""Turn patch stores into feature files."""

from histotransfer.core.joblog import job_log
from histotransfer.features.extraction import by_id, extract, write_manifest
from histotransfer.study.parameters import ExtractionParameters

with job_log(snakemake.log[0]):
    features = by_id(snakemake.params.features)
    extract(
        snakemake.input.model,
        by_id(snakemake.input.patches),
        features,
        extractor=snakemake.wildcards.extractor,
        parameters=ExtractionParameters.of(snakemake.params),
        code=snakemake.params.code,
        threads=snakemake.threads,
    )
    if "manifest" in snakemake.output.keys():  # noqa: SIM118 (a list that has named members)
        write_manifest(features, snakemake.output.manifest, extractor=snakemake.wildcards.extractor)
