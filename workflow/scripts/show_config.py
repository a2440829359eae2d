"""Print a config with its defaults, and where each value comes from: `make config`."""

import sys
from pathlib import Path

from histotransfer.core.errors import HistotransferError
from histotransfer.study.config import check_config, complete
from histotransfer.study.origins import origins
from histotransfer.study.schema import read_yaml

WORKFLOW = Path(__file__).parents[1]

try:
    DEFAULTS = WORKFLOW / "defaults.yaml"
    config = complete(read_yaml(sys.argv[1]), DEFAULTS)
    check_config(config, WORKFLOW / "schemas/config.schema.yaml")
    rows = list(origins(config, complete({}, DEFAULTS)))
    width = max(len(key) for key, _, _ in rows)
    for key, value, origin in rows:
        print(f"{key:{width}}  {origin:14}  {value}")
except (HistotransferError, OSError) as error:
    sys.exit(str(error))
