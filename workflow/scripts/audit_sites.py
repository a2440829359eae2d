"""Say how well one extractor's features tell the site."""

from histotransfer.core.joblog import job_log
from histotransfer.evaluation.site_audit import audit_sites
from histotransfer.study.parameters import SplitParameters

with job_log(snakemake.log[0]):
    audit_sites(
        snakemake.input.features,
        snakemake.params.labels,
        snakemake.params.kinds,
        snakemake.params.sites,
        snakemake.output.audit,
        extractor=snakemake.wildcards.extractor,
        parameters=SplitParameters(
            snakemake.params.folds, snakemake.params.repeats, "patient", snakemake.params.seed
        ),
    )
