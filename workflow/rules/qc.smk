# The verdict on every patch, from what was measured when it was cut: no slide is read again.


rule judge_patches:
    input:
        tiles="<results>/tiles/{slide}.h5",
        measures="<results>/measures/{slide}.h5",
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
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        thresholds={key: value for key, value in config["qc"].items() if key != "apply"},
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
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code("export_geojson.py"),
    script:
        "../scripts/export_geojson.py"


rule summarise_cohort:
    input:
        qc=expand("<results>/qc/{slide}.h5", slide=SLIDES),
    output:
        qc=report(
            "<results>/tables/qc.tsv",
            caption="../report/qc_table.rst",
            category=category("Cohort and quality"),
            labels={"result": "Table: slides and patches"},
        ),
        excluded=report(
            "<results>/tables/excluded_slides.tsv",
            caption="../report/excluded_slides.rst",
            category=category("Cohort and quality"),
            labels={"result": "Table: excluded slides"},
        ),
        cohort="<results>/tables/cohort.tsv",
    log:
        "<logs>/summarise_cohort.log",
    benchmark:
        "<benchmarks>/summarise_cohort.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(30),
    params:
        patients={slide.slide: slide.patient for slide in SLIDES.values()},
        apply_qc=config["qc"]["apply"],
        code=code("summarise_cohort.py"),
    script:
        "../scripts/summarise_cohort.py"


# What the machine did, not what was found: it differs from run to run.
rule tabulate_slide_costs:
    input:
        qc=expand("<results>/qc/{slide}.h5", slide=SLIDES),
    output:
        costs=report(
            "<results>/tables/slide_costs.tsv",
            caption="../report/slide_costs.rst",
            category=category("Cohort and quality"),
            labels={"result": "Table: seconds and memory by slide"},
        ),
    log:
        "<logs>/tabulate_slide_costs.log",
    benchmark:
        "<benchmarks>/tabulate_slide_costs.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(30),
    params:
        slides=list(SLIDES),
        benchmarks=f"{config['results']}/benchmarks",
        jobs={"tile": "tile_slide", "cut": "cut_patches", "judge": "judge_patches"},
        code=code("tabulate_slide_costs.py"),
    script:
        "../scripts/tabulate_slide_costs.py"
