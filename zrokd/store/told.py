"""Many rows that somebody told us, as a table in a statement: one value that the database takes apart.

A query of peewee's with a thousand values costs more to make than to carry out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from zrokd.store.base import database
from zrokd.store.dialects import dialect_of


def run(statement: str, rows: Iterable[tuple[str | int, ...]], *values: Any) -> Any:
    """The cursor of a statement. `{told}` in it is the table: `told.value ->> 0` is a row's first column, as text.

    `{value}` stands for each of `values`, all of which come behind it.
    """
    store: Any = database
    told = dialect_of(store.obj).told.format(value=store.param)
    return store.execute_sql(statement.format(told=told, value=store.param), [json.dumps(list(rows)), *values])
