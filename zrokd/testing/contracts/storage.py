"""StorageContract: every storage passes it, and so does yours."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import gevent
import pytest

from zrokd.contracts import Storage
from zrokd.errors import NotFound
from zrokd.model.naming import Namespace
from zrokd.store import accounts, migrate, namespaces
from zrokd.store.database import Store
from zrokd.testing.contracts.component import ComponentContract
from zrokd.testing.plugin import Bench


class StorageContract(ComponentContract):
    """The suite for slot storage."""

    #: Whether what was written is there after the component was closed and made again with the same settings.
    keeps: ClassVar[bool] = True

    @pytest.fixture
    def store(self, component: Storage, zrokd: Bench) -> Store:
        """Our tables in the storage, up to date."""
        made = Store.over(component, zrokd.ctx.offload)
        made.offload(migrate.upgrade, component.database())
        return made

    def test_it_gives_the_same_database_at_every_call(self, component: Storage) -> None:
        assert component.database() is component.database()

    def test_the_schema_goes_up_and_down_and_up_again(self, component: Storage, zrokd: Bench) -> None:
        database = component.database()
        offload = Store.over(component, zrokd.ctx.offload).offload
        steps = offload(migrate.upgrade, database)
        assert steps
        offload(migrate.check, database)
        assert offload(migrate.upgrade, database) == ()
        offload(migrate.downgrade, database, len(steps))
        assert all(step.pending for step in offload(migrate.status, database))
        assert offload(migrate.upgrade, database) == steps

    def test_what_is_written_is_read(self, store: Store) -> None:
        made = store.write(accounts.add, "ann@example.com", "hash", 1)
        assert store.read(accounts.by_email, "ann@example.com") == made

    def test_a_write_that_fails_leaves_nothing(self, store: Store) -> None:
        def half() -> None:
            accounts.add("ann@example.com", "hash", 1)
            raise NotFound("on purpose")

        with pytest.raises(NotFound):
            store.write(half)
        assert store.read(accounts.by_email, "ann@example.com") is None

    def test_writers_at_the_same_time_lose_nothing(self, store: Store) -> None:
        def write(number: int) -> None:
            store.write(namespaces.add, Namespace(token=f"n{number}", zone=f"z{number}.example"), 1)

        writing = [gevent.spawn(write, number) for number in range(24)]
        gevent.joinall(writing, timeout=20, raise_error=True)
        found = store.read(namespaces.every)
        assert {namespace.token for namespace in found} >= {f"n{number}" for number in range(24)}

    def test_a_query_that_takes_its_time_does_not_stop_the_hub(self, store: Store) -> None:
        turns = 0

        def turn() -> None:
            nonlocal turns
            while True:
                gevent.sleep(0.001)
                turns += 1

        turning = gevent.spawn(turn)
        for number in range(20):
            store.write(accounts.add, f"a{number}@example.com", "", 1)
        turning.kill()
        assert turns > 0

    def test_what_was_written_is_there_after_a_restart(self, zrokd: Bench, tmp_path: Path) -> None:
        if not self.keeps:
            return
        settings = self.make_settings(tmp_path)
        first = zrokd.open(self.Component, settings)
        store = Store.over(first, zrokd.ctx.offload)
        store.offload(migrate.upgrade, first.database())
        made = store.write(accounts.add, "ann@example.com", "hash", 1)
        zrokd.close(first)
        second = Store.over(zrokd.open(self.Component, settings), zrokd.ctx.offload)
        assert second.read(accounts.by_email, "ann@example.com") == made
