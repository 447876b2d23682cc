"""The operator's upkeep."""

from __future__ import annotations

from zrokd.api.call import Call, Found, queried
from zrokd.wire import answers


@queried("dry_run")
def reconcile(call: Call) -> Found:
    """POST /zrokd/reconcile?dry_run=1: what was done, or would be, as sentences."""
    dry_run = call.query.get("dry_run", "0") not in ("", "0", "false")
    return Found(answers.reconciled_to_wire(call.services.reconciler.reconcile(dry_run=dry_run), dry_run=dry_run))
