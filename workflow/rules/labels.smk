# Label tables become the labels of a task, and a list of what was left out.


rule read_labels:
    input:
        unpack(files_of_labels),
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
        cohorts=PLAN.cohorts.as_params() if PLAN.cohorts else {},
        code=code("read_labels.py"),
    script:
        "../scripts/read_labels.py"


if PLAN.cohorts:

    rule read_external_labels:
        input:
            unpack(files_of_labels),
        output:
            labels="<results>/labels/external/{task}.tsv",
        log:
            "<logs>/read_external_labels/{task}.log",
        benchmark:
            "<benchmarks>/read_external_labels/{task}.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=3000, minutes=20),
        params:
            task=lambda w: PLAN.tasks[w.task].labels.as_params(),
            states=lambda w: PLAN.label_states(w.task),
            cohorts=PLAN.cohorts.as_params(),
            code=code("read_external_labels.py"),
        script:
            "../scripts/read_external_labels.py"
