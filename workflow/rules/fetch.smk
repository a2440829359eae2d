# Downloads: the network's weights, archives of patches, slides, labels.


rule fetch_weights:
    output:
        weights=WEIGHTS,
    log:
        "<logs>/fetch_weights.log",
    benchmark:
        "<benchmarks>/fetch_weights.tsv"
    priority: FIRST
    conda:
        NETWORK_ENV
    threads: 1
    resources:
        **needs(mem_mb=4000, minutes=30),
    params:
        source=config["network"]["weights"],
        # ImageNet's weights do not depend on the seed, so another seed must not download them again.
        seed=config["seed"] if PLAN.has_random_weights else 0,
        state=lambda w: PLAN.weights_state(),
        code=code("fetch_weights.py"),
    script:
        "../scripts/fetch_weights.py"


rule fetch_dataset:
    output:
        archive=temp("<data>/{dataset}.zip"),
    log:
        "<logs>/fetch_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/fetch_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(PLAN.fetched_datasets),
    priority: FIRST
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        **needs(mem_mb=500, minutes=720),
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
        dataset=any_of(PLAN.fetched_datasets),
    priority: FIRST
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1000, minutes=120),
    params:
        code=code("unpack_dataset.py"),
    script:
        "../scripts/unpack_dataset.py"


# The profile's `downloads` limits how many slides are fetched at a time. Both schedulers prefer jobs
# that free temporary files, so patches are extracted before further slides are fetched, and only a
# few slides are on the disk at once.
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
        slide=any_of(sorted(PLAN.fetched_slides)),
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        **needs(mem_mb=500, minutes=240),
        downloads=1,
    params:
        address=lambda w: config["download"]["gdc"],
        file_id=lambda w: PLAN.slide(w.slide).file_id,
        md5=lambda w: PLAN.slide(w.slide).md5,
        size=lambda w: PLAN.slide(w.slide).size,
        code=code("fetch_slide.py"),
    script:
        "../scripts/fetch_slide.py"


# One job for hundreds of small files. They lie beside the manifest, which is written when all are
# there; existing files are not fetched again.
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
        **needs(mem_mb=500, minutes=240),
        downloads=1,
    params:
        address=lambda w: config["download"]["gdc"],
        connections=lambda w: config["download"]["connections"],
        state=lambda w: PLAN.sheet_state(w.files),
        code=code("fetch_labels.py"),
    script:
        "../scripts/fetch_labels.py"
