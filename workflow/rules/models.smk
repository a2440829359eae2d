# Networks: off the shelf from ImageNet, and fine-tuned on tissue patches in two steps.


rule build_imagenet:
    input:
        weights=WEIGHTS,
    output:
        model="<results>/models/{extractor}.keras",
    log:
        "<logs>/build_imagenet/{extractor}.log",
    benchmark:
        "<benchmarks>/build_imagenet/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(PLAN.extractors_of("imagenet")),
    conda:
        NETWORK_ENV
    threads: 1
    resources:
        **needs(mem_mb=4000, minutes=20),
    params:
        input_px=PLAN.tiling.patch_px,
        code=code("build_imagenet.py"),
    script:
        "../scripts/build_imagenet.py"


rule build_control:
    output:
        model="<results>/models/{extractor}.keras",
    log:
        "<logs>/build_control/{extractor}.log",
    benchmark:
        "<benchmarks>/build_control/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(PLAN.controls),
    conda:
        NETWORK_ENV
    threads: 1
    resources:
        **needs(mem_mb=4000, minutes=20),
    params:
        kind=lambda w: PLAN.extractors[w.extractor].kind,
        input_px=PLAN.tiling.patch_px,
        # The histogram of colours draws nothing.
        seed=lambda w: (
            config["seed"] if PLAN.extractors[w.extractor].kind == "random" else 0
        ),
        code=code("build_control.py"),
    script:
        "../scripts/build_control.py"


# The same for all seeds, so computed once for them, and kept for those that are added later.
rule compute_frozen_blocks:
    input:
        weights=WEIGHTS,
        patches=f"{PLAN.at('patches', PLAN.trained_on)}.h5",
    output:
        frozen="<results>/models/frozen_blocks.h5",
    log:
        "<logs>/compute_frozen_blocks.log",
    benchmark:
        "<benchmarks>/compute_frozen_blocks.tsv"
    priority: FIRST
    conda:
        NETWORK_ENV
    threads: tuning_threads
    resources:
        **needs(mem_mb=NETWORK_MB, minutes=720),
        gpu=int(PLAN.uses_gpu),
    params:
        **PLAN.frozen_blocks_params(),
        code=code("compute_frozen_blocks.py"),
    script:
        "../scripts/compute_frozen_blocks.py"


rule fine_tune:
    input:
        weights=WEIGHTS,
        patches=f"{PLAN.at('patches', PLAN.trained_on)}.h5",
        # It is as good as before if only its time has changed.
        frozen=ancient(rules.compute_frozen_blocks.output.frozen),
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
        extractor=any_of(PLAN.extractors_of("finetuned")),
    priority: FIRST
    conda:
        NETWORK_ENV
    threads: tuning_threads
    resources:
        **needs(mem_mb=2 * NETWORK_MB, minutes=1440),
        gpu=int(PLAN.uses_gpu),
    params:
        **PLAN.frozen_blocks_params(),
        seed=lambda w: PLAN.extractors[w.extractor].seed,
        simulated=PLAN.is_simulated,
        checkpoint=lambda w: f"{PLAN.results}/models/{w.extractor}.checkpoint.h5",
        code=code("fine_tune.py"),
        code_of_frozen_blocks=code("compute_frozen_blocks.py"),
    script:
        "../scripts/fine_tune.py"


rule admit_model:
    input:
        model=lambda w: PLAN.extractors[w.extractor].path,
    output:
        model="<results>/models/{extractor}.keras",
    log:
        "<logs>/admit_model/{extractor}.log",
    benchmark:
        "<benchmarks>/admit_model/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(PLAN.extractors_of("model")),
    conda:
        NETWORK_ENV
    threads: 1
    resources:
        **needs(mem_mb=4000, minutes=20),
    params:
        input_px=PLAN.tiling.patch_px,
        state=lambda w: PLAN.extractor_state(w.extractor),
        code=code("admit_model.py"),
    script:
        "../scripts/admit_model.py"


# The weights of PyTorch are fetched here and nowhere else; the jobs that use them are offline.
rule admit_timm:
    input:
        folder=lambda w: (
            watched(PLAN.extractors[w.extractor].path)
            if PLAN.extractors[w.extractor].path
            else []
        ),
    output:
        model="<results>/models/{extractor}.safetensors",
        card="<results>/models/{extractor}.card.md",
    log:
        "<logs>/admit_timm/{extractor}.log",
    benchmark:
        "<benchmarks>/admit_timm/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(PLAN.extractors_of("timm")),
    conda:
        TORCH_ENV
    threads: 1
    resources:
        **needs(mem_mb=16000, minutes=240),
        downloads=1,
    params:
        timm=lambda w: PLAN.extractors[w.extractor].timm.as_params(),
        input_px=PLAN.tiling.patch_px,
        state=lambda w: PLAN.extractor_state(w.extractor),
        code=code("admit_timm.py"),
    script:
        "../scripts/admit_timm.py"


rule admit_torchscript:
    input:
        model=lambda w: PLAN.extractors[w.extractor].path,
    output:
        model="<results>/models/{extractor}.pt",
    log:
        "<logs>/admit_torchscript/{extractor}.log",
    benchmark:
        "<benchmarks>/admit_torchscript/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(PLAN.extractors_of("torchscript")),
    conda:
        TORCH_ENV
    threads: 1
    resources:
        **needs(mem_mb=16000, minutes=20),
    params:
        input_px=PLAN.tiling.patch_px,
        state=lambda w: PLAN.extractor_state(w.extractor),
        code=code("admit_torchscript.py"),
    script:
        "../scripts/admit_torchscript.py"
