"""The methods of a run, written from its config, and where each choice comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..evaluation.bootstrap import DRAWS
from ..evaluation.kinds import FEWEST, FEWEST_OF_CLASS
from ..results.words import joined
from ..study.extractors import CONCAT, COVARIATES, Extractor, extractors, fine_tuning_runs
from ..study.parameters import TimmParameters
from ..study.tasks import CLASSES, TIMES, TWO_VALUES, VALUES

POOLED = {"mean+std": "mean and standard deviation"}
PREDICTORS = {
    "ridge": "ridge regression, with alpha chosen per target by leave-one-out",
    "logistic": "L2-penalised logistic regression, with C chosen by inner cross-validation",
    "cox": (
        "ridge-penalised Cox regression, with alpha chosen by the cross-validated partial "
        "likelihood (Verweij & van Houwelingen 1993)"
    ),
    "pls": "partial least squares",
    "elastic_net": "elastic net",
    "random_forest": "random forest",
    "linear_svm": "linear support vector machine with Platt’s probabilities",
    "knn": "nearest neighbours",
}
ALL_PAIRS = (
    "Every pair of extractors is compared in this way, and p are also adjusted by Holm (1979) over "
    "the pairs, of a target and of a task as a whole. In each task, extractors are ranked by their "
    "mean score in each target on which a pair was tested, and over all tasks by the mean of these "
    "scores (Demšar 2006). Friedman’s test and Nemenyi’s critical difference are given as a "
    "reference, because they take targets as independent, which those of one cohort are not."
)
TRANSFORMS = {"log2p1": "log2(value + 1)", "none": "values as given"}
PAPER, OURS = "from the paper", "our choice"
OF_THE_PAPER = ("tissue", "expression", "mutation")
"""The kinds of tasks that the paper has."""


def methods(
    config: Mapping[str, Any], random_weights: bool, *, slides: bool, ranks: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield heading and text of the paragraphs of a Methods section that is true of this run.

    `slides` says whether slides were read, `ranks` whether three or more extractors were ranked.
    """
    if slides:
        yield "Slides", _slides(config["tiling"], config["qc"], config["stain"])
    yield "Extractors", _extractors(config, random_weights)
    yield "Cross-validation", _cross_validation(config)
    if "cohorts" in config:
        yield "External validation", _external_validation(config["cohorts"])
    statistics = config["statistics"]
    yield (
        "Statistics",
        "A score is the mean over all folds of all repeats. Repeats share their patients and are "
        "not independent, so differences are tested with a corrected resampled t-test in which the "
        "covariance of folds is estimated by refitting without pairs of folds (docs/statistics.md "
        "derives it and shows its error rates); it gives p and the 95 % interval. Only targets "
        "that are predicted above chance are tested. The tables also give the Bayesian correlated "
        f"t-test with a region of practical equivalence of ±{statistics['rope']:g}. The Wilcoxon "
        "test over repeats is given because it was published; it is anti-conservative. q is by "
        "Benjamini–Hochberg over the targets of a task, and the level of significance is "
        f"{statistics['alpha']:g}. The interval of an accuracy is Wilson’s, over patches. Every "
        f"random draw follows from the seed {config['seed']}.",
    )
    if ranks:
        yield "All pairs", ALL_PAIRS
    yield (
        "Decisions",
        _decisions(statistics, max([1, *map(len, fine_tuning_runs(config).values())])),
    )


def _external_validation(cohorts: Mapping[str, Any]) -> str:
    train, test = cohorts["train"], cohorts["test"]
    return (
        f"Cross-validation has the patients of {train} alone. A model of all of them, tuned and "
        f"scaled as in a training fold, was applied once to the patients of {test}; their labels "
        "serve no other end. Scores, and differences between extractors in the same patients, have "
        f"95 % intervals over the patients of {test}: bias-corrected and accelerated (Efron 1987), "
        f"from {DRAWS:,} bootstrap samples; those of a mean over targets are Student’s t with the "
        f"bootstrap’s standard error. A score is not estimable in fewer than {FEWEST} "
        f"patients, or with fewer than {FEWEST_OF_CLASS} of a class or with the event."
    )


def choices(config: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each choice of the published study: what it is, and in this run, and whose it is.

    A choice comes from the paper if the published abstract makes it, whatever this run has instead.
    """
    tiling, tuning = config["tiling"], config["finetune"]
    pooling, crossval = config["pooling"], config["crossval"]
    yield "network", f"Xception, weights: {config['network']['weights']}", PAPER
    yield "fine-tuning in two steps", f"on {tuning['dataset']}", PAPER
    yield "what is trained", f"the head, then from {tuning['step2']['unfreeze_from']} on", OURS
    rates = (tuning[step]["learning_rate"] for step in ("step1", "step2"))
    yield "learning rates", "{:g}, then {:g}".format(*rates), OURS
    yield "patches", f"{tiling['patch_px']} px at {tiling['target_mpp']:g} µm/px", OURS
    yield "stain", f"Macenko, method: {config['stain']['method']}", OURS
    yield "quality control", "applied" if config["qc"]["apply"] else "measured only", OURS
    yield "pooling", f"{pooling['patches']} of patches, {pooling['slides']} of slides", OURS
    yield "cross-validation", f"{crossval['folds']} folds, {crossval['repeats']} repeats", PAPER
    yield "splits grouped by", crossval["group_by"], OURS
    for name, task in config["tasks"].items():
        yield f"task {name}", task["kind"], PAPER if task["kind"] in OF_THE_PAPER else OURS
        yield f"predictor of {name}", task["predictor"], OURS
        if (targets := task.get("targets")) is not None:
            shown = targets if isinstance(targets, str) else ", ".join(targets)
            yield f"targets of {name}", shown, OURS
        if "positive" in task:
            yield f"positive value of {name}", str(task["positive"]), OURS
        if "classes" in task:
            yield f"classes of {name}", ", ".join(task["classes"]), OURS
    yield "level of significance", f"{config['statistics']['alpha']:g}", PAPER
    yield "primary test", "corrected resampled t-test", OURS
    yield "no relevant difference", f"within ±{config['statistics']['rope']:g}", OURS


def _decisions(statistics: Mapping[str, float], runs: int) -> str:
    alpha, rope = statistics["alpha"], statistics["rope"]
    text = (
        f"A difference counts as better or worse if q ≤ {alpha:g}. There is no relevant difference "
        "if two one-sided tests (Schuirmann 1987; Lakens 2017) show that it lies within "
        f"±{rope:g}, again with q ≤ {alpha:g}; for a single target this means that the "
        f"{100 * (1 - 2 * alpha):g} % interval lies within ±{rope:g}. A task of several targets is "
        "answered by the mean over those that were tested, with an interval that holds however the "
        "targets are correlated. The detectable difference is the one that the test would have "
        "decided with 80 % power, at the p that the decision takes beside the other targets of the "
        "task. The number of patients that would decide a difference assumes that it is the true "
        "one and that the standard error shrinks as 1/√n."
    )
    if runs > 1:
        text += (
            f" The {runs} runs of fine-tuning get one answer, about their mean: the squared "
            "standard error is that of one run plus the variance between runs over their number "
            "(interval by Zou & Donner 2008)."
        )
    return text


def _slides(tiling: Mapping[str, Any], qc: Mapping[str, Any], stain: Mapping[str, Any]) -> str:
    width, stride = tiling["patch_px"] * tiling["target_mpp"], tiling["stride_px"]
    apart = f"with a stride of {stride} px"
    overlap = "without overlap" if stride == tiling["patch_px"] else apart
    normalised = "not normalised"
    if stain["method"] != "none" and "reference" in stain:
        by = f"by Macenko’s method, fitted per {stain['method']}, with glass at {stain['glass']}"
        normalised = f"normalised to {stain['reference']} {by}"
    judged = "No patch was left out by quality control."
    if qc["apply"]:
        judged = (
            f"Quality control left out patches that are out of focus (sharpness below "
            f"{qc['min_sharpness']:g}), faint (mean optical density below {qc['min_od_mean']:g}), "
            f"marked with pen (more than {100 * qc['max_pen_fraction']:g} % of the pixels) or dark "
            f"(more than {100 * qc['max_dark_fraction']:g} %)"
        )
        if qc["min_grey"] > 0 or qc["max_grey"] < 255:
            judged += f", or whose mean grey is outside {qc['min_grey']:g} to {qc['max_grey']:g}"
        judged += "."
    return (
        f"Tissue was divided into patches of {tiling['patch_px']} px at "
        f"{tiling['target_mpp']:g} µm/px ({width:g} µm), {overlap}. Tiles with at least "
        f"{100 * tiling['min_tissue_fraction']:g} % tissue, in a mask at "
        f"{tiling['thumbnail_mpp']:g} µm/px, were kept. Stains were {normalised}. {judged}"
    )


def _extractors(config: Mapping[str, Any], random_weights: bool) -> str:
    found = extractors(config)
    said = []
    if any(extractor.kind in ("imagenet", "finetuned") for extractor in found.values()):
        weights = "random" if random_weights else "ImageNet"
        said.append(f"Xception with {weights} weights gives 2048 features per patch.")
    for kind, what in (
        ("imagenet", "off the shelf."),
        ("finetuned", ""),
        ("colour", "a control, the histograms of red, green and blue in a patch."),
        ("random", "a control, Xception with random weights."),
        ("model", "another network."),
        ("torchscript", "another network, of PyTorch."),
        ("features", "features per patch that another tool made."),
        ("table", "features per patient that another tool made."),
    ):
        if names := [name for name, extractor in found.items() if extractor.kind == kind]:
            what = what or _fine_tuning(config["finetune"])
            said.append(f"{joined(names)}: {what}")
    said += [f"{name}: {_of_timm(e.timm)}" for name, e in found.items() if e.timm]
    return " ".join([*said, *_side_by_side(config, found)])


def _of_timm(timm: TimmParameters) -> str:
    if timm.folder:
        return f"a network of timm from {timm.folder}."
    return f"a network of timm, {timm.repository} at {timm.revision[:8]}."


def _side_by_side(config: Mapping[str, Any], found: Mapping[str, Extractor]) -> Iterator[str]:
    together = [name for name, extractor in found.items() if extractor.kind == CONCAT]
    for name in together:
        if name in config["extractors"]:
            yield f"{name}: the features of {joined(found[name].parts)} side by side."
    if COVARIATES in found:
        beside = joined([name for name in together if name not in config["extractors"]])
        yield (
            f"{COVARIATES}: clinical covariates, alone and beside each extractor’s features "
            f"({beside}). A missing number was replaced by the median and a missing category by "
            "the most frequent one of the training fold, and each category became a column."
        )
    if together:
        yield (
            "What stands side by side was standardised, and each part divided so that all parts "
            "have the same total variance."
        )


def _fine_tuning(tuning: Mapping[str, Any]) -> str:
    one, two, augment = tuning["step1"], tuning["step2"], tuning["augment"]
    text = (
        f"fine-tuned on {tuning['dataset']} in two steps, in batches of {tuning['batch_size']}, "
        f"with {100 * tuning['validation_fraction']:g} % of the patches held out for early "
        f"stopping. The first step trained a head alone ({tuning['head_units']} units, dropout "
        f"{tuning['dropout']:g}; {_adam(one)}). The second also trained the network from "
        f"{two['unfreeze_from']} on ({_adam(two)})."
    )
    if tuning["label_smoothing"]:
        text += f" Labels were smoothed by {tuning['label_smoothing']:g}."
    if tuning["class_weights"] == "balanced":
        text += " Classes were weighted inversely to their counts."
    jitter = f"changed in stain by up to {augment['stain_jitter']:.0%}"
    turned = ("flipped and rotated", augment["flips_and_rotations"])
    if changes := [what for what, done in (turned, (jitter, augment["stain_jitter"])) if done]:
        text += f" In the second step, patches were {joined(changes)} at random."
    if tuning["anchor"]:
        text += (
            f" The loss of the second step also held, with weight {tuning['anchor']:g}, the "
            "squared distance of a patch’s features from those that the network gave the "
            "unchanged patch before fine-tuning, relative to their squared length."
        )
    return text


def _adam(step: Mapping[str, Any]) -> str:
    decay = " with cosine decay" if step["lr_schedule"] == "cosine" else ""
    return f"Adam {step['learning_rate']:g}{decay}, at most {step['epochs']} epochs"


def _cross_validation(config: Mapping[str, Any]) -> str:
    pooling, crossval = config["pooling"], config["crossval"]
    of_patches = any(e.is_network or e.kind == "features" for e in extractors(config).values())
    of_patients = any("dataset" not in task for task in config["tasks"].values())
    said = []
    if of_patches and of_patients:
        patches, slides = (
            POOLED.get(pooling[name], pooling[name]) for name in ("patches", "slides")
        )
        said.append(
            f"A slide is the {patches} of its patches, and a patient the {slides} of the slides."
        )
    said.append(
        f"Cross-validation has {crossval['folds']} folds and is repeated {crossval['repeats']} "
        "times. The splits are drawn once per task and shared by all extractors."
    )
    if of_patients:
        said.append("No patient is on both sides of a split.")
    if crossval["group_by"] == "site":
        site = "site" if "site_column" in config else "TCGA tissue source site"
        said.append(f"All patients of a {site} are on the same side.")
    said.append("Scaling and tuning are fitted inside the training folds.")
    return " ".join([*said, *(_task(name, task) for name, task in config["tasks"].items())])


def _task(name: str, task: Mapping[str, Any]) -> str:
    by = PREDICTORS[task["predictor"]]
    values = VALUES[task["kind"]]
    if values == CLASSES and task["predictor"] == "logistic":
        by = "multinomial L2-penalised logistic regression on standardised features"
        cs = task["C"] if isinstance(task["C"], list) else [task["C"]]
        by += ", with C chosen by inner cross-validation" if len(cs) > 1 else f", C = {cs[0]:g}"
    if "grid" in task:
        by += f", with {joined(sorted(task['grid']))} chosen by inner cross-validation"
    if "dataset" in task:
        return f"{name}: classes of {task['dataset']}, by {by}."
    if values == CLASSES:
        return f"{name}: classes of patients, by {by}."
    if values in (TWO_VALUES, TIMES):
        return f"{name}: {by}."
    if isinstance(transform := task["transform"], Mapping):
        return f"{name}: values clipped at ±{transform['clip']:g}, by {by}."
    return f"{name}: {TRANSFORMS[transform]}, by {by}."
