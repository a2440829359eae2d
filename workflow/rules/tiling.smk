# Slides and patch folders become patch stores.


rule tile_slide:
    input:
        slide=slide_made_here,
    output:
        tiles="<results>/tiles/{slide}.h5",
    log:
        "<logs>/tile_slide/{slide}.log",
    benchmark:
        "<benchmarks>/tile_slide/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(30),
    params:
        slide=lambda w: slide_of(w).path,
        slide_state=slide_state,
        sheet_mpp=lambda w: slide_of(w).mpp,
        patch_px=config["tiling"]["patch_px"],
        stride_px=config["tiling"]["stride_px"],
        target_mpp=config["tiling"]["target_mpp"],
        mpp_tolerance=config["tiling"]["mpp_tolerance"],
        thumbnail_mpp=config["tiling"]["thumbnail_mpp"],
        min_tissue_fraction=config["tiling"]["min_tissue_fraction"],
        code=code("tile_slide.py"),
    script:
        "../scripts/tile_slide.py"


rule pack_dataset:
    input:
        folder=lambda w: dataset_path(config, w.dataset),
    output:
        patches="<results>/patches/{dataset}.h5",
    log:
        "<logs>/pack_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/pack_dataset/{dataset}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(120),
    params:
        patch_px=config["tiling"]["patch_px"],
        codec=config["patches"]["codec"],
        jpeg_quality=config["patches"]["jpeg_quality"],
        code=code("pack_dataset.py"),
    script:
        "../scripts/pack_dataset.py"


rule fit_stain:
    input:
        patches=f"<results>/patches/{config['stain']['reference']}.h5",
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
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        seed=config["seed"],
        code=code("fit_stain.py"),
    script:
        "../scripts/fit_stain.py"


rule cut_patches:
    input:
        slide=slide_made_here,
        tiles="<results>/tiles/{slide}.h5",
        reference=(
            []
            if config["stain"]["method"] == "none"
            else rules.fit_stain.output.reference
        ),
    output:
        measures="<results>/measures/{slide}.h5",
        patches=(
            "<results>/patches/{slide}.h5"
            if config["patches"]["keep"]
            else temp("<results>/patches/{slide}.h5")
        ),
    log:
        "<logs>/cut_patches/{slide}.log",
    benchmark:
        "<benchmarks>/cut_patches/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(120),
    params:
        slide=lambda w: slide_of(w).path,
        slide_state=slide_state,
        stain_method=config["stain"]["method"],
        stain_fallback=config["stain"]["fallback"],
        max_background_fraction=config["tiling"]["max_background_fraction"],
        max_unreadable_fraction=config["tiling"]["max_unreadable_fraction"],
        codec=config["patches"]["codec"],
        jpeg_quality=config["patches"]["jpeg_quality"],
        # Only a stain that is fitted to a slide is drawn from a sample of it.
        seed=config["seed"] if config["stain"]["method"] == "slide" else 0,
        code=code("cut_patches.py"),
    script:
        "../scripts/cut_patches.py"
