# Pooled features meet labels: splits drawn once, out-of-fold predictions, scores.


rule read_labels:
    input:
        unpack(labels_input),
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
        mem_mb=grows(2000),
        runtime=grows(20),
    params:
        # What is predicted, not by what: another predictor reads no labels.
        task=lambda w: {
            key: value
            for key, value in TASKS[w.task].items()
            if key in ("kind", "labels", "transform", "targets")
        },
        code=code("read_labels.py"),
    script:
        "../scripts/read_labels.py"


rule draw_splits:
    input:
        labels="<results>/labels/{task}.tsv",
    output:
        splits="<results>/splits/{task}.tsv",
    log:
        "<logs>/draw_splits/{task}.log",
    benchmark:
        "<benchmarks>/draw_splits/{task}.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        kind=lambda w: TASKS[w.task]["kind"],
        folds=config["crossval"]["folds"],
        repeats=config["crossval"]["repeats"],
        preserve=config["crossval"]["preserve"],
        seed=config["seed"],
        code=code("draw_splits.py"),
    script:
        "../scripts/draw_splits.py"


rule cross_validate:
    input:
        features=features_of_samples,
        labels="<results>/labels/{task}.tsv",
        # A repeat's split follows from the labels, the seed, the number of folds and what they
        # preserve, which are an input and parameters here: more repeats do not touch the blocks
        # that are done.
        splits=ancient("<results>/splits/{task}.tsv"),
    output:
        predictions="<results>/cv/{task}/{extractor}/{block}.h5",
    log:
        "<logs>/cross_validate/{task}/{extractor}/{block}.log",
    benchmark:
        "<benchmarks>/cross_validate/{task}/{extractor}/{block}.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(120),
    params:
        task=lambda w: TASKS[w.task],
        repeats=lambda w: BLOCKS[w.block],
        folds=config["crossval"]["folds"],
        preserve=config["crossval"]["preserve"],
        seed=config["seed"],
        code=[code("cross_validate.py"), code("draw_splits.py")],
    script:
        "../scripts/cross_validate.py"


rule score_predictions:
    input:
        labels="<results>/labels/{task}.tsv",
        splits="<results>/splits/{task}.tsv",
        predictions=expand(
            "<results>/cv/{{task}}/{{extractor}}/{block}.h5", block=BLOCKS
        ),
    output:
        scores="<results>/scores/{task}/{extractor}.tsv",
    log:
        "<logs>/score_predictions/{task}/{extractor}.log",
    benchmark:
        "<benchmarks>/score_predictions/{task}/{extractor}.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        kind=lambda w: TASKS[w.task]["kind"],
        code=code("score_predictions.py"),
    script:
        "../scripts/score_predictions.py"
