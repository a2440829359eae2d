"""What the GDC lists: slides, expression and mutations of patients."""

from __future__ import annotations

import gzip

from support.loopback import Archive

PROJECT = "TCGA-LUAD"


PRIMARY, NORMAL = "Primary Tumor", "Solid Tissue Normal"


STAR = (
    "# gene-model: GENCODE v36\ngene_id\tgene_name\tgene_type\tunstranded\ttpm_unstranded\n"
    "N_unmapped\t\t\t9\t\n"
)


MAF = "#version gdc-1.0.0\nHugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\n"


def described(kind: str) -> dict[str, str]:
    """Return a sample's kind as the GDC's dictionary says it since version 3."""
    if kind == NORMAL:
        return {"tissue_type": "Normal", "tumor_descriptor": "Not Applicable"}
    descriptors = {PRIMARY: "Primary", "Metastatic": "Metastatic", "Recurrent Tumor": "Recurrence"}
    return {"tissue_type": "Tumor", "tumor_descriptor": descriptors[kind]}


def case(*samples: tuple[str, str], project: str = PROJECT) -> list[dict[str, object]]:
    return [
        {
            "submitter_id": samples[0][0][:12],
            "project": {"project_id": project},
            "samples": [{"submitter_id": name, "sample_type": kind} for name, kind in samples],
        }
    ]


def add_slide(archive: Archive, slide: str, kind: str = PRIMARY, content: bytes = b"", **facts):
    number = len(archive.files)
    archive.add_file(
        f"slide-{number:05d}", content or slide.encode(), **{
            "file_name": f"{slide}.{number:08x}.svs", "data_type": "Slide Image",
            "experimental_strategy": "Diagnostic Slide" if "-DX" in slide else "Tissue Slide",
            "cases": case((slide[:16], kind)),
            "associated_entities": [{"entity_submitter_id": slide, "entity_type": "slide"}],
            **facts,
        },
    )  # fmt: skip


def add_expression(
    archive: Archive, sample: str, content: str, kind: str = PRIMARY, plate: str = "1000"
):
    number = len(archive.files)
    archive.add_file(
        f"star-{number:05d}", content.encode(),
        file_name=f"{number:08x}.rna_seq.augmented_star_gene_counts.tsv",
        data_type="Gene Expression Quantification", experimental_strategy="RNA-Seq",
        analysis={"workflow_type": "STAR - Counts"}, cases=case((sample, kind)),
        associated_entities=[{"entity_submitter_id": f"{sample}-11R-{plate}-07"}],
    )  # fmt: skip


def add_mutations(archive: Archive, sample: str, content: str, **facts):
    number = len(archive.files)
    normal = f"{sample[:13]}10A"
    archive.add_file(
        f"maf-{number:05d}", gzip.compress(content.encode(), mtime=0), **{
            "file_name": f"{number:08x}.wxs.aliquot_ensemble_masked.maf.gz",
            "data_type": "Masked Somatic Mutation", "data_format": "MAF",
            "experimental_strategy": "WXS", "cases": case((normal, NORMAL), (sample, PRIMARY)),
            "associated_entities": [
                {"entity_submitter_id": f"{normal}-01D-1000-08"},
                {"entity_submitter_id": f"{sample}-11D-1000-08"},
            ],
            **facts,
        },
    )  # fmt: skip


def add_patients(archive: Archive, patients: list[str]):
    archive.cases += [
        {"case_id": f"case-{name}", "submitter_id": name, "project": {"project_id": PROJECT}}
        for name in patients
    ]


def row(sample: str, gene: str = "A", kind: str = "Missense_Mutation") -> str:
    return f"{gene}\t{kind}\t{sample}-11D-1000-08\n"
