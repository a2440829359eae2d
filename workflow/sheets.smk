# A workflow of its own, because the graph of the study depends on the sheets that this one writes: `make sheets`,
# or snakemake --snakefile workflow/sheets.smk --cores 1 [--configfile my_study.yaml]
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")


if "study" not in config and not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


WORKFLOW = Path(workflow.current_basedir)
SCRIPTS = WORKFLOW / "scripts"
sys.path.insert(0, str(SCRIPTS))

from histotransfer.core.errors import HistotransferError
from histotransfer.core.provenance import code_digest
from histotransfer.study.config import check_config, complete, sheet_files

try:
    config.update(complete(config, WORKFLOW / "defaults.yaml"))
    check_config(config, WORKFLOW / "schemas/config.schema.yaml")
except HistotransferError as error:
    raise WorkflowError(str(error))
if "download" not in config:
    raise WorkflowError("the config has no key `download`, which says where to ask")
if there := [path for path in sheet_files(config).values() if Path(path).exists()]:
    # Snakemake would delete them first, and the user may have edited them.
    raise WorkflowError(
        f"These already exist: {', '.join(there)}. "
        "Move or delete them to have them written again."
    )


localrules:
    write_sheets,


# The GDC's answer may differ from day to day, so this runs only on request.
rule write_sheets:
    output:
        **sheet_files(config),
    log:
        f"{config['results']}/logs/write_sheets.log",
    benchmark:
        f"{config['results']}/benchmarks/write_sheets.tsv"
    conda:
        "../envs/download.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        address=config["download"]["gdc"],
        project=config["download"]["project"],
        samples=config["download"].get("samples", ["primary"]),
        slide_folder=f"{config['download']['folder']}/slides",
        code=code_digest(SCRIPTS / "write_sheets.py", SCRIPTS),
    script:
        "scripts/write_sheets.py"
