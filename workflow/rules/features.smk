# Patch stores become features per patch, then per patient; pooling applies the verdicts.


rule extract_features:
    input:
        models=lambda w: [PLAN.model_of(w.extractor)],
        patches=lambda w: [f"{PLAN.at('patches', w.store)}.h5"],
    output:
        features="<results>/features/{extractor}/{store}.h5",
    log:
        "<logs>/extract_features/{extractor}/{store}.log",
    benchmark:
        "<benchmarks>/extract_features/{extractor}/{store}.tsv"
    wildcard_constraints:
        extractor=any_of(PLAN.networks),
        store=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    priority: SECOND
    conda:
        network_env
    threads: extraction_threads
    resources:
        **needs(mem_mb=extraction_mb, minutes=240),
        gpu=int(PLAN.uses_gpu),
    params:
        **PLAN.extraction.as_params(),
        cut=lambda w: PLAN.cut_of(w.extractor),
        folder=lambda w: f"{PLAN.results}/features",
        code=code("extract_features.py"),
    script:
        "../scripts/extract_features.py"


# Slides go through the network in batches, because starting it takes longer than a slide does, and
# through all networks of a group in one pass; a dataset is a batch of its own. The job writes one
# feature file after another, keeps those that are already up to date, and writes the manifest last,
# when all are there.
rule extract_batch:
    input:
        models=lambda w: [PLAN.model_of(name) for name in PLAN.groups[w.group]],
        patches=lambda w: [
            f"{PLAN.at('patches', store)}.h5" for store in PLAN.stores_of(w.batch)
        ],
    output:
        manifest="<results>/features/{group}/batches/{batch}.tsv",
    log:
        "<logs>/extract_batch/{group}/{batch}.log",
    benchmark:
        "<benchmarks>/extract_batch/{group}/{batch}.tsv"
    wildcard_constraints:
        group=any_of(PLAN.groups),
        batch=any_of([*PLAN.batches, *PLAN.evaluated_datasets]),
    priority: SECOND
    conda:
        network_env
    threads: extraction_threads
    resources:
        **needs(mem_mb=extraction_mb, minutes=480),
        gpu=int(PLAN.uses_gpu),
    params:
        **PLAN.extraction.as_params(),
        cut=lambda w: PLAN.cut_of(PLAN.groups[w.group][0]),
        folder=lambda w: f"{PLAN.results}/features",
        code=code("extract_features.py"),
    script:
        "../scripts/extract_features.py"


rule pool_features:
    input:
        qc=expand(f"{PLAN.at('qc')}/{{slide}}.h5", slide=PLAN.slides),
        batches=lambda w: PLAN.batches_of(w.extractor),
    output:
        pooled="<results>/pooled/{extractor}.h5",
    log:
        "<logs>/pool_features/{extractor}.log",
    benchmark:
        "<benchmarks>/pool_features/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(PLAN.networks),
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=2000, minutes=60),
    params:
        **PLAN.pooling.as_params(),
        patients=PLAN.patients,
        features=lambda w: PLAN.at("features", w.extractor),
        verdicts=lambda w: PLAN.at("qc"),
        code=code("pool_features.py"),
    script:
        "../scripts/pool_features.py"


# External features are used as they are; a table lists what could be used.
rule pool_external:
    input:
        source=lambda w: watched(PLAN.extractors[w.extractor].path),
        qc=lambda w: (
            expand(f"{PLAN.at('qc')}/{{slide}}.h5", slide=PLAN.slides)
            if PLAN.extractors[w.extractor].kind == "features"
            else []
        ),
    output:
        pooled="<results>/pooled/{extractor}.h5",
        used="<results>/pooled/{extractor}.used.tsv",
    log:
        "<logs>/pool_external/{extractor}.log",
    benchmark:
        "<benchmarks>/pool_external/{extractor}.tsv"
    wildcard_constraints:
        extractor=any_of(PLAN.external),
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=4000, minutes=60),
    params:
        **PLAN.pooling.as_params(),
        kind=lambda w: PLAN.extractors[w.extractor].kind,
        id_column=lambda w: PLAN.extractors[w.extractor].id_column,
        columns=lambda w: list(PLAN.extractors[w.extractor].columns),
        patients=PLAN.patients,
        verdicts=lambda w: PLAN.at("qc"),
        state=lambda w: PLAN.extractor_state(w.extractor),
        code=code("pool_external.py"),
    script:
        "../scripts/pool_external.py"


# Of a dataset, they are put into the order of its patches.
rule admit_features:
    input:
        source=lambda w: PLAN.dataset_features(w.extractor, w.dataset),
        patches=found("patches/{dataset}.h5"),
    output:
        features="<results>/features/{extractor}/{dataset}.h5",
        used="<results>/features/{extractor}/{dataset}.used.tsv",
    log:
        "<logs>/admit_features/{extractor}/{dataset}.log",
    benchmark:
        "<benchmarks>/admit_features/{extractor}/{dataset}.tsv"
    wildcard_constraints:
        extractor=any_of(PLAN.extractors_of("features")),
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        **needs(mem_mb=4000, minutes=60),
    params:
        state=lambda w: PLAN.dataset_features_state(w.extractor, w.dataset),
        code=code("admit_features.py"),
    script:
        "../scripts/admit_features.py"
