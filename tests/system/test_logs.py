"""What the parts of a stack log at its start: one format, no banner, no warning, no line for our probes."""

import re

from tests.system.running import Stack

_FORMAT = re.compile(r"[0-9-]{10} [0-9:]{8},[0-9]{3} (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) (\S+) .+")
_PARTS = {"api", "beat", "broker", "vectors"}


def test_every_line_of_every_part_has_time_level_and_part(own_stack: Stack) -> None:
    own_stack.start().until_ready()
    logs = {path.stem: path.read_text("utf-8") for path in (own_stack.home / "logs").glob("*.log")}

    workers = {own_stack.part("parse"), own_stack.part("rerank")}
    assert {part for part, text in logs.items() if text} >= _PARTS | workers
    for part, text in logs.items():
        formed = [_FORMAT.fullmatch(line) for line in text.splitlines()]
        assert None not in formed, text
        assert {line[1] for line in formed if line} <= {part}, text
        assert "py.warnings" not in text
        assert "GET /health" not in text
