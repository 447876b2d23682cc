"""What stands on the network before anything is shared, made or checked as soon as the network answers."""

from __future__ import annotations

import logging

from zrokd.errors import OverlayError

from .api import Refused, Single
from .management import Management
from .standing import WOULD_MAKE, Names, bootstrap


class Footing:
    """Of one instance. Any greenlet may ask; many at once ask the network once."""

    def __init__(self, management: Management, instance: str, *, only_check: bool, log: logging.Logger) -> None:
        self._management, self._names, self._only_check, self._log = management, Names(instance), only_check, log
        self._single, self._stands = Single(), False

    def begin(self) -> None:
        """See to it now, or, when no controller answers, before the first use. Switches greenlets.

        :raises OverlayError: the network answers, and refuses; or it lacks something, and it is only to be checked.
        """
        try:
            self.ensure()
        except OverlayError as error:
            if not (self._management.away or (isinstance(error, Refused) and error.passing)):
                raise
            self._log.warning("%s; what changes the network waits for it", error)

    def ensure(self) -> None:
        """All of it stands afterwards. Answers at once when it did. Switches greenlets. :raises OverlayError: not."""
        if not self._stands:
            self._single.run("stand", self._stand)

    def _stand(self) -> None:
        for step in bootstrap(self._management, self._names, dry_run=self._only_check):
            self._log.debug("network: %s", step)
            if step.action == WOULD_MAKE:
                raise OverlayError(f"the network lacks {step.what}; run `zrokd admin bootstrap` with this file")
        self._stands = True
