"""What this process may take of the machine."""

from __future__ import annotations

import logging
import resource

_FEW = 4096


def forbid_cores() -> None:
    """No file with this process's memory, which holds secrets, when it crashes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def raise_descriptor_limit(log: logging.Logger) -> None:
    """Raise the soft limit of open files to the hard one; warn where that is not much."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            log.warning("the limit of %d open files cannot be raised: %s", soft, error)
    if hard != resource.RLIM_INFINITY and hard < _FEW:
        log.warning("only %d open files are allowed; a busy frontend needs more: set LimitNOFILE in the unit", hard)
