# The data that the study itself makes or fetches: a simulated cohort, archives, slides, labels,
# ImageNet's weights.

if SIMULATED:

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
            mem_mb=grows(1500),
            runtime=grows(10),
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
        conda:
            "../../envs/slides.yaml"
        threads: 1
        resources:
            mem_mb=grows(1500),
            runtime=grows(10),
        params:
            seed=config["seed"],
            patches_per_class=lambda w: config["simulate"]["patches_per_class"][
                w.dataset
            ],
            patch_px=config["tiling"]["patch_px"],
            mpp=config["tiling"]["target_mpp"],
            code=code("simulate_patches.py"),
        script:
            "../scripts/simulate_patches.py"

    rule simulate_labels:
        input:
            sheet=config["slides"],
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
            mem_mb=grows(1000),
            runtime=grows(10),
        params:
            seed=config["seed"],
            code=code("simulate_labels.py"),
        script:
            "../scripts/simulate_labels.py"


rule fetch_dataset:
    output:
        archive=temp("<data>/{dataset}.zip"),
    log:
        "<logs>/fetch_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/fetch_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(FETCHED_DATASETS),
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        mem_mb=grows(500),
        runtime=grows(720),
        downloads=1,
    params:
        record=lambda w: config["download"]["zenodo"],
        file=lambda w: config["datasets"][w.dataset]["file"],
        md5=lambda w: config["datasets"][w.dataset]["md5"],
        code=code("fetch_dataset.py"),
    script:
        "../scripts/fetch_dataset.py"


rule unpack_dataset:
    input:
        archive="<data>/{dataset}.zip",
    output:
        folder=directory("<data>/{dataset}"),
    log:
        "<logs>/unpack_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/unpack_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(FETCHED_DATASETS),
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(120),
    params:
        code=code("unpack_dataset.py"),
    script:
        "../scripts/unpack_dataset.py"


# Slides come one by one, as many at a time as the profile's `downloads`. What is deleted once its
# patches are cut is fetched before what is waiting for that, since both schedulers prefer jobs that
# free temporary files: so only a few slides are on the disk at once.
rule fetch_slide:
    output:
        slide=(
            "<data>/slides/{slide}.svs"
            if config.get("download", {}).get("keep_slides")
            else temp("<data>/slides/{slide}.svs")
        ),
    log:
        "<logs>/fetch_slide/{slide}.log",
    benchmark:
        "<benchmarks>/fetch_slide/{slide}.tsv"
    wildcard_constraints:
        slide=any_of(sorted(FETCHED_SLIDES)),
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        mem_mb=grows(500),
        runtime=grows(240),
        downloads=1,
    params:
        address=lambda w: config["download"]["gdc"],
        file_id=lambda w: slide_of(w).file_id,
        md5=lambda w: slide_of(w).md5,
        size=lambda w: slide_of(w).size,
        code=code("fetch_slide.py"),
    script:
        "../scripts/fetch_slide.py"


# Hundreds of small files: one job. They lie beside the manifest, which is written when all are
# there; those that are there are not fetched again.
rule fetch_labels:
    input:
        sheet=lambda w: sheet_files(config)[w.files],
    output:
        manifest="<data>/{files}/MANIFEST.txt",
    log:
        "<logs>/fetch_labels/{files}.log",
    benchmark:
        "<benchmarks>/fetch_labels/{files}.tsv"
    wildcard_constraints:
        files="star_counts|mutations",
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        mem_mb=grows(500),
        runtime=grows(240),
        downloads=1,
    params:
        address=lambda w: config["download"]["gdc"],
        connections=lambda w: config["download"]["connections"],
        code=code("fetch_labels.py"),
    script:
        "../scripts/fetch_labels.py"


rule fetch_weights:
    output:
        weights=f"<resources>/xception_{'random' if config['network']['weights'] == 'random' else 'imagenet'}.h5",
    log:
        "<logs>/fetch_weights.log",
    benchmark:
        "<benchmarks>/fetch_weights.tsv"
    conda:
        NETWORK_ENV
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(30),
    params:
        source=config["network"]["weights"],
        # ImageNet's weights do not depend on the seed, and must not be fetched for another one.
        seed=config["seed"] if config["network"]["weights"] == "random" else 0,
        code=code("fetch_weights.py"),
    script:
        "../scripts/fetch_weights.py"
