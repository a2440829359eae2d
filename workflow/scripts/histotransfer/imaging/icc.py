"""ICC profiles: what a scanner's colours mean, and their conversion to sRGB."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

Conversion = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]


class UnusableProfile(ValueError):
    """The bytes are no ICC profile of an RGB device; its text says why."""


def describe(profile: bytes) -> str:
    """Return what a profile calls itself in one line; ``unreadable`` if it is damaged."""
    try:
        found = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile)))
    except (OSError, ImageCms.PyCMSError):
        return "unreadable"
    return " ".join(found.split()) or "without a name"


def to_srgb(profile: bytes) -> Conversion:
    """Return the conversion of RGB images (h, w, 3) of a device to sRGB, by Little CMS.

    The rendering intent is the profile's own.

    Raises
    ------
    UnusableProfile
        If the profile is damaged, or not one of RGB.
    """
    try:
        device = ImageCms.ImageCmsProfile(BytesIO(profile))
        transform = ImageCms.buildTransform(
            device,
            ImageCms.createProfile("sRGB"),
            "RGB",
            "RGB",
            ImageCms.Intent(ImageCms.getDefaultIntent(device)),
        )
    except (OSError, ImageCms.PyCMSError, ValueError) as error:
        raise UnusableProfile(str(error)) from error

    def convert(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return np.asarray(transform.apply(Image.fromarray(np.ascontiguousarray(image))))

    return convert
