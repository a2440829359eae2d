# Tiles and labelled patches become patch stores.


rule pack_dataset:
    input:
        unpack(lambda w: PLAN.dataset_tables(w.dataset)),
        folder=lambda w: (
            watched(PLAN.dataset_folder(w.dataset))
            if PLAN.has_own_patches(w.dataset)
            else PLAN.dataset_folder(w.dataset) or []
        ),
    output:
        patches="<results>/patches/{dataset}.h5",
    log:
        "<logs>/pack_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/pack_dataset/{dataset}.tsv"
    priority: FIRST
    conda:
        "../../envs/slides.yaml"
    threads: packing_threads
    resources:
        **needs(mem_mb=2000, minutes=120),
    params:
        **PLAN.encoding.as_params(),
        patch_px=PLAN.tiling.patch_px,
        state=lambda w: PLAN.dataset_state(w.dataset),
        table_state=lambda w: PLAN.dataset_table_state(w.dataset),
        images=lambda w: PLAN.needs_images(w.dataset),
        code=code("pack_dataset.py"),
    script:
        "../scripts/pack_dataset.py"


rule fit_stain:
    input:
        patches=f"{PLAN.at('patches', PLAN.reference)}.h5",
    output:
        reference="<results>/stain/reference.json",
    log:
        "<logs>/fit_stain.log",
    benchmark:
        "<benchmarks>/fit_stain.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        **needs(mem_mb=2000, minutes=30),
    params:
        glass=config["stain"]["glass"],
        seed=config["seed"],
        code=code("fit_stain.py"),
    script:
        "../scripts/fit_stain.py"


rule extract_patches:
    input:
        slide=lambda w: PLAN.slide_made_by_a_rule(w.slide),
        tiles=found("tiles/{slide}.h5"),
        reference=(
            []
            if PLAN.patches.stain_method == "none"
            else f"{PLAN.at('stain')}/reference.json"
        ),
    output:
        metrics="<results>/metrics/{slide}.h5",
        patches=(
            "<results>/patches/{slide}.h5"
            if config["patches"]["keep"]
            else temp("<results>/patches/{slide}.h5")
        ),
    log:
        "<logs>/extract_patches/{slide}.log",
    benchmark:
        "<benchmarks>/extract_patches/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=120),
    params:
        **PLAN.patches.as_params(),
        slide=lambda w: PLAN.slide(w.slide).path,
        slide_state=lambda w: PLAN.slide_state(w.slide),
        code=code("extract_patches.py"),
    script:
        "../scripts/extract_patches.py"
