# Extractors: ImageNet's network off the shelf, and fine-tuned on tissue patches in two steps.


rule build_imagenet:
    input:
        weights=rules.fetch_weights.output.weights,
    output:
        model="<results>/models/{extractor}.keras",
    log:
        "<logs>/build_imagenet/{extractor}.log",
    benchmark:
        "<benchmarks>/build_imagenet/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(of_kind("imagenet")),
    conda:
        NETWORK_ENV
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(20),
    params:
        input_px=config["tiling"]["patch_px"],
        code=code("build_imagenet.py"),
    script:
        "../scripts/build_imagenet.py"


rule fine_tune:
    input:
        weights=rules.fetch_weights.output.weights,
        patches=f"<results>/patches/{config['finetune']['dataset']}.h5",
    output:
        model="<results>/models/{extractor}.keras",
        classifier="<results>/models/{extractor}.classifier.keras",
        history="<results>/models/{extractor}.training.tsv",
        card="<results>/models/{extractor}.card.md",
    log:
        "<logs>/fine_tune/{extractor}.log",
    benchmark:
        "<benchmarks>/fine_tune/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(of_kind("finetuned")),
    conda:
        NETWORK_ENV
    threads: 8
    resources:
        mem_mb=grows(16000),
        runtime=grows(1440),
        gpu=1 if GPU else 0,
    params:
        # A further seed must not train the first one's extractor again.
        finetune={
            key: value for key, value in config["finetune"].items() if key != "seeds"
        },
        input_px=config["tiling"]["patch_px"],
        mixed_precision=GPU,
        seed=lambda w: EXTRACTORS[w.extractor].seed,
        simulated=SIMULATED,
        checkpoints=lambda w: f"{config['results']}/models/{w.extractor}.checkpoints",
        code=code("fine_tune.py"),
    script:
        "../scripts/fine_tune.py"


rule admit_model:
    input:
        model=lambda w: EXTRACTORS[w.extractor].path,
    output:
        model="<results>/models/{extractor}.keras",
    log:
        "<logs>/admit_model/{extractor}.log",
    benchmark:
        "<benchmarks>/admit_model/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(of_kind("model")),
    conda:
        NETWORK_ENV
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(20),
    params:
        input_px=config["tiling"]["patch_px"],
        code=code("admit_model.py"),
    script:
        "../scripts/admit_model.py"
