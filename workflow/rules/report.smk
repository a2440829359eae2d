# The answer: tables of the comparison, figures drawn from the tables alone, a summary to read first.

TABLES = {
    "comparison": ("Comparison", "every comparison"),
    "claims": ("Comparison", "the published claims"),
    "improved": ("Expression", "genes improved"),
    "related_genes": ("Expression", "genes related to the image"),
    "mutation": ("Mutation", "mutations"),
    "roc": ("Mutation", "ROC curves"),
    "confusion": ("Tissue types", "confusion"),
    "embedding": ("Tissue types", "patches in two dimensions"),
    "gallery": ("What predicts", "patches of the best genes"),
    "metrics": ("Comparison", "every score"),
    "cohort_flow": ("Cohort and quality", "slides and patients in and out"),
    "costs": ("Costs", "hours and memory by rule"),
}
COMPARED = [
    "comparison",
    "related_genes",
    "improved",
    "confusion",
    "mutation",
    "roc",
    "metrics",
]
MUTATION_SCORES = expand(
    "<results>/scores/{task}/{extractor}.tsv",
    task=[name for name in TASKS if TASKS[name]["kind"] == "mutation"],
    extractor=EXTRACTORS,
)
TRAINING = expand(
    "<results>/models/{extractor}.training.tsv",
    extractor=of_kind("finetuned"),
)


rule compare_extractors:
    input:
        labels=expand("<results>/labels/{task}.tsv", task=TASKS),
        splits=expand("<results>/splits/{task}.tsv", task=TASKS),
        scores=of_all_tasks("<results>/scores/{task}/{extractor}.tsv"),
        predictions=of_all_tasks(
            "<results>/cv/{task}/{extractor}/{block}.h5", block=BLOCKS
        ),
    output:
        **{name: in_report(name, *TABLES[name]) for name in COMPARED},
    log:
        "<logs>/compare_extractors.log",
    benchmark:
        "<benchmarks>/compare_extractors.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(120),
    params:
        blocks=list(BLOCKS),
        kinds={name: task["kind"] for name, task in TASKS.items()},
        extractors=COMPARED_IN,
        statistics=config["statistics"],
        seed=config["seed"],
        code=code("compare_extractors.py"),
    script:
        "../scripts/compare_extractors.py"


rule tabulate_flow:
    input:
        qc=table("qc"),
        excluded=table("excluded_slides"),
        cohort=table("cohort"),
        labels_flow=expand("<results>/labels/{task}.flow.tsv", task=TASKS),
    output:
        flow=in_report("cohort_flow", *TABLES["cohort_flow"]),
    log:
        "<logs>/tabulate_flow.log",
    benchmark:
        "<benchmarks>/tabulate_flow.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        kinds={name: task["kind"] for name, task in TASKS.items()},
        apply_qc=config["qc"]["apply"],
        code=code("tabulate_flow.py"),
    script:
        "../scripts/tabulate_flow.py"


EMBEDDED = [
    (task, extractor)
    for task in TASKS
    if TASKS[task]["kind"] == "tissue"
    for extractor in COMPARED_IN[task]
]


rule embed_patches:
    input:
        features=[
            f"<results>/features/{extractor}/{TASKS[task]['dataset']}.h5"
            for task, extractor in EMBEDDED
        ],
        labels=[
            f"<results>/labels/{task}.tsv"
            for task in TASKS
            if TASKS[task]["kind"] == "tissue"
        ],
    output:
        embedding=in_report("embedding", *TABLES["embedding"]),
    log:
        "<logs>/embed_patches.log",
    benchmark:
        "<benchmarks>/embed_patches.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        of=EMBEDDED,
        tasks=[task for task in TASKS if TASKS[task]["kind"] == "tissue"],
        seed=config["seed"],
        code=code("embed_patches.py"),
    script:
        "../scripts/embed_patches.py"


# Patches are pictured under the extractors that have features of every patch.
OF_PATIENTS = [task for task in TASKS if TASKS[task]["kind"] != "tissue"]
PICTURED = NETWORKS if OF_PATIENTS else []


rule pick_patches:
    input:
        related_genes=table("related_genes"),
        mutation=table("mutation"),
        pooled=expand("<results>/pooled/{extractor}.h5", extractor=PICTURED),
        labels=expand("<results>/labels/{task}.tsv", task=OF_PATIENTS),
        splits=expand("<results>/splits/{task}.tsv", task=OF_PATIENTS),
        qc=table("qc"),
    output:
        gallery=in_report("gallery", *TABLES["gallery"]),
    log:
        "<logs>/pick_patches.log",
    benchmark:
        "<benchmarks>/pick_patches.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(240),
    params:
        features=lambda w: f"{config['results']}/features",
        verdicts=lambda w: f"{config['results']}/qc",
        of=PICTURED,
        tasks={task: TASKS[task] for task in OF_PATIENTS},
        patients={slide.slide: slide.patient for slide in SLIDES.values()},
        pooling=[config["pooling"]["patches"], config["pooling"]["slides"]],
        apply_qc=config["qc"]["apply"],
        alpha=config["statistics"]["alpha"],
        seed=config["seed"],
        code=code("pick_patches.py"),
    script:
        "../scripts/pick_patches.py"


rule read_pictures:
    input:
        gallery=table("gallery"),
    output:
        images="<results>/gallery/patches.h5",
    log:
        "<logs>/read_pictures.log",
    benchmark:
        "<benchmarks>/read_pictures.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(30),
    params:
        slides={slide.slide: (slide.path, slide.mpp) for slide in SLIDES.values()},
        patches=lambda w: f"{config['results']}/patches",
        target_mpp=config["tiling"]["target_mpp"],
        mpp_tolerance=config["tiling"]["mpp_tolerance"],
        patch_px=config["tiling"]["patch_px"],
        code=code("read_pictures.py"),
    script:
        "../scripts/read_pictures.py"


rule check_claims:
    input:
        comparison=table("comparison"),
        improved=table("improved"),
        cohort=table("cohort"),
    output:
        claims=in_report("claims", *TABLES["claims"]),
    log:
        "<logs>/check_claims.log",
    benchmark:
        "<benchmarks>/check_claims.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        study=config["study"],
        random_weights=config["network"]["weights"] == "random",
        code=code("check_claims.py"),
    script:
        "../scripts/check_claims.py"


# Where a network was fine-tuned, its own classifier is tried on the tissue datasets.
CLASSIFIED = [
    (extractor, dataset)
    for extractor in of_kind("finetuned")
    for dataset in TISSUE_DATASETS
]
if CLASSIFIED:

    TABLES["classifier"] = ("Fine-tuning", "the classifier on other patches")

    rule classify:
        input:
            classifiers=[
                f"<results>/models/{extractor}.classifier.keras"
                for extractor, _ in CLASSIFIED
            ],
            features=[
                f"<results>/features/{extractor}/{dataset}.h5"
                for extractor, dataset in CLASSIFIED
            ],
            trained_on=f"<results>/patches/{config['finetune']['dataset']}.h5",
        output:
            classifier=in_report("classifier", *TABLES["classifier"]),
        log:
            "<logs>/classify.log",
        benchmark:
            "<benchmarks>/classify.tsv"
        conda:
            NETWORK_ENV
        threads: 1
        resources:
            mem_mb=grows(4000),
            runtime=grows(20),
        params:
            code=code("classify.py"),
        script:
            "../scripts/classify.py"


if SIMULATED:

    TABLES["truth"] = ("Comparison", "planted and recovered")

    rule check_truth:
        input:
            truth="<results>/simulated/truth.tsv",
            related_genes=table("related_genes"),
            mutation=table("mutation"),
        output:
            truth=in_report("truth", *TABLES["truth"]),
        log:
            "<logs>/check_truth.log",
        benchmark:
            "<benchmarks>/check_truth.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            mem_mb=grows(1000),
            runtime=grows(10),
        params:
            alpha=config["statistics"]["alpha"],
            code=code("check_truth.py"),
        script:
            "../scripts/check_truth.py"


rule write_paper_tables:
    input:
        **{name: table(name) for name in ("comparison", "improved", "claims")},
    output:
        markdown="<results>/tables/paper.md",
        latex="<results>/tables/paper.tex",
        workbook=report(
            "<results>/tables/paper.xlsx",
            caption="../report/paper.rst",
            category=category("Comparison"),
            labels={"result": "Tables for a paper"},
        ),
    log:
        "<logs>/write_paper_tables.log",
    benchmark:
        "<benchmarks>/write_paper_tables.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        study=config["study"],
        code=code("write_paper_tables.py"),
    script:
        "../scripts/write_paper_tables.py"


# What the machine did, not what was found: with slide_costs the one table that differs from run to
# run. It comes after all that is worth counting.
rule tabulate_costs:
    input:
        [table(name) for name in TABLES if name != "costs"],
    output:
        costs=in_report("costs", *TABLES["costs"]),
    log:
        "<logs>/tabulate_costs.log",
    benchmark:
        "<benchmarks>/tabulate_costs.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        benchmarks=f"{config['results']}/benchmarks",
        stages=lambda w: {
            rule.name: Path(rule.snakefile).stem for rule in workflow.rules
        },
        on_gpu=["fine_tune", "extract_features", "extract_batch"] if GPU else [],
        code=code("tabulate_costs.py"),
    script:
        "../scripts/tabulate_costs.py"


FIRST_FIGURES = ["tissue_accuracy", "expression", "truth" if SIMULATED else "mutation"]
FIGURES = {
    "tissue_accuracy": ("Tissue types", {"comparison": table("comparison")}),
    "confusion": ("Tissue types", {"confusion": table("confusion")}),
    "embedding": ("Tissue types", {"embedding": table("embedding")}),
    "expression": (
        "Expression",
        {name: table(name) for name in ("related_genes", "improved", "comparison")},
    ),
    "volcano": ("Expression", {"comparison": table("comparison")}),
    "mutation": (
        "Mutation",
        {
            "mutation": table("mutation"),
            "comparison": table("comparison"),
            "scores": MUTATION_SCORES,
        },
    ),
    "roc": ("Mutation", {"roc": table("roc"), "mutation": table("mutation")}),
    "gallery": (
        "What predicts",
        {
            "gallery": table("gallery"),
            "gallery_images": "<results>/gallery/patches.h5",
            "comparison": table("comparison"),
        },
    ),
    "qc": (
        "Cohort and quality",
        {name: table(name) for name in ("qc", "excluded_slides", "cohort")},
    ),
    "cohort_flow": ("Cohort and quality", {"cohort_flow": table("cohort_flow")}),
    "training": ("Fine-tuning", {"training": TRAINING}),
    "costs": ("Costs", {"costs": table("costs")}),
}
if CLASSIFIED:
    FIGURES["classifier"] = ("Fine-tuning", {"classifier": table("classifier")})
if SIMULATED:
    FIGURES["truth"] = ("Comparison", {"truth": table("truth")})


for figure, (part, tables) in FIGURES.items():

    rule:
        name:
            f"draw_{figure}"
        input:
            **tables,
        output:
            pdf=f"<results>/figures/{figure}.pdf",
            png=report(
                f"<results>/figures/{figure}.png",
                caption=f"../report/{figure}.rst",
                category=category(part),
                labels={"result": "Figure: {}".format(figure.replace("_", " "))},
            ),
        log:
            f"<logs>/draw_{figure}.log",
        benchmark:
            f"<benchmarks>/draw_{figure}.tsv"
        conda:
            "../../envs/stats.yaml"
        threads: 1
        resources:
            mem_mb=grows(1000),
            runtime=grows(10),
        params:
            figure=figure,
            study=config["study"],
            alpha=config["statistics"]["alpha"],
            code=code("draw_figure.py"),
        script:
            "../scripts/draw_figure.py"


rule write_summary:
    input:
        **{
            name: table(name)
            for name in (
                "claims",
                "comparison",
                "improved",
                "cohort",
                "qc",
                "excluded_slides",
            )
        },
        excluded_labels=expand("<results>/labels/{task}.excluded.tsv", task=TASKS),
        elsewhere=expand("<results>/pooled/{extractor}.used.tsv", extractor=ELSEWHERE),
    output:
        summary=report(
            "<results>/summary.html",
            caption="../report/summary.rst",
            category=category("Read this first"),
            labels={"result": "Summary"},
        ),
    log:
        "<logs>/write_summary.log",
    benchmark:
        "<benchmarks>/write_summary.tsv"
    conda:
        "../../envs/stats.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        config=config,
        random_weights=config["network"]["weights"] == "random",
        code=code("write_summary.py"),
    script:
        "../scripts/write_summary.py"


rule tables:
    input:
        [
            table(name)
            for name in [*TABLES, "qc", "excluded_slides", "cohort", "slide_costs"]
        ],
        rules.write_paper_tables.output,


rule figures:
    input:
        expand("<results>/figures/{figure}.{kind}", figure=FIGURES, kind=["pdf", "png"]),
