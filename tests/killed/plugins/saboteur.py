"""An observer that ends its own process, with SIGKILL, at the n-th call of the database or the overlay.

Calls are counted while an account or an administrator is at work; what the controller does by itself is not. `n` stands
in the file `kill_at`. While the file `hold` is there, the controller does not compare store and overlay by itself.
"""

import functools
import os
import signal
import time
from pathlib import Path

from zrokd import hookimpl
from zrokd.contracts import Observer, Settings
from zrokd.model.audit import actor
from zrokd.service.reconcile import Reconciler
from zrokd.store.database import Store

OVERLAYS = {
    "local": ("zrokd_plugins.overlay_local.admin", "LocalAdmin"),
    "ziti": ("zrokd_plugins.overlay_ziti.management", "Management"),
}
CHANGES = ("create_environment", "delete_environment", "create_share", "delete_share", "create_access", "delete_access")


class SaboteurSettings(Settings):
    """Where it is told, and which overlay it listens to."""

    folder: str
    overlay: str


class Saboteur(Observer):
    """Counts from the moment `kill_at` is there."""

    name = "saboteur"
    Settings = SaboteurSettings
    _count = 0

    def open(self):
        self._kill_at, self._hold = (Path(self.settings.folder, name) for name in ("kill_at", "hold"))
        self._around(Store, "_write")
        module, cls = OVERLAYS[self.settings.overlay]
        overlay = getattr(__import__(module, fromlist=[cls]), cls)
        for name in ["call"] if cls == "Management" else CHANGES:
            self._around(overlay, name)
        real = Reconciler.reconcile

        def reconcile(reconciler, *, dry_run=False, **how):
            while not dry_run and self._hold.exists():
                time.sleep(0.01)
            return real(reconciler, dry_run=dry_run, **how)

        Reconciler.reconcile = reconcile

    def _around(self, cls, name):
        real = getattr(cls, name)

        @functools.wraps(real)
        def counted(self_, *args, **kwargs):
            if args and args[0] == "GET":  # of Management.call: it changes nothing
                return real(self_, *args, **kwargs)
            self._step()
            try:
                return real(self_, *args, **kwargs)
            finally:
                self._step()

        setattr(cls, name, counted)

    def _step(self):
        if actor().name in ("controller", "configuration") or not self._kill_at.exists():
            return
        self._count += 1
        if self._count == int(self._kill_at.read_text()):
            os.kill(os.getpid(), signal.SIGKILL)


@hookimpl
def zrokd_provide_observers():
    return [Saboteur]
