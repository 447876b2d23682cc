"""Facts about the store itself."""

from zrokd.store import meta
from zrokd.store.database import Store


def test_an_instance_id_is_made_once(store):
    made = store.write(meta.instance_id)
    assert len(made) == 12
    assert store.write(meta.instance_id) == made
    assert Store(store.database).write(meta.instance_id) == made


def test_two_stores_are_two_instances(store, open_database):
    from zrokd.store import migrate

    first = store.write(meta.instance_id)
    other = open_database("other")
    migrate.upgrade(other)
    assert Store(other).write(meta.instance_id) != first


def test_versions_count_up_one_by_one(store):
    assert store.read(meta.version) == 0
    assert [store.write(meta.next_version) for _ in range(3)] == [1, 2, 3]
    assert store.read(meta.version) == 3


def test_a_version_is_taken_back_with_its_transaction(store):
    import pytest

    def fail():
        meta.next_version()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.write(fail)
    assert store.read(meta.version) == 0


def test_an_epoch_is_made_once_and_can_be_ended(store):
    assert store.read(meta.epoch) == ""
    store.write(meta.ensure_epoch)
    first = store.read(meta.epoch)
    store.write(meta.ensure_epoch)
    assert store.read(meta.epoch) == first != ""
    store.write(meta.begin_epoch)
    assert store.read(meta.epoch) not in ("", first)


def test_an_epoch_ends_when_the_machine_starts_anew(store):
    assert store.write(meta.note_boot, "first")
    assert store.read(meta.epoch) == ""
    store.write(meta.ensure_epoch)
    before = store.read(meta.epoch)
    assert not store.write(meta.note_boot, "first")
    assert store.read(meta.epoch) == before
    assert store.write(meta.note_boot, "second")
    assert store.read(meta.epoch) not in ("", before)


def test_pruning_remembers_how_far(store):
    assert store.read(meta.pruned_version) == 0
    store.write(meta.set_pruned_version, 7)
    store.write(meta.set_pruned_version, 9)
    assert store.read(meta.pruned_version) == 9
