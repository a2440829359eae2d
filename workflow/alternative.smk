# One alternative of a study: the steps up to the comparison, under names of its own.


include: "rules/common.smk"
include: "rules/slides.smk"
include: "rules/patches.smk"
include: "rules/qc.smk"
include: "rules/models.smk"
include: "rules/features.smk"
include: "rules/labels.smk"
include: "rules/evaluation.smk"
