from snakemake.utils import min_version

min_version("9.20")


# A config with `study:` stands on its own; one without amends the published study.
if "study" not in config:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/tiling.smk"
include: "workflow/rules/qc.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/pooling.smk"
include: "workflow/rules/crossval.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


onstart:
    write_ledger(BATCHES, BATCHES_LEDGER)


onsuccess:
    say_where_to_look()


rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.figures.input,
        "<results>/summary.html",


rule tiles:
    input:
        expand("<results>/tiles/{slide}.h5", slide=SLIDES),


rule qc:
    input:
        expand("<results>/qc/{slide}.{kind}", slide=SLIDES, kind=["h5", "png"]),


rule features:
    input:
        expand(
            "<results>/features/{extractor}/batches/{batch}.tsv",
            extractor=NETWORKS,
            batch=BATCHES,
        ),
        expand(
            "<results>/features/{extractor}/{dataset}.h5",
            extractor=NETWORKS,
            dataset=TISSUE_DATASETS,
        ),


rule crossval:
    input:
        of_all_tasks("<results>/scores/{task}/{extractor}.tsv"),
