from types import SimpleNamespace

from zrokd.model.http import RequestHead
from zrokd.net.http1.forward import Forwarded
from zrokd.proxy.account import Visit
from zrokd.proxy.exchange import Times

SENT = RequestHead(b"GET", b"/a\x1b[31m\xff", 1, ())


def done(status=200, rx=1, tx=2, outcome="ok"):
    return Forwarded(status=status, rx=rx, tx=tx, reusable_client=True, reusable_upstream=True, outcome=outcome)


def visit(*, heard=True):
    told = SimpleNamespace(exchanges=[], connections=[])
    hooks = SimpleNamespace(
        hears=lambda hook: heard and hook in ("zrokd_on_exchange", "zrokd_on_connection_closed"),
        on_exchange=told.exchanges.append,
        on_connection_closed=told.connections.append,
    )
    now = SimpleNamespace(s=10.0)
    return Visit("frontend", "192.0.2.1:5", hooks, lambda: now.s, 10.0), told, now


def begun(since_s, **parts):
    times = Times(lambda: since_s)
    for name, value in parts.items():
        setattr(times, name, value)
    return times


def test_who_visits_through_a_trusted_proxy_is_told():
    made, told, _ = visit()
    made.behind = lambda peer, head: f"{peer} for {head.method.decode()}"
    made.tell_exchange(SENT, "tok-a", done(), begun(12.0))
    assert told.exchanges[0].peer == "192.0.2.1:5 for GET"


def test_an_exchange_is_told_with_its_time_and_fit_for_a_log():
    made, told, now = visit()
    now.s = 12.5
    made.tell_exchange(SENT, "tok-a", done(), begun(12.0, dial_s=0.1, first_byte_s=0.3))
    (summary,) = told.exchanges
    assert (summary.duration_s, summary.share_token, summary.status) == (0.5, "tok-a", 200)
    assert (summary.dial_s, summary.first_byte_s) == (0.1, 0.3)
    assert summary.peer == "192.0.2.1:5"
    assert summary.target == "/a\\x1b[31m\\xff"


def test_a_connection_sums_up_its_exchanges_and_keeps_the_last_share():
    made, told, now = visit()
    made.tell_exchange(SENT, "tok-a", done(rx=1, tx=2), begun(10.0))
    made.tell_exchange(SENT, "", done(status=404, rx=0, tx=5), begun(10.0))
    now.s = 13.0
    made.tell_closed()
    (summary,) = told.connections
    assert (summary.rx_bytes, summary.tx_bytes, summary.share_token, summary.duration_s) == (1, 7, "tok-a", 3.0)
    assert summary.outcome == "ok"


def test_a_connection_without_a_request_came_to_no_share():
    made, told, _ = visit()
    made.outcome = "reset"
    made.tell_closed()
    assert (told.connections[0].share_token, told.connections[0].outcome) == ("", "reset")


def test_what_nobody_hears_is_not_told():
    made, told, _ = visit(heard=False)
    made.tell_exchange(SENT, "tok", done(), begun(9.0))
    made.tell_closed()
    assert (told.exchanges, told.connections) == ([], [])
    assert (made.token, made.rx, made.tx) == ("tok", 1, 2)
