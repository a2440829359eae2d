# A painted cohort, with labels drawn from a known truth.


if PLAN.is_simulated:

    rule simulate_slide:
        input:
            sheet=config["slides"],
        output:
            slide="<results>/simulated/slides/{slide}.svs",
        log:
            "<logs>/simulate_slide/{slide}.log",
        benchmark:
            "<benchmarks>/simulate_slide/{slide}.tsv"
        conda:
            "../../envs/slides.yaml"
        threads: 1
        resources:
            **needs(mem_mb=1500, minutes=10),
        params:
            seed=config["seed"],
            slide_px=config["simulate"]["slide_px"],
            mpp=config["simulate"]["slide_mpp"],
            code=code("simulate_slide.py"),
        script:
            "../scripts/simulate_slide.py"

    rule simulate_patches:
        output:
            folder=directory("<results>/simulated/{dataset}"),
        log:
            "<logs>/simulate_patches/{dataset}.log",
        benchmark:
            "<benchmarks>/simulate_patches/{dataset}.tsv"
        priority: FIRST
        conda:
            "../../envs/slides.yaml"
        threads: 1
        resources:
            **needs(mem_mb=1500, minutes=10),
        params:
            seed=config["seed"],
            patches_per_class=lambda w: config["simulate"]["patches_per_class"][
                w.dataset
            ],
            patch_px=PLAN.tiling.patch_px,
            mpp=PLAN.tiling.target_mpp,
            code=code("simulate_patches.py"),
        script:
            "../scripts/simulate_patches.py"

    # One gene follows the colour of the patches.
    rule simulate_labels:
        input:
            sheet=config["slides"],
            patches=expand(f"{PLAN.at('patches')}/{{slide}}.h5", slide=PLAN.slides),
            qc=expand(f"{PLAN.at('qc')}/{{slide}}.h5", slide=PLAN.slides),
        output:
            expression="<results>/simulated/expression.tsv",
            mutations="<results>/simulated/mutations.tsv",
            truth="<results>/simulated/truth.tsv",
        log:
            "<logs>/simulate_labels.log",
        benchmark:
            "<benchmarks>/simulate_labels.tsv"
        conda:
            "../../envs/slides.yaml"
        threads: 1
        resources:
            **needs(mem_mb=1000, minutes=10),
        params:
            seed=config["seed"],
            patients=PLAN.patients,
            patches=lambda w: PLAN.at("patches"),
            verdicts=lambda w: PLAN.at("qc"),
            code=code("simulate_labels.py"),
        script:
            "../scripts/simulate_labels.py"
