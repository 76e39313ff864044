"""Where a listing goes on, and how much of it at once."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query


@dataclass(frozen=True, slots=True)
class Paging:
    cursor: Annotated[str | None, Query(max_length=1024, description="`next` of the page before")] = None
    limit: Annotated[int, Query(ge=1, le=200)] = 50


Paged = Annotated[Paging, Depends()]
