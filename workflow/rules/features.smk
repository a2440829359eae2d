# Patch stores become feature files: one per slide or dataset, and extractor.


rule extract_features:
    input:
        model="<results>/models/{extractor}.keras",
        patches=["<results>/patches/{store}.h5"],
    output:
        features=["<results>/features/{extractor}/{store}.h5"],
    log:
        "<logs>/extract_features/{extractor}/{store}.log",
    benchmark:
        "<benchmarks>/extract_features/{extractor}/{store}.tsv"
    wildcard_constraints:
        store=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    conda:
        NETWORK_ENV
    threads: NETWORK_THREADS
    resources:
        mem_mb=grows(8000),
        runtime=grows(240),
        gpu=1 if GPU else 0,
    params:
        features=lambda w, output: output.features,
        batch_size=config["network"]["batch_size"],
        dtype=config["features"]["dtype"],
        mixed_precision=GPU,
        code=code("extract_features.py"),
    script:
        "../scripts/extract_features.py"


# The whole study goes through batches, since the network's start would take longer than a slide.
# A batch's feature files appear one by one, those that are whole and current are not made again,
# and the batch's manifest, written last, says that all are there.
rule extract_batch:
    input:
        model="<results>/models/{extractor}.keras",
        patches=lambda w: expand("<results>/patches/{slide}.h5", slide=BATCHES[w.batch]),
    output:
        manifest="<results>/features/{extractor}/batches/{batch}.tsv",
    log:
        "<logs>/extract_batch/{extractor}/{batch}.log",
    benchmark:
        "<benchmarks>/extract_batch/{extractor}/{batch}.tsv"
    conda:
        NETWORK_ENV
    threads: NETWORK_THREADS
    resources:
        mem_mb=grows(8000),
        runtime=grows(480),
        gpu=1 if GPU else 0,
    params:
        features=lambda w: [
            f"{config['results']}/features/{w.extractor}/{slide}.h5"
            for slide in BATCHES[w.batch]
        ],
        batch_size=config["network"]["batch_size"],
        dtype=config["features"]["dtype"],
        mixed_precision=GPU,
        code=code("extract_features.py"),
    script:
        "../scripts/extract_features.py"
