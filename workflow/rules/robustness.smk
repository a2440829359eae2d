# The study under each of its alternatives, where it is asked for.


if "robustness" in sys.argv[1:] and "robustness" not in config:
    raise WorkflowError(
        "config: lacks the section `robustness`, which names the alternatives to run. "
        "Add it (docs/robustness.md)."
    )

if ASKED_FOR_ROBUSTNESS and not REPORTS:

    try:
        ALTERNATIVES |= PLAN.alternatives()
    except HistotransferError as error:
        raise WorkflowError(str(error))

    for alternative, plan in ALTERNATIVES.items():
        prefix = f"robustness_{alternative}_"

        module:
            name: prefix
            snakefile:
                "../alternative.smk"
            config:
                {**plan.config, "plan": plan}

        use rule * from prefix as prefix*


if "robustness" in PLAN.tables and (ASKED_FOR_ROBUSTNESS or REPORTS):

    rule tabulate_robustness:
        input:
            made(PLAN.robustness_files(ALTERNATIVES)),
        output:
            robustness=reported_table("robustness"),
        log:
            "<logs>/tabulate_robustness.log",
        benchmark:
            "<benchmarks>/tabulate_robustness.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=2000, minutes=30),
        params:
            files=PLAN.robustness_files(ALTERNATIVES),
            runs={name: plan.runs for name, plan in {"": PLAN, **ALTERNATIVES}.items()},
            differs={
                name: in_words(config["robustness"][name]) for name in ALTERNATIVES
            },
            patch_tasks=PLAN.patch_tasks,
            alpha=PLAN.statistics.alpha,
            rope=PLAN.statistics.rope,
            code=code("tabulate_robustness.py"),
        script:
            "../scripts/tabulate_robustness.py"

    rule robustness:
        input:
            made(
                rules.tabulate_robustness.output.robustness,
                [f"<results>/figures/robustness.{kind}" for kind in ("pdf", "png")],
                rules.write_summary.output.summary,
            ),
