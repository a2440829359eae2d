"""Parameters of the stages: one frozen dataclass each, made from the config once.

A rule's `params` are the fields of its dataclass (`Parameters.as_params`), and its script makes the
dataclass from them again (`Parameters.of`), so a job runs again when one of them changes, and only
then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self


@dataclass(frozen=True)
class Parameters:
    """What the dataclasses of this module have in common."""

    @classmethod
    def of(cls, params: object) -> Self:
        """Make the dataclass from a rule's params, or from a section of the config.

        Parameters
        ----------
        params : object or mapping
            Has at least the dataclass's fields, as attributes or as keys.
        """
        get = params.__getitem__ if isinstance(params, Mapping) else params.__getattribute__
        return cls(**{field.name: get(field.name) for field in fields(cls)})

    def as_params(self) -> dict[str, Any]:
        """Return the fields by name; nested dataclasses become dicts."""
        return asdict(self)


@dataclass(frozen=True)
class TilingParameters(Parameters):
    """How candidate tiles are laid over the tissue of a slide.

    Attributes
    ----------
    patch_px, stride_px : int
        Width of a patch and distance between patches, in px at `target_mpp`.
    target_mpp : float
        Wanted scale, in µm/px.
    mpp_tolerance : float
        Relative difference up to which a level is read as it is.
    thumbnail_mpp : float
        Scale of the tissue mask, in µm/px.
    min_tissue_fraction : float
        A tile with less tissue in the mask is not a candidate.
    """

    patch_px: int
    stride_px: int
    target_mpp: float
    mpp_tolerance: float
    thumbnail_mpp: float
    min_tissue_fraction: float


@dataclass(frozen=True)
class EncodingParameters(Parameters):
    """How patches are stored.

    Attributes
    ----------
    codec : {"jpeg", "png"}
        PNG is lossless, and about three times larger.
    jpeg_quality : int
        50 to 100; chroma is not subsampled.
    """

    codec: str
    jpeg_quality: int


@dataclass(frozen=True)
class PatchParameters(EncodingParameters):
    """How the candidate tiles of a slide become stored patches.

    Attributes
    ----------
    codec, jpeg_quality
        As in `EncodingParameters`.
    stain_method : {"slide", "patch", "none"}
        What Macenko's stains are fitted to.
    stain_fallback : {"none", "exclude"}
        What happens to a slide (or patch) whose stain cannot be estimated: it is used as it is, or
        left out.
    max_background_fraction : float
        A patch with more background is measured but not stored.
    max_unreadable_fraction : float
        A slide with more unreadable tiles is excluded.
    seed : int
        Draws the pixels to which a slide's stain is fitted.
    icc : {"ignore", "apply"}
        Whether patches are converted to sRGB by the colour profile that a slide carries.
    """

    stain_method: str
    stain_fallback: str
    max_background_fraction: float
    max_unreadable_fraction: float
    seed: int
    icc: str = "ignore"


@dataclass(frozen=True)
class QcParameters(Parameters):
    """The thresholds of quality control, on each patch's metrics.

    Attributes
    ----------
    max_pen_fraction, max_dark_fraction : float
        Largest fractions of pixels that are ink, or darker than stained tissue.
    min_sharpness : float
        Smallest ratio of the structure at 2 µm to that at 4 µm.
    min_od_mean : float
        Smallest mean optical density.
    min_grey, max_grey : float
        Limits of the mean grey level, 0 to 255.
    """

    max_pen_fraction: float
    max_dark_fraction: float
    min_sharpness: float
    min_od_mean: float
    min_grey: float
    max_grey: float


@dataclass(frozen=True)
class StepParameters(Parameters):
    """One of the two steps of fine-tuning.

    Attributes
    ----------
    epochs : int
        At most so many.
    learning_rate : float
        Adam's.
    lr_schedule : {"none", "cosine"}
        How the learning rate falls over the epochs.
    patience : int
        Epochs without a lower validation loss after which the step ends.
    unfreeze_from : str
        The first block that is trained, ``block1`` to ``block14``, or ``all``; "" trains the head
        alone.
    """

    epochs: int
    learning_rate: float
    lr_schedule: str
    patience: int
    unfreeze_from: str = ""


@dataclass(frozen=True)
class AugmentationParameters(Parameters):
    """How patches are changed each time that they are shown to the network.

    Attributes
    ----------
    flips_and_rotations : bool
        Show a patch in one of its eight symmetries.
    stain_jitter : float
        Change each stain by up to this fraction, in seven of eight versions of a patch.
    """

    flips_and_rotations: bool
    stain_jitter: float

    @property
    def versions(self) -> int:
        """Number of versions of a patch: 1, or as many as the square has symmetries."""
        return 8 if self.flips_and_rotations or self.stain_jitter > 0 else 1


@dataclass(frozen=True)
class FineTuningParameters(Parameters):
    """The recipe of fine-tuning.

    Attributes
    ----------
    validation_fraction : float
        Fraction of each class that is held out for early stopping.
    head_units : int
        Width of the head's hidden layer.
    dropout : float
        Rate of both of the head's dropouts.
    batch_size : int
    label_smoothing : float
        Fraction of a label that is spread over all classes.
    class_weights : {"none", "balanced"}
        Weights of the classes in the loss; balanced ones are inverse to the classes' counts.
    anchor : float
        Weight, in step 2, of the distance of a patch's features from the network's before.
    augment : AugmentationParameters
    cache : bool
        Keep the frozen blocks' output on disk, instead of computing it in every epoch.
    step1, step2 : StepParameters
        The head alone; then the last blocks as well.
    """

    validation_fraction: float
    head_units: int
    dropout: float
    batch_size: int
    label_smoothing: float
    class_weights: str
    anchor: float
    augment: AugmentationParameters
    cache: bool
    step1: StepParameters
    step2: StepParameters

    @classmethod
    def of(cls, params: object) -> Self:
        """Make the dataclass, nested ones included, as `Parameters.of` does."""
        flat = super().of(params)
        nested: dict[str, Any] = {field.name: getattr(flat, field.name) for field in fields(cls)}
        nested["augment"] = AugmentationParameters(**nested["augment"])
        nested["step1"], nested["step2"] = (
            StepParameters(**nested[step]) for step in ("step1", "step2")
        )
        return cls(**nested)


@dataclass(frozen=True)
class ComputeParameters(Parameters):
    """How the network is computed.

    Attributes
    ----------
    gpu : bool or "prefer"
        True: on a GPU, or it is an error; ``prefer``: on the CPU where there is none; False: on the
        CPU.
    precision : {"auto", "float32", "mixed"}
        ``mixed`` computes in float16 where that is safe; ``auto`` does so on a GPU.
    jit : bool or "auto"
        Whether XLA compiles the network; ``auto`` does so on a GPU.
    """

    gpu: bool | str
    precision: str
    jit: bool | str


@dataclass(frozen=True)
class TimmParameters(Parameters):
    """Which network of timm an extractor is.

    Attributes
    ----------
    name : str
        ``hf-hub:OWNER/REPOSITORY``, a name of timm with its tag, or ``local-dir:FOLDER``.
    revision : str
        The commit of the repository; empty for a folder.
    pooling : {"", "cls", "mean", "cls+mean"}
        How tokens become features; empty for what its model card says, or else the network's own.
    arguments : mapping
        Of the architecture, beside those in the repository's ``config.json``.
    """

    name: str
    revision: str
    pooling: str
    arguments: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """The user's folder; empty for a repository."""
        return self.name.removeprefix("local-dir:") if self.name.startswith("local-dir:") else ""

    @property
    def repository(self) -> str:
        """``OWNER/REPOSITORY`` on the Hugging Face Hub; empty for a folder."""
        if self.folder:
            return ""
        scheme, _, repository = self.name.rpartition(":")
        return repository if scheme else f"timm/{self.name}"


@dataclass(frozen=True)
class ExtractionParameters(Parameters):
    """How patches become features.

    Attributes
    ----------
    batch_size : int or "auto"
        Patches per step of the network; ``auto`` measures which is fastest.
    dtype : {"float16", "float32"}
        Storage of the features.
    compute : ComputeParameters
        How the network is computed.
    """

    batch_size: int | str
    dtype: str
    compute: ComputeParameters

    @classmethod
    def of(cls, params: object) -> Self:
        """Make the dataclass and the nested one, as `Parameters.of` does."""
        flat = super().of(params)
        return replace(flat, compute=ComputeParameters.of(flat.compute))


@dataclass(frozen=True)
class PoolingParameters(Parameters):
    """How patches become a slide, and slides a patient.

    Attributes
    ----------
    across_patches, across_slides : {"mean", "median", "max", "mean+std"}
    apply_qc : bool
        Whether only patches that pass quality control count.
    """

    across_patches: str
    across_slides: str
    apply_qc: bool


@dataclass(frozen=True)
class SplitParameters(Parameters):
    """How the folds of the cross-validation are drawn.

    Attributes
    ----------
    folds, repeats : int
    group_by : {"patient", "site"}
        What never stands on both sides of a split; ``site`` is TCGA's tissue source site.
    seed : int
    """

    folds: int
    repeats: int
    group_by: str
    seed: int


@dataclass(frozen=True)
class CohortParameters(Parameters):
    """Which patients train the models, and which are the external cohort.

    Attributes
    ----------
    train, test : str
        The names of the two cohorts.
    path : str
        What names each patient's cohort: the slide sheet, or a table of patients.
    id_column : str
        The table's column of ids; empty if the rules find it.
    patients : mapping of str to str or None
        Each patient's cohort, as the slide sheet has it; None if a table names it.
    """

    train: str
    test: str
    path: str
    id_column: str
    patients: Mapping[str, str] | None


@dataclass(frozen=True)
class StatisticsParameters(Parameters):
    """How extractors are compared.

    Attributes
    ----------
    rope : float
        Differences within ± this are practically equivalent.
    alpha : float
        Level of significance.
    seed : int
        Of the draws that bound the share of genes improved.
    """

    rope: float
    alpha: float
    seed: int
