"""Sums of usage are made when their period is over. Up to where, stands in `meta`."""

from __future__ import annotations

from typing import Any

from peewee import Database
from playhouse.migrate import SchemaMigrator

_SPANS_S = (300, 3600, 86400)
_SUMS = """
INSERT INTO usage_period (account_id, env_z_id, share_token, span_s, begin_ms, rx_bytes, tx_bytes)
SELECT max(account_id), max(env_z_id), share_token, {span_s}, {at} / {span_ms} * {span_ms}, sum(rx_bytes), sum(tx_bytes)
FROM {table} WHERE {at} >= {begin_ms} {finer} GROUP BY share_token, {at} / {span_ms}
ON CONFLICT (share_token, span_s, begin_ms) DO UPDATE SET rx_bytes = excluded.rx_bytes, tx_bytes = excluded.tx_bytes
"""


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Those of all that is over are there, and the last of the shortest; what comes now counts as of after that.

    Samples tell nothing of it: where nobody came for some hours there are none.
    """
    last_ms = _run(db, "SELECT max(begin_ms) FROM usage_period").fetchone()[0]
    known_ms = 0 if last_ms is None else last_ms + _SPANS_S[0] * 1000
    marks = {f"usage rolled {span_s}": known_ms // (span_s * 1000) * span_s * 1000 for span_s in _SPANS_S}
    for key, at_ms in {**marks, "usage sealed": known_ms}.items():
        _run(db, "INSERT INTO meta (key, value) VALUES ({value}, {value})", key, str(at_ms))


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Make those that are not over yet, too: what comes is added to them."""
    for number, span_s in enumerate(_SPANS_S):
        (rolled_ms,) = _run(db, "SELECT value FROM meta WHERE key = {value}", f"usage rolled {span_s}").fetchone()
        source = {"table": "usage_sample", "at": "at_ms", "finer": ""}
        if number:
            source = {"table": "usage_period", "at": "begin_ms", "finer": f"AND span_s = {_SPANS_S[number - 1]}"}
        _run(db, _SUMS.format(**source, span_s=span_s, span_ms=span_s * 1000, begin_ms=int(rolled_ms)))
    _run(db, "DELETE FROM meta WHERE key LIKE {value}", "usage %")


def _run(db: Any, statement: str, *values: str) -> Any:
    return db.execute_sql(statement.format(value=db.param), values)
