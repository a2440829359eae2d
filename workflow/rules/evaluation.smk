# Features meet labels: splits, out-of-fold predictions, scores, and the comparison.


COMPARED = [
    "comparison",
    "related_genes",
    "improved",
    "confusion",
    "mutation",
    "roc",
    "class_roc",
    "calibration",
    "risk_groups",
    "metrics",
]


rule draw_splits:
    input:
        labels=found("labels/{task}.tsv"),
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
        **needs(mem_mb=2000, minutes=60),
    params:
        **PLAN.splits.as_params(),
        kind=lambda w: PLAN.tasks[w.task].kind,
        of_patches=lambda w: w.task in PLAN.patch_tasks,
        sites=PLAN.named_sites,
        code=code("draw_splits.py"),
    script:
        "../scripts/draw_splits.py"


rule cross_validate:
    input:
        made=manifests_of_parts,
        labels=found("labels/{task}.tsv"),
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
        **needs(mem_mb=2000, minutes=120),
    params:
        features=features_of_parts,
        task=lambda w: PLAN.tasks[w.task].predictor.as_params(),
        of_patches=lambda w: w.task in PLAN.patch_tasks,
        parts=lambda w: PLAN.parts_of(w.extractor),
        repeats=lambda w: PLAN.blocks[w.block],
        folds=PLAN.splits.folds,
        group_by=PLAN.splits.group_by,
        sites=PLAN.named_sites,
        seed=PLAN.splits.seed,
        code=code("cross_validate.py"),
    script:
        "../scripts/cross_validate.py"


rule score_predictions:
    input:
        labels=found("labels/{task}.tsv"),
        splits=found("splits/{task}.tsv"),
        predictions=lambda w: PLAN.predictions_of(w.task, w.extractor),
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
        **needs(mem_mb=2000, minutes=60),
    params:
        kind=lambda w: PLAN.tasks[w.task].kind,
        code=code("score_predictions.py"),
    script:
        "../scripts/score_predictions.py"


rule compare_extractors:
    input:
        leaves(PLAN.comparison_files()),
        # Networks must not have seen the patches on which they are compared.
        unseen=(
            ancient(f"{PLAN.at('tables', 'near_duplicates')}.tsv")
            if PLAN.classifier_files()
            else []
        ),
    output:
        # Those without a row are empty, and not shown.
        **{
            name: (reported_table if name in PLAN.tables else table)(name)
            for name in COMPARED
        },
    log:
        "<logs>/compare_extractors.log",
    benchmark:
        "<benchmarks>/compare_extractors.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=4000, minutes=120),
    params:
        **PLAN.statistics.as_params(),
        files=PLAN.comparison_files(),
        kinds=PLAN.kinds,
        controls=PLAN.controls,
        code=code("compare_extractors.py"),
    script:
        "../scripts/compare_extractors.py"


# Learning curves and shuffled labels, from the first few repeats.
if PLAN.curve_repeats:

    rule trace_curve:
        input:
            made=manifests_of_parts,
            labels=found("labels/{task}.tsv"),
        output:
            curve="<results>/curves/{task}/{extractor}.h5",
        log:
            "<logs>/trace_curve/{task}/{extractor}.log",
        benchmark:
            "<benchmarks>/trace_curve/{task}/{extractor}.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=2000, minutes=120),
        params:
            features=features_of_parts,
            task=lambda w: PLAN.tasks[w.task].predictor.as_params(),
            of_patches=lambda w: w.task in PLAN.patch_tasks,
            parts=lambda w: PLAN.parts_of(w.extractor),
            repeats=PLAN.curve_repeats,
            folds=PLAN.splits.folds,
            group_by=PLAN.splits.group_by,
            sites=PLAN.named_sites,
            seed=PLAN.splits.seed,
            code=code("trace_curve.py"),
        script:
            "../scripts/trace_curve.py"

    rule tabulate_curves:
        input:
            leaves(PLAN.curve_files()),
            comparison=table("comparison"),
        output:
            learning_curves=reported_table("learning_curves"),
            permuted=reported_table("permuted"),
        log:
            "<logs>/tabulate_curves.log",
        benchmark:
            "<benchmarks>/tabulate_curves.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=4000, minutes=60),
        params:
            **PLAN.statistics.as_params(),
            files=PLAN.curve_files(),
            kinds=PLAN.kinds,
            patch_tasks=PLAN.patch_tasks,
            code=code("tabulate_curves.py"),
        script:
            "../scripts/tabulate_curves.py"


# What tells the site, and results under splits that keep sites together beside the study's own.
if PLAN.audited:

    rule audit_sites:
        input:
            features="<results>/pooled/{extractor}.h5",
            labels=expand("<results>/labels/{task}.tsv", task=PLAN.patient_tasks),
        output:
            audit="<results>/sites/{extractor}.tsv",
        log:
            "<logs>/audit_sites/{extractor}.log",
        benchmark:
            "<benchmarks>/audit_sites/{extractor}.tsv"
        wildcard_constraints:
            extractor=any_of(PLAN.audited),
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=2000, minutes=60),
        params:
            labels=PLAN.by_task(PLAN.patient_tasks, "labels"),
            kinds=PLAN.kinds,
            sites=PLAN.sites,
            folds=PLAN.splits.folds,
            repeats=PLAN.curve_repeats,
            seed=PLAN.splits.seed,
            code=code("audit_sites.py"),
        script:
            "../scripts/audit_sites.py"

    rule cross_validate_beside:
        input:
            features=features_of_parts,
            labels=found("labels/{task}.tsv"),
        output:
            scores="<results>/sites/{task}/{extractor}.tsv",
        log:
            "<logs>/cross_validate_beside/{task}/{extractor}.log",
        benchmark:
            "<benchmarks>/cross_validate_beside/{task}/{extractor}.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=2000, minutes=120),
        params:
            task=lambda w: PLAN.tasks[w.task].predictor.as_params(),
            parts=lambda w: PLAN.parts_of(w.extractor),
            repeats=PLAN.curve_repeats,
            folds=PLAN.splits.folds,
            group_by=PLAN.other_grouping,
            sites=PLAN.sites,
            seed=PLAN.splits.seed,
            code=code("cross_validate_beside.py"),
        script:
            "../scripts/cross_validate_beside.py"

    rule tabulate_sites:
        input:
            leaves(PLAN.site_files()),
            audits=expand("<results>/sites/{extractor}.tsv", extractor=PLAN.audited),
            comparison=table("comparison"),
        output:
            audit=reported_table("site_audit"),
            splits=reported_table("site_splits"),
        log:
            "<logs>/tabulate_sites.log",
        benchmark:
            "<benchmarks>/tabulate_sites.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=4000, minutes=60),
        params:
            **PLAN.statistics.as_params(),
            files=PLAN.site_files(),
            kinds=PLAN.kinds,
            groupings=[PLAN.splits.group_by, PLAN.other_grouping],
            code=code("tabulate_sites.py"),
        script:
            "../scripts/tabulate_sites.py"


# The model of all training patients meets the external cohort once.
if PLAN.cohorts:

    rule validate:
        input:
            features=features_of_parts,
            labels=found("labels/{task}.tsv"),
            external="<results>/labels/external/{task}.tsv",
        output:
            predictions="<results>/validation/{task}/{extractor}.h5",
        log:
            "<logs>/validate/{task}/{extractor}.log",
        benchmark:
            "<benchmarks>/validate/{task}/{extractor}.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=2000, minutes=60),
        params:
            task=lambda w: PLAN.tasks[w.task].predictor.as_params(),
            parts=lambda w: PLAN.parts_of(w.extractor),
            folds=PLAN.splits.folds,
            seed=PLAN.splits.seed,
            code=code("validate.py"),
        script:
            "../scripts/validate.py"

    rule tabulate_validation:
        input:
            leaves(PLAN.validation_files()),
            metrics=table("metrics"),
        output:
            validation=reported_table("validation"),
        log:
            "<logs>/tabulate_validation.log",
        benchmark:
            "<benchmarks>/tabulate_validation.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=4000, minutes=60),
        params:
            files=PLAN.validation_files(),
            kinds=PLAN.kinds,
            cohorts=[PLAN.cohorts.train, PLAN.cohorts.test],
            seed=PLAN.statistics.seed,
            code=code("tabulate_validation.py"),
        script:
            "../scripts/tabulate_validation.py"
