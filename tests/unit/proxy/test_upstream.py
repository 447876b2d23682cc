import pytest

from zrokd.errors import NoTerminator, NotFound, StreamClosed, Unavailable
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.stream import SocketStream, pair
from zrokd.proxy.upstream import PoolLimits, UpstreamPool


class Overlay:
    """Dials by making pairs of streams; keeps the far ends."""

    def __init__(self) -> None:
        self.far: list[SocketStream] = []
        self.allowed: set[str] = {"a", "b"}
        self.while_dialling = lambda: None

    def dial(self, token: str, terminator: str | None = None) -> SocketStream:
        if token == "down":
            raise NoTerminator("nobody binds it")
        near, far = pair()
        self.far.append(far)
        self.while_dialling()
        return near

    def allows(self, token: str) -> bool:
        return token in self.allowed or token == "down"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def overlay():
    made = Overlay()
    yield made
    for stream in made.far:
        stream.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(overlay, clock):
    pools = []

    def made(**limits):
        pools.append(UpstreamPool(overlay.dial, HttpLimits(), PoolLimits(**limits), allows=overlay.allows, clock=clock))
        return pools[-1]

    yield made
    for pool in pools:
        pool.close()
        assert (pool.idle, pool.lent) == (0, 0) or pool.lent


def is_open(stream: SocketStream) -> bool:
    return stream.is_idle()


def test_what_is_given_back_is_taken_again_without_a_dial(make, overlay):
    pool = make()
    first = pool.take("a")
    assert not first.reused
    pool.give(first)
    again = pool.take("a")
    assert again is first
    assert again.reused
    assert len(overlay.far) == 1
    pool.give(again)


def test_two_at_once_get_two_and_shares_never_mix(make, overlay):
    pool = make()
    one, two, other = pool.take("a"), pool.take("a"), pool.take("b")
    assert len({one, two, other}) == 3
    for each in (one, two, other):
        pool.give(each)
    assert pool.take("b") is other
    assert len(overlay.far) == 3
    pool.give(other)


def test_the_one_used_last_is_taken_first(make):
    pool = make()
    one, two = pool.take("a"), pool.take("a")
    pool.give(one)
    pool.give(two)
    assert pool.take("a") is two
    pool.give(two)


def test_a_fresh_one_is_dialled_although_one_is_idle(make, overlay):
    pool = make()
    first = pool.take("a")
    pool.give(first)
    fresh = pool.take("a", instead=first)
    assert not fresh.reused
    assert len(overlay.far) == 2
    pool.give(fresh)
    assert pool.idle == 2


def busy(pool):
    return sum(share.busy for share in pool._shares.values())


def end(overlay):
    overlay.far[0].close()


def talk(overlay):
    overlay.far[0].send(b"HTTP/1.1 200 OK\r\n\r\n")


@pytest.mark.parametrize("spoil", [end, talk])
def test_one_that_ended_or_talked_while_idle_is_never_taken(make, overlay, spoil):
    pool = make()
    first = pool.take("a")
    pool.give(first)
    spoil(overlay)
    second = pool.take("a")
    assert second is not first
    assert not first.connection.stream.is_idle()
    pool.give(second)


@pytest.mark.parametrize("spoil", [end, talk])
def test_one_that_is_not_drained_is_never_lent_again(make, overlay, spoil):
    pool = make()
    first = pool.take("a")
    spoil(overlay)
    pool.give(first)
    second = pool.take("a")
    assert second is not first
    assert pool.idle == 0
    pool.give(second)


def test_what_leads_nowhere_any_more_is_forgotten_and_what_lives_is_not(make):
    pool = make()
    kept, cut = pool.take("a"), pool.take("a")
    pool.give(kept)
    pool.drop(cut)
    pool.drop(cut)
    assert pool.take("a") is kept
    assert pool.lent == 1
    pool.drop(kept)
    assert (pool.lent, pool.idle) == (0, 0)


def test_bytes_read_too_much_are_never_left_to_the_next(make):
    pool = make()
    first = pool.take("a")
    first.connection.push_back(b"rest of another answer")
    pool.give(first)
    assert pool.idle == 0


def test_a_dropped_one_is_broken_and_not_kept(make, overlay):
    pool = make()
    first = pool.take("a")
    pool.drop(first)
    pool.drop(first)
    assert (pool.idle, pool.lent) == (0, 0)
    assert overlay.far[0].recv(1, 1) == b""
    assert pool.take("a") is not first


def test_giving_twice_keeps_it_once_at_most(make):
    pool = make()
    first = pool.take("a")
    pool.give(first)
    pool.give(first)
    assert pool.idle <= 1
    assert not busy(pool)


def test_so_many_are_kept_for_one_share(make, overlay):
    pool = make(idle_each=2)
    for each in [pool.take("a") for _ in range(3)]:
        pool.give(each)
    assert pool.idle == 2


def test_so_many_are_kept_in_total_and_the_longest_idle_goes(make):
    pool = make(idle_total=2)
    one, two, three = pool.take("a"), pool.take("a"), pool.take("b")
    for each in (one, two, three):
        pool.give(each)
    assert pool.idle == 2
    assert not is_open(one.connection.stream)
    assert is_open(two.connection.stream)


def test_sweeping_closes_what_was_idle_too_long_or_ended(make, overlay, clock):
    pool = make(idle_s=60)
    old, ended, young = pool.take("a"), pool.take("a"), pool.take("b")
    pool.give(old)
    clock.now = 50.0
    pool.give(ended)
    pool.give(young)
    overlay.far[1].close()
    clock.now = 60.0
    pool.sweep()
    assert pool.idle == 1
    assert not is_open(old.connection.stream)
    assert pool.take("b") is young
    pool.give(young)


def test_a_share_that_goes_away_is_cut_idle_and_running_and_no_other_is(make, overlay):
    pool = make()
    idle, running, other = pool.take("a"), pool.take("a"), pool.take("b")
    pool.give(idle)
    overlay.allowed.remove("a")
    pool.forget(["a"])
    assert not is_open(idle.connection.stream)
    assert not is_open(running.connection.stream)
    assert is_open(other.connection.stream)
    pool.drop(running)
    pool.give(other)
    assert (pool.idle, pool.lent) == (1, 0)


def test_a_tunnel_is_cut_too_when_its_share_goes_away(make, overlay):
    pool = make()
    tunnel = pool.take("a")
    pool.mark_tunnel(tunnel)
    pool.forget(["a"])
    assert not is_open(tunnel.connection.stream)
    pool.drop(tunnel)


def test_a_share_that_is_not_allowed_is_not_dialled(make, overlay):
    with pytest.raises(NotFound):
        make().take("c")
    assert overlay.far == []


def test_a_share_that_goes_away_while_it_is_dialled_is_not_reached(make, overlay):
    pool = make()
    overlay.while_dialling = lambda: overlay.allowed.remove("a")
    with pytest.raises(NotFound):
        pool.take("a")
    assert overlay.far[0].recv(1, 1) == b""
    assert not busy(pool)


def test_what_comes_back_after_its_share_went_away_is_not_kept(make, overlay):
    pool = make()
    first = pool.take("a")
    overlay.allowed.remove("a")
    pool.give(first)
    assert pool.idle == 0


def test_a_failed_dial_takes_no_place(make):
    pool = make(busy_each=1)
    for _ in range(3):
        with pytest.raises(NoTerminator):
            pool.take("down")
    assert not busy(pool)


def test_a_share_gets_so_many_requests_at_once_and_others_are_free(make):
    pool = make(busy_each=2)
    one, two = pool.take("a"), pool.take("a")
    with pytest.raises(Unavailable):
        pool.take("a")
    other = pool.take("b")
    pool.give(one)
    again = pool.take("a")
    for each in (two, other, again):
        pool.give(each)


def test_those_being_dialled_count(make, overlay):
    pool = make(busy_each=1)
    seen = []

    def another():
        overlay.while_dialling = lambda: None
        with pytest.raises(Unavailable):
            pool.take("a")
        seen.append(True)

    overlay.while_dialling = another
    pool.give(pool.take("a"))
    assert seen == [True]


def test_a_tunnel_is_no_request_any_more(make):
    pool = make(busy_each=1)
    tunnel = pool.take("a")
    pool.mark_tunnel(tunnel)
    pool.mark_tunnel(tunnel)
    second = pool.take("a")
    pool.drop(tunnel)
    with pytest.raises(Unavailable):
        pool.take("a")
    pool.give(second)
    assert not busy(pool)


def test_a_closed_pool_lends_nothing_and_cuts_everything(make):
    pool = make()
    idle, running = pool.take("a"), pool.take("b")
    pool.give(idle)
    pool.close()
    pool.close()
    assert not is_open(idle.connection.stream)
    assert not is_open(running.connection.stream)
    with pytest.raises(StreamClosed):
        pool.take("a")
    pool.give(running)
    assert (pool.idle, pool.lent) == (0, 0)


def test_closing_while_a_dial_is_on_its_way_reaches_nothing(make, overlay):
    pool = make()
    overlay.while_dialling = pool.close
    with pytest.raises(NotFound):
        pool.take("a")
    assert overlay.far[0].recv(1, 1) == b""
