# Metrics become a verdict on every patch, without reading a slide again.


rule judge_patches:
    input:
        tiles=found("tiles/{slide}.h5"),
        metrics=found("metrics/{slide}.h5"),
    output:
        qc="<results>/qc/{slide}.h5",
        overview="<results>/qc/{slide}.png",
    log:
        "<logs>/judge_patches/{slide}.log",
    benchmark:
        "<benchmarks>/judge_patches/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=10),
    params:
        **PLAN.qc.as_params(),
        code=code("judge_patches.py"),
    script:
        "../scripts/judge_patches.py"


# For QuPath, on demand: snakemake results/qc/SLIDE.geojson
rule export_geojson:
    input:
        qc="<results>/qc/{slide}.h5",
    output:
        geojson="<results>/qc/{slide}.geojson",
    log:
        "<logs>/export_geojson/{slide}.log",
    benchmark:
        "<benchmarks>/export_geojson/{slide}.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=10),
    params:
        code=code("export_geojson.py"),
    script:
        "../scripts/export_geojson.py"


rule summarise_cohort:
    input:
        qc=expand(f"{PLAN.at('qc')}/{{slide}}.h5", slide=PLAN.slides),
    output:
        qc=reported_table("qc"),
        excluded=reported_table("excluded_slides"),
        cohort=table("cohort"),
    log:
        "<logs>/summarise_cohort.log",
    benchmark:
        "<benchmarks>/summarise_cohort.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=30),
    params:
        patients=PLAN.patients,
        verdicts=lambda w: PLAN.at("qc"),
        apply_qc=PLAN.pooling.apply_qc,
        code=code("summarise_cohort.py"),
    script:
        "../scripts/summarise_cohort.py"
