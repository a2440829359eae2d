# Features per patch become features per patient; quality control's verdict is applied here.


rule pool_features:
    input:
        qc=expand("<results>/qc/{slide}.h5", slide=SLIDES),
        batches=expand(
            "<results>/features/{{extractor}}/batches/{batch}.tsv", batch=BATCHES
        ),
    output:
        pooled="<results>/pooled/{extractor}.h5",
    log:
        "<logs>/pool_features/{extractor}.log",
    benchmark:
        "<benchmarks>/pool_features/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(NETWORKS),
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        patients={slide.slide: slide.patient for slide in SLIDES.values()},
        features=lambda w: f"{config['results']}/features/{w.extractor}",
        across_patches=config["pooling"]["patches"],
        across_slides=config["pooling"]["slides"],
        apply_qc=config["qc"]["apply"],
        code=code("pool_features.py"),
    script:
        "../scripts/pool_features.py"


# Features made elsewhere come as they are; what could be used of them is listed beside.
rule pool_elsewhere:
    input:
        source=lambda w: EXTRACTORS[w.extractor].path,
        qc=lambda w: (
            expand("<results>/qc/{slide}.h5", slide=SLIDES)
            if EXTRACTORS[w.extractor].kind == "features"
            else []
        ),
    output:
        pooled="<results>/pooled/{extractor}.h5",
        used="<results>/pooled/{extractor}.used.tsv",
    log:
        "<logs>/pool_elsewhere/{extractor}.log",
    benchmark:
        "<benchmarks>/pool_elsewhere/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(of_kind("features", "table")),
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        kind=lambda w: EXTRACTORS[w.extractor].kind,
        patients={slide.slide: slide.patient for slide in SLIDES.values()},
        across_patches=config["pooling"]["patches"],
        across_slides=config["pooling"]["slides"],
        apply_qc=config["qc"]["apply"],
        code=code("pool_elsewhere.py"),
    script:
        "../scripts/pool_elsewhere.py"
