# Slides become the coordinates of candidate tiles.


rule tile_slide:
    input:
        slide=lambda w: PLAN.slide_made_by_a_rule(w.slide),
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
        **needs(mem_mb=1000, minutes=30),
    params:
        **PLAN.tiling.as_params(),
        slide=lambda w: PLAN.slide(w.slide).path,
        slide_state=lambda w: PLAN.slide_state(w.slide),
        sheet_mpp=lambda w: PLAN.slide(w.slide).mpp,
        code=code("tile_slide.py"),
    script:
        "../scripts/tile_slide.py"
