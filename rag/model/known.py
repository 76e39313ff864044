"""Reads records of a later version of Aegis, which may share its stores with this one while it is rolled out.

A later version may add fields: those that this version does not know are left out. What it could not read at
all would have a higher format (docs/reference/stored-formats.md).
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def known_fields(kind: type, record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``record`` that the dataclass ``kind`` has. TypeError for what is no record."""
    return {each.name: record[each.name] for each in fields(kind) if each.name in record}
