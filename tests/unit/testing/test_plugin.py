import pytest

from zrokd.contracts import Observer
from zrokd.host.context import HostContext
from zrokd.host.registry import Registry
from zrokd.testing.plugin import bench


class Diary(Observer):
    name = "diary"

    def open(self):
        self.lines = ["open"]

    def close(self):
        self.lines.append("close")


def test_the_context_is_a_real_one(zrokd_context, tmp_path):
    assert isinstance(zrokd_context, HostContext)
    assert zrokd_context.state_dir.is_relative_to(tmp_path)
    assert zrokd_context.offload(int, "3") == 3


def test_components_are_closed_at_the_end(tmp_path):
    with bench(tmp_path) as place:
        one = place.open(Diary)
        assert one.lines == ["open"]
    assert one.lines == ["open", "close"]


def test_a_closed_component_is_not_closed_again(zrokd_bench):
    one = zrokd_bench.open(Diary)
    zrokd_bench.close(one)
    zrokd_bench.close(one)
    assert one.lines == ["open", "close"]


def test_a_bare_component_is_not_opened(zrokd_bench):
    assert not hasattr(zrokd_bench.bare(Diary), "lines")


def test_an_overlay_and_a_storage_are_there_for_the_others(zrokd_bench, tmp_path):
    registry = Registry()
    overlay = zrokd_bench.open(registry("overlay", "local"))
    storage = zrokd_bench.open(registry("storage", "sqlite"))
    assert zrokd_bench.ctx.overlay is overlay
    assert zrokd_bench.ctx.storage is storage


@pytest.mark.usefixtures("zrokd_gives_back")
def test_the_leak_check_is_there_for_who_asks(zrokd_bench):
    zrokd_bench.open(Diary)
