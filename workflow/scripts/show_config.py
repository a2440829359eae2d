"""Print a config with its defaults, and where each value comes from: `make config`."""

import sys
from pathlib import Path

import yaml

from histotransfer.core.errors import HistotransferError
from histotransfer.study.config import check_config, complete
from histotransfer.study.origins import origins

WORKFLOW = Path(__file__).parents[1]

try:
    DEFAULTS = WORKFLOW / "defaults.yaml"
    config = complete(yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8")), DEFAULTS)
    check_config(config, WORKFLOW / "schemas/config.schema.yaml")
    rows = list(origins(config, complete({}, DEFAULTS)))
    width = max(len(key) for key, _, _ in rows)
    for key, value, origin in rows:
        print(f"{key:{width}}  {origin:14}  {value}")
except (HistotransferError, OSError) as error:
    sys.exit(str(error))
