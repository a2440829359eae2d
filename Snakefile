from snakemake.utils import min_version

min_version("9.27")


# Without a config of your own it is the published study. workflow/defaults.yaml completes either.
if "study" not in config and not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/slides.smk"
include: "workflow/rules/patches.smk"
include: "workflow/rules/qc.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/labels.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/results.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


for alternative, plan in ALTERNATIVES.items():
    prefix = f"robustness_{alternative}_"

    module:
        name: prefix
        snakefile:
            "workflow/alternative.smk"
        config:
            {**plan.config, "plan": plan}

    use rule * from prefix as prefix*


report: "workflow/report/workflow.rst"


onstart:
    check_labels_that_are_new()
    check_the_disk()
    write_ledger(PLAN.batches, PLAN.ledger)
    for plan in (PLAN, *ALTERNATIVES.values()):
        write_ledger(plan.groups, plan.groups_ledger, what="network", where="group")
    say_which_slides_are_alike()
    say_who_is_left_out()
    show_one_line()


onerror:
    erase_the_line()


onsuccess:
    erase_the_line()
    say_where_to_look()


rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.figures.input,
        made(rules.write_summary.output.summary),
        made(rules.write_explore.output.page),


rule tiles:
    input:
        expand("<results>/tiles/{slide}.h5", slide=PLAN.slides),


rule qc:
    input:
        expand("<results>/qc/{slide}.{kind}", slide=PLAN.slides, kind=["h5", "png"]),


rule features:
    input:
        expand(
            "<results>/features/{group}/batches/{batch}.tsv",
            group=PLAN.groups,
            batch=PLAN.batches,
        ),
        expand(
            "<results>/features/{extractor}/{dataset}.h5",
            extractor=PLAN.networks,
            dataset=PLAN.evaluated_datasets,
        ),


rule crossval:
    input:
        [PLAN.scores_of(task).values() for task in PLAN.tasks],


if "robustness" in PLAN.tables:

    rule robustness:
        input:
            made(
                table("robustness"),
                expand("<results>/figures/robustness.{kind}", kind=["pdf", "png"]),
                rules.write_summary.output.summary,
            ),
