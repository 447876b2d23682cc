import stat
import time

import pytest

from zrokd.contracts import Context, Use
from zrokd.errors import PluginError, StartError
from zrokd.host.context import HostContext, SystemClock
from zrokd.model.units import Address


@pytest.fixture
def ctx(components):
    made = HostContext(components, "gate", "office")
    yield made
    made.end()


@pytest.fixture
def use(registry, diary):
    """use(note=...): a resolved `use: child`."""
    cls = registry("mode", "child")

    def make(**settings):
        found = Use(use="child")
        found.resolve(cls, cls.Settings(**settings))
        return found

    return make


def test_it_is_a_context(ctx):
    checked: Context = ctx
    assert checked.log.name == "zrokd.gate.office"


def test_its_folder_is_its_own_and_made_when_asked_for(ctx, components):
    assert not components.state_dir.exists()
    assert ctx.state_dir == components.state_dir / "gate-office"
    assert stat.S_IMODE(ctx.state_dir.stat().st_mode) == 0o700


@pytest.mark.parametrize("instance", ["../../etc", "a/b", "x y", "é"])
def test_no_instance_name_leaves_the_state_directory(components, instance):
    folder = HostContext(components, "gate", instance).state_dir
    assert folder.parent == components.state_dir
    assert folder.resolve().parent == components.state_dir.resolve()


def test_a_folder_that_cannot_be_made_is_told(components):
    components.state_dir.write_text("a file")
    with pytest.raises(StartError, match="cannot make the folder"):
        HostContext(components, "gate", "x").state_dir  # noqa: B018


def test_clocks_agree_with_the_machine():
    clock = SystemClock()
    assert abs(clock.now_ms() / 1000 - time.time()) < 1
    assert abs(clock.monotonic() - time.monotonic()) < 1


@pytest.mark.parametrize("part", ["overlay", "storage"])
def test_what_the_yaml_does_not_have_is_told(ctx, part):
    with pytest.raises(PluginError, match=f"this daemon has no {part}; add {part}:"):
        getattr(ctx, part)


def test_hooks_are_those_of_the_daemon(ctx, components):
    assert ctx.hooks is components.plugins


def test_built_components_are_open_and_named(ctx, use, diary):
    child = ctx.build(use(note="c"), "web")
    assert diary == ["mode.c open"]
    assert child.ctx.label == "mode.web"
    assert ctx.build(use(note="d")).ctx.label == "mode.child"


def test_a_released_one_is_closed_once(ctx, use, diary):
    child = ctx.build(use(note="c"))
    ctx.release(child)
    ctx.release(child)
    assert diary == ["mode.c open", "mode.c close"]
    ctx.end()
    assert diary == ["mode.c open", "mode.c close"]


def test_one_cannot_release_what_another_built(ctx, components, use, diary):
    child = ctx.build(use(note="c"))
    HostContext(components, "gate", "other").release(child)
    assert diary == ["mode.c open"]


def test_a_child_that_does_not_open_is_closed_and_told(ctx, use, diary):
    with pytest.raises(StartError, match="open failed on purpose"):
        ctx.build(use(note="c", fail="open"))
    assert diary == ["mode.c open", "mode.c close"]


def test_at_the_end_children_close_in_reverse_and_greenlets_are_gone(ctx, use, diary):
    import gevent

    for note in "ab":
        ctx.build(use(note=note))
    task = ctx.spawn(gevent.sleep, 100, name="forever")
    diary.clear()
    ctx.end()
    assert diary == ["mode.b close", "mode.a close"]
    assert task.done


def test_work_and_sockets_come_from_the_host(ctx):
    assert ctx.offload(int, "7") == 7
    with ctx.listen(Address(host="127.0.0.1", port=0)) as sock:
        assert sock.getsockname()[1] > 0
