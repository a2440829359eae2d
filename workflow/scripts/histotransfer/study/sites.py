"""Where patients were treated: the site, which may betray itself in the pictures.

Imported by the Snakefile, so only the standard library may be imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import HistotransferError
from ..core.patient_ids import tissue_source_site
from .slide_sheet import Slide


def sites_of_patients(config: Mapping[str, Any], slides: Iterable[Slide]) -> dict[str, str]:
    """Return the site of each patient; nothing unless all have one, and there are two at least.

    The site is what the column `site_column` of the slide sheet says; without this key it is the
    tissue source site of a TCGA barcode.

    Raises
    ------
    HistotransferError
        If `site_column` is named and there is no sheet, or it gives a patient two sites or none.
    """
    named = config.get("site_column", "")
    if named and "slides" not in config:
        raise HistotransferError(
            "config: site_column",
            f"there is no slide sheet that could have a column `{named}`",
            "Name a sheet as `slides`, or leave `site_column` out",
        )
    found: dict[str, str] = {}
    for slide in slides:
        site = slide.site if named else tissue_source_site(slide.patient)
        if (other := found.setdefault(slide.patient, site)) != site:
            raise HistotransferError(
                config["slides"],
                f"gives patient {slide.patient} two sites, {other or 'none'} and {site or 'none'}",
                f"Correct the column `{named}`",
            )
    lacking = [patient for patient, site in found.items() if not site]
    if named and lacking:
        raise HistotransferError(
            config["slides"],
            f"names no site for patient {lacking[0]}",
            f"Fill the column `{named}`, or leave `site_column` out of the config",
        )
    return found if not lacking and len(set(found.values())) > 1 else {}
