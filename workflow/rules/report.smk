# The summary page, the tables for a paper, and the targets `tables` and `figures`.


rule write_paper_tables:
    input:
        **{name: table(name) for name in PLAN.paper_tables},
    output:
        markdown="<results>/tables/paper.md",
        latex="<results>/tables/paper.tex",
        workbook=reported("<results>/tables/paper.xlsx", PAPER, caption="paper"),
    log:
        "<logs>/write_paper_tables.log",
    benchmark:
        "<benchmarks>/write_paper_tables.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=10),
    params:
        study=config["study"],
        controls=PLAN.controls,
        code=code("write_paper_tables.py"),
    script:
        "../scripts/write_paper_tables.py"


rule write_summary:
    input:
        leaves(PLAN.summary_tables()),
        figure="<results>/figures/answers.png",
    output:
        summary=reported("<results>/summary.html", SUMMARY, caption="summary"),
        checklist=table("checklist"),
    log:
        "<logs>/write_summary.log",
    benchmark:
        "<benchmarks>/write_summary.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=10),
    params:
        config=config,
        defaults=complete({}, DEFAULTS),
        tables=PLAN.summary_tables(),
        random_weights=PLAN.has_random_weights,
        copies=lambda w: PLAN.warnings_of_copies(),
        left_out=PLAN.warnings_of_coverage(),
        code=code("write_summary.py"),
        templates=files_digest((SCRIPTS / "histotransfer/report/templates").iterdir()),
    script:
        "../scripts/write_summary.py"


# Holds a library and pictures of all slides, so it is not part of Snakemake's report.
rule write_explore:
    input:
        leaves(PLAN.explore_tables()),
        leaves(PLAN.explore_predictions()),
        leaves(PLAN.explore_slides()),
    output:
        **({"slides": directory(PLAN.explore_folder)} if PLAN.explore_folder else {}),
        page="<results>/explore.html",
    log:
        "<logs>/write_explore.log",
    benchmark:
        "<benchmarks>/write_explore.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=2000, minutes=30),
    params:
        tables=PLAN.explore_tables(),
        predictions=PLAN.explore_predictions(),
        slides=PLAN.explore_slides(),
        patients=PLAN.patients,
        study=config["study"],
        alpha=PLAN.statistics.alpha,
        controls=PLAN.controls,
        code=code("write_explore.py"),
        templates=files_digest((SCRIPTS / "histotransfer/report/templates").iterdir()),
    script:
        "../scripts/write_explore.py"


rule tables:
    input:
        made([table(name) for name in PLAN.tables]),
        made([table("cohort")] if PLAN.has_slides else []),
        made(list(rules.write_paper_tables.output)),


rule figures:
    input:
        made(
            [
                f"<results>/figures/{figure}.{kind}"
                for figure in PLAN.figures
                for kind in ("pdf", "png")
            ]
        ),


if REPORTS and not [*rules.tables.input, *rules.figures.input]:
    raise WorkflowError(
        f"There is nothing to report: {PLAN.results} has no table and no figure of this study. "
        "Name the study's config with --configfile, and run it first."
    )
