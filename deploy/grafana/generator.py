"""Writes the boards as JSON: ``python deploy/grafana/generator.py [FOLDER]``, else into ``dashboards/``."""

import json
import sys
from pathlib import Path

from boards.backups import BACKUPS
from boards.dependencies import DEPENDENCIES
from boards.lanes import LANES
from boards.models import MODELS
from boards.overview import OVERVIEW
from boards.service_levels import SERVICE_LEVELS

BOARDS = (OVERVIEW, LANES, MODELS, DEPENDENCIES, BACKUPS, SERVICE_LEVELS)


def write_boards(folder: Path) -> None:
    for board in BOARDS:
        text = json.dumps(board.build(), indent=2, ensure_ascii=False)
        (folder / f"{board.name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    write_boards(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "dashboards")
