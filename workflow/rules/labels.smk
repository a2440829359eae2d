# Label tables become the labels of a task, and a list of what was left out.


rule read_labels:
    input:
        unpack(
            lambda w: {
                name: (list(map(watched, files)) if name == "labels" else files)
                for name, files in PLAN.label_inputs(w.task).items()
            }
        ),
    output:
        labels="<results>/labels/{task}.tsv",
        excluded="<results>/labels/{task}.excluded.tsv",
        flow="<results>/labels/{task}.flow.tsv",
    log:
        "<logs>/read_labels/{task}.log",
    benchmark:
        "<benchmarks>/read_labels/{task}.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=3000, minutes=20),
    params:
        # Only what is predicted, so that a change of the predictor does not read the labels again.
        task=lambda w: PLAN.tasks[w.task].labels.as_params(),
        states=lambda w: PLAN.label_states(w.task),
        code=code("read_labels.py"),
    script:
        "../scripts/read_labels.py"
