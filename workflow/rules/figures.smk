# Tables become figures.


for figure in PLAN.figures:

    rule:
        name:
            f"draw_{figure}"
        input:
            leaves(PLAN.figure_tables(figure)),
        output:
            pdf=f"<results>/figures/{figure}.pdf",
            png=reported(
                f"<results>/figures/{figure}.png", FIGURES[figure], caption=figure
            ),
        log:
            f"<logs>/draw_{figure}.log",
        benchmark:
            f"<benchmarks>/draw_{figure}.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=1000, minutes=10),
        params:
            figure=figure,
            tables=PLAN.figure_tables(figure),
            study=config["study"],
            alpha=PLAN.statistics.alpha,
            controls=PLAN.controls,
            code=code("draw_figure.py"),
        script:
            "../scripts/draw_figure.py"


# Of one target and slide; the figure `heatmaps` shows several.
rule draw_map:
    input:
        heatmap="<results>/heatmaps/{task}/{target}/{slide}.tsv",
        images="<results>/heatmaps/{task}/{target}/{slide}.h5",
    output:
        pdf="<results>/heatmaps/{task}/{target}/{slide}.pdf",
        png="<results>/heatmaps/{task}/{target}/{slide}.png",
    log:
        "<logs>/draw_map/{task}/{target}/{slide}.log",
    benchmark:
        "<benchmarks>/draw_map/{task}/{target}/{slide}.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=10),
    params:
        figure="heatmaps",
        tables=lambda w, input: {
            "heatmaps": input.heatmap,
            "heatmap_images": input.images,
        },
        study=config["study"],
        alpha=PLAN.statistics.alpha,
        controls=PLAN.controls,
        code=code("draw_figure.py"),
    script:
        "../scripts/draw_figure.py"
