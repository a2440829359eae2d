# The comparison becomes the tables behind figures and report.


rule answer_questions:
    input:
        comparison=table("comparison"),
        improved=table("improved"),
    output:
        answers=reported_table("answers"),
    log:
        "<logs>/answer_questions.log",
    benchmark:
        "<benchmarks>/answer_questions.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=10),
    params:
        runs=PLAN.runs,
        patch_tasks=PLAN.patch_tasks,
        alpha=PLAN.statistics.alpha,
        rope=PLAN.statistics.rope,
        code=code("answer_questions.py"),
    script:
        "../scripts/answer_questions.py"


if "ranks" in PLAN.tables:

    rule rank_extractors:
        input:
            comparison=table("comparison"),
            metrics=table("metrics"),
        output:
            ranks=reported_table("ranks"),
            pairs=reported_table("pairs"),
        log:
            "<logs>/rank_extractors.log",
        benchmark:
            "<benchmarks>/rank_extractors.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=1000, minutes=10),
        params:
            runs=PLAN.runs,
            controls=PLAN.controls,
            alpha=PLAN.statistics.alpha,
            code=code("rank_extractors.py"),
        script:
            "../scripts/rank_extractors.py"


if PLAN.is_published:

    rule check_claims:
        input:
            answers=table("answers"),
            improved=table("improved"),
            cohort=table("cohort"),
        output:
            claims=reported_table("claims"),
        log:
            "<logs>/check_claims.log",
        benchmark:
            "<benchmarks>/check_claims.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=1000, minutes=10),
        params:
            runs=PLAN.runs,
            random_weights=PLAN.has_random_weights,
            rope=PLAN.statistics.rope,
            controls=PLAN.controls,
            code=code("check_claims.py"),
        script:
            "../scripts/check_claims.py"


if PLAN.is_simulated:

    rule check_truth:
        input:
            truth="<results>/simulated/truth.tsv",
            related_genes=table("related_genes"),
            mutation=table("mutation"),
        output:
            truth=reported_table("truth"),
        log:
            "<logs>/check_truth.log",
        benchmark:
            "<benchmarks>/check_truth.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=1000, minutes=10),
        params:
            alpha=PLAN.statistics.alpha,
            code=code("check_truth.py"),
        script:
            "../scripts/check_truth.py"


# Of a study whose alternatives are not run now, the table is there, or not asked for.
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


rule tabulate_tuning:
    input:
        leaves(PLAN.prediction_files()),
    output:
        tuning=reported_table("tuning"),
    log:
        "<logs>/tabulate_tuning.log",
    benchmark:
        "<benchmarks>/tabulate_tuning.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=10),
    params:
        files=PLAN.prediction_files(),
        grids={name: dict(task.predictor.grid) for name, task in PLAN.tasks.items()},
        code=code("tabulate_tuning.py"),
    script:
        "../scripts/tabulate_tuning.py"


rule embed_patches:
    input:
        labels=PLAN.by_task(PLAN.patch_tasks, "labels").values(),
        made=[
            PLAN.manifest_of(task, name)
            for task, files in PLAN.embedding_files().items()
            for name in files["features"]
        ],
    output:
        embedding=reported_table("embedding"),
    log:
        "<logs>/embed_patches.log",
    benchmark:
        "<benchmarks>/embed_patches.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=2000, minutes=60),
    params:
        files=PLAN.embedding_files(),
        seed=config["seed"],
        code=code("embed_patches.py"),
    script:
        "../scripts/embed_patches.py"


# The classifier of each fine-tuned network is tried on the tissue datasets.
if PLAN.classifier_files():

    # Early, because nothing is compared if patches of the two are the same.
    rule find_near_duplicates:
        input:
            list(PLAN.evaluated_patches().values()),
            trained_on=f"<results>/patches/{PLAN.trained_on}.h5",
        output:
            near_duplicates=reported_table("near_duplicates"),
        log:
            "<logs>/find_near_duplicates.log",
        benchmark:
            "<benchmarks>/find_near_duplicates.tsv"
        priority: 10
        conda:
            "../../envs/slides.yaml"
        threads: 1
        resources:
            **needs(mem_mb=2000, minutes=30),
        params:
            trained_on=PLAN.trained_on,
            evaluated=PLAN.evaluated_patches(),
            code=code("find_near_duplicates.py"),
        script:
            "../scripts/find_near_duplicates.py"

    rule classify:
        input:
            classifiers=[
                files["classifier"] for files in PLAN.classifier_files().values()
            ],
            made=[
                PLAN.batch_of(name, dataset)
                for name, files in PLAN.classifier_files().items()
                for dataset in files["features"]
            ],
            trained_on=f"<results>/patches/{PLAN.trained_on}.h5",
        output:
            classifier=reported_table("classifier"),
        log:
            "<logs>/classify.log",
        benchmark:
            "<benchmarks>/classify.tsv"
        conda:
            NETWORK_ENV
        threads: 1
        resources:
            **needs(mem_mb=4000, minutes=20),
        params:
            files=PLAN.classifier_files(),
            code=code("classify.py"),
        script:
            "../scripts/classify.py"


rule pick_patches:
    input:
        leaves(PLAN.gallery_files()),
        related_genes=table("related_genes"),
        mutation=table("mutation"),
        qc=table("qc"),
    output:
        gallery=reported_table("gallery"),
    log:
        "<logs>/pick_patches.log",
    benchmark:
        "<benchmarks>/pick_patches.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=4000, minutes=240),
    params:
        **PLAN.pooling.as_params(),
        files=PLAN.gallery_files(),
        features=lambda w: f"{PLAN.results}/features",
        verdicts=lambda w: f"{PLAN.results}/qc",
        tasks={
            name: PLAN.tasks[name].predictor.as_params() for name in PLAN.patient_tasks
        },
        patients=PLAN.patients,
        alpha=PLAN.statistics.alpha,
        seed=config["seed"],
        code=code("pick_patches.py"),
    script:
        "../scripts/pick_patches.py"


rule read_gallery:
    input:
        gallery=table("gallery"),
    output:
        images="<results>/gallery/patches.h5",
    log:
        "<logs>/read_gallery.log",
    benchmark:
        "<benchmarks>/read_gallery.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=30),
    params:
        slides={name: (slide.path, slide.mpp) for name, slide in PLAN.slides.items()},
        patches=lambda w: f"{PLAN.results}/patches",
        target_mpp=PLAN.tiling.target_mpp,
        mpp_tolerance=PLAN.tiling.mpp_tolerance,
        patch_px=PLAN.tiling.patch_px,
        code=code("read_gallery.py"),
    script:
        "../scripts/read_gallery.py"


# What both rules of heatmaps need.
MAPPED = {
    **PLAN.pooling.as_params(),
    "files": PLAN.gallery_files(),
    "features": lambda w: f"{PLAN.results}/features",
    "verdicts": lambda w: f"{PLAN.results}/qc",
    "tiles": lambda w: f"{PLAN.results}/tiles",
    "tasks": {
        name: PLAN.tasks[name].predictor.as_params() for name in PLAN.patient_tasks
    },
    "patients": PLAN.patients,
    "seed": config["seed"],
}


rule map_best_slides:
    input:
        leaves(PLAN.gallery_files()),
        related_genes=table("related_genes"),
        mutation=table("mutation"),
        qc=table("qc"),
    output:
        heatmaps=reported_table("heatmaps"),
        images="<results>/heatmaps/best.h5",
    log:
        "<logs>/map_best_slides.log",
    benchmark:
        "<benchmarks>/map_best_slides.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=4000, minutes=60),
    params:
        **MAPPED,
        alpha=PLAN.statistics.alpha,
        code=code("map_best_slides.py"),
    script:
        "../scripts/map_best_slides.py"


# Of any target and slide, on demand: snakemake results/heatmaps/TASK/TARGET/SLIDE.png
rule map_slide:
    input:
        leaves(PLAN.gallery_files()),
        features=lambda w: [
            f"{PLAN.results}/features/{name}/{w.slide}.h5" for name in PLAN.networks
        ],
        tiles="<results>/tiles/{slide}.h5",
        qc="<results>/qc/{slide}.h5",
    output:
        heatmap="<results>/heatmaps/{task}/{target}/{slide}.tsv",
        images="<results>/heatmaps/{task}/{target}/{slide}.h5",
    log:
        "<logs>/map_slide/{task}/{target}/{slide}.log",
    benchmark:
        "<benchmarks>/map_slide/{task}/{target}/{slide}.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=4000, minutes=60),
    params:
        **MAPPED,
        code=code("map_slide.py"),
    script:
        "../scripts/map_slide.py"


# For QuPath, on demand: snakemake results/heatmaps/TASK/TARGET/SLIDE.geojson
rule export_heatmap:
    input:
        images="<results>/heatmaps/{task}/{target}/{slide}.h5",
    output:
        geojson="<results>/heatmaps/{task}/{target}/{slide}.geojson",
    log:
        "<logs>/export_heatmap/{task}/{target}/{slide}.log",
    benchmark:
        "<benchmarks>/export_heatmap/{task}/{target}/{slide}.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=10),
    params:
        code=code("export_heatmap.py"),
    script:
        "../scripts/export_heatmap.py"


if PLAN.covariates:

    rule tabulate_table1:
        input:
            covariates=PLAN.covariates.path,
            labels=expand("<results>/labels/{task}.tsv", task=PLAN.patient_tasks),
        output:
            table1=reported_table("table1"),
        log:
            "<logs>/tabulate_table1.log",
        benchmark:
            "<benchmarks>/tabulate_table1.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            **needs(mem_mb=1000, minutes=10),
        params:
            id_column=PLAN.covariates.id_column,
            columns=list(PLAN.covariates.columns),
            patients=sorted(set(PLAN.patients.values())),
            sites=PLAN.sites,
            labels=PLAN.by_task(PLAN.patient_tasks, "labels"),
            kinds=PLAN.kinds,
            state=PLAN.extractor_state("covariates"),
            code=code("tabulate_table1.py"),
        script:
            "../scripts/tabulate_table1.py"


rule tabulate_flow:
    input:
        qc=table("qc"),
        excluded=table("excluded_slides"),
        cohort=table("cohort"),
        labels_flow=expand("<results>/labels/{task}.flow.tsv", task=PLAN.tasks),
    output:
        flow=reported_table("cohort_flow"),
    log:
        "<logs>/tabulate_flow.log",
    benchmark:
        "<benchmarks>/tabulate_flow.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=10),
    params:
        labels_flow={
            name: f"{PLAN.results}/labels/{name}.flow.tsv" for name in PLAN.tasks
        },
        apply_qc=PLAN.pooling.apply_qc,
        code=code("tabulate_flow.py"),
    script:
        "../scripts/tabulate_flow.py"


# Shows what the machine did, so it differs from run to run.
rule tabulate_slide_costs:
    input:
        qc=expand("<results>/qc/{slide}.h5", slide=PLAN.slides),
    output:
        costs=reported_table("slide_costs"),
    log:
        "<logs>/tabulate_slide_costs.log",
    benchmark:
        "<benchmarks>/tabulate_slide_costs.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=30),
    params:
        slides=list(PLAN.slides),
        verdicts=lambda w: f"{PLAN.results}/qc",
        benchmarks=lambda w: f"{PLAN.results}/benchmarks",
        code=code("tabulate_slide_costs.py"),
    script:
        "../scripts/tabulate_slide_costs.py"


# Differs from run to run, like `slide_costs`. Runs after all jobs that are worth counting.
rule tabulate_costs:
    input:
        [table(name) for name in PLAN.tables if name != "costs"],
    output:
        costs=reported_table("costs"),
    log:
        "<logs>/tabulate_costs.log",
    benchmark:
        "<benchmarks>/tabulate_costs.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=10),
    params:
        benchmarks=lambda w: f"{PLAN.results}/benchmarks",
        on_gpu=(
            [
                *("compute_frozen_blocks", "fine_tune"),
                *("extract_features", "extract_batch"),
            ]
            if PLAN.uses_gpu
            else []
        ),
        code=code("tabulate_costs.py"),
    script:
        "../scripts/tabulate_costs.py"
