import io
import json
import sys

import pytest

from zrokd.cli import screen
from zrokd.cli.misuse import in_flags
from zrokd.cli.pace import MOST, Pace
from zrokd.cli.screen import JsonScreen, TextScreen, human_size, make_screen, qr_code
from zrokd.model.http import ConnectionSummary, ExchangeSummary

URL = "http://blog.localhost:8080"


def summary(**changes):
    facts = {
        "role": "backend",
        "share_token": "t0k",
        "peer": "127.0.0.1",
        "method": "GET",
        "target": "/a?b=c",
        "status": 200,
        "duration_s": 0.0123,
        "rx_bytes": 0,
        "tx_bytes": 1234,
        "outcome": "ok",
    }
    return ExchangeSummary(**{**facts, **changes})


def connection(**changes):
    facts = {"role": "backend", "share_token": "t0k", "peer": "127.0.0.1:4711", "rx_bytes": 21, "tx_bytes": 4300}
    return ConnectionSummary(**{"duration_s": 12.34, "raw": True, **facts, **changes})


@pytest.fixture
def text():
    """text(...): a screen for people, and what it shows."""

    def make(**how):
        out = io.StringIO()
        return TextScreen("backend", out=out, **how), out

    return make


def test_the_address_comes_first_with_its_target(text):
    shown, out = text(target="http://127.0.0.1:3000")
    shown.zrokd_on_share_ready("t0k", (URL,), verified=True)
    assert out.getvalue().splitlines()[0] == f"{URL} -> http://127.0.0.1:3000"
    assert "curl -H 'Host: blog.localhost' http://127.0.0.1:8080/" in out.getvalue()


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("https://blog.localhost:8443", "curl --resolve blog.localhost:8443:127.0.0.1 https://blog.localhost:8443/"),
        ("https://blog.localhost", "curl --resolve blog.localhost:443:127.0.0.1 https://blog.localhost/"),
    ],
)
def test_an_address_with_tls_is_asked_with_its_name_in_the_handshake(text, url, command):
    shown, out = text()
    shown.zrokd_on_share_ready("t0k", (url,), verified=True)
    assert out.getvalue().splitlines()[1] == f"  without DNS: {command}"


def test_an_address_with_dns_needs_no_curl_line(text):
    shown, out = text()
    shown.zrokd_on_share_ready("t0k", ("https://blog.example.com",), verified=True)
    assert out.getvalue() == "https://blog.example.com\n"


def test_an_address_that_nobody_reached_yet_says_so_and_then_that_it_works(text):
    shown, out = text()
    shown.zrokd_on_share_ready("t0k", (URL,), verified=False)
    assert "no request came through" in out.getvalue()
    shown.zrokd_on_share_ready("t0k", (URL,), verified=True)
    assert out.getvalue().splitlines()[-1] == f"{URL} can be reached now"


def test_a_private_share_tells_the_command_for_the_other_side(text):
    shown, out = text()
    shown.zrokd_on_share_ready("t0k", (), verified=True)
    assert out.getvalue().splitlines()[0] == "zrokd access private t0k"


def test_a_request_is_one_line(text):
    shown, out = text()
    shown.zrokd_on_exchange(summary())
    assert out.getvalue().split() == ["GET", "/a?b=c", "200", "12", "ms", "1.2", "kB"]


def test_the_same_request_seen_by_the_other_role_is_not_shown_again(text):
    shown, out = text()
    shown.zrokd_on_exchange(summary(role="frontend"))
    assert out.getvalue() == ""


def test_what_visitors_send_cannot_move_the_cursor(text):
    shown, out = text()
    shown.zrokd_on_exchange(summary(target="/\x1b[2J\n\x9b", method="G\rT", status=0, outcome="broken\x07"))
    shown.zrokd_on_share_lost("t\x1b", "why\n")
    assert not set(out.getvalue()) & {"\x1b", "\r", "\x07", "\x9b"}
    assert out.getvalue().count("\n") == 2
    assert "---" in out.getvalue()


@pytest.mark.parametrize(("status", "colour"), [(200, "32"), (304, "32"), (404, "33"), (502, "31"), (0, "31")])
def test_statuses_have_colours_where_colours_are_wanted(text, status, colour):
    shown, out = text(colour=True)
    shown.zrokd_on_exchange(summary(status=status))
    assert f"\x1b[{colour}m" in out.getvalue()


def test_an_access_shows_where_it_listens(text):
    shown, out = text()
    shown.zrokd_on_access_ready("t0k", "127.0.0.1:9191")
    assert out.getvalue() == "127.0.0.1:9191 -> private share t0k\n"


def test_the_drain_counts_down_and_is_quiet_when_nothing_runs(text):
    shown, out = text()
    shown.draining(3, 30, by_person=True)  # those that nobody uses are still among them
    shown.draining(2, 30, by_person=True)
    shown.draining(1, 29, by_person=True)
    shown.draining(0, 28, by_person=True)
    assert out.getvalue().splitlines() == [
        "ending",
        "draining: 2 open, 30 s left, Ctrl-C again to end now",
        "draining: 1 open, 29 s left, Ctrl-C again to end now",
    ]


def test_a_drain_that_nobody_typed_offers_no_second_ctrl_c(text):
    shown, out = text()
    shown.draining(1, 5, by_person=False)
    shown.draining(1, 5, by_person=False)
    assert "1 open" in out.getvalue()
    assert "Ctrl-C" not in out.getvalue()


def test_json_has_one_object_a_line_for_everything():
    out = io.StringIO()
    shown = JsonScreen("backend", out)
    shown.zrokd_on_share_ready("t", (URL,), verified=True)
    shown.zrokd_on_share_lost("t", "why")
    shown.zrokd_on_access_ready("t", "127.0.0.1:1")
    shown.zrokd_on_exchange(summary())
    shown.zrokd_on_exchange(summary(role="frontend"))
    shown.draining(1, 2, by_person=True)
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["share_ready", "share_lost", "access_ready", "request", "draining"]
    assert events[0] == {"event": "share_ready", "share": "t", "urls": [URL], "verified": True}
    assert (events[3]["status"], events[3]["duration_s"], events[3]["tx_bytes"]) == (200, 0.0123, 1234)


# -- connections that are no HTTP ---


def test_a_connection_is_one_line(text):
    shown, out = text()
    shown.zrokd_on_connection_closed(connection())
    shown.zrokd_on_connection_closed(connection(peer="", outcome="reset\x07"))
    assert out.getvalue().splitlines() == [
        "127.0.0.1:4711  in 21 B  out 4.3 kB  12.3 s",
        "connection  in 21 B  out 4.3 kB  12.3 s  reset?",
    ]


def test_which_share_it_came_to_is_told_where_there_are_several(text):
    shown, out = text()
    for token in ("one", "three"):
        shown.zrokd_on_share_ready(token, (), verified=True)
    shown.zrokd_on_connection_closed(connection(share_token="one"))
    assert out.getvalue().splitlines()[-1].startswith("one    127.0.0.1:4711  ")


@pytest.mark.parametrize("changes", [{"role": "frontend"}, {"raw": False}])
def test_what_is_told_as_requests_or_by_the_other_role_is_not_shown_again(text, changes):
    shown, out = text()
    shown.zrokd_on_connection_closed(connection(**changes))
    assert out.getvalue() == ""


def test_a_connection_in_json():
    out = io.StringIO()
    shown = JsonScreen("backend", out)
    shown.zrokd_on_connection_closed(connection())
    shown.zrokd_on_connection_closed(connection(peer=""))
    told = {"event": "connection", "share": "t0k", "duration_s": 12.34, "rx_bytes": 21, "tx_bytes": 4300}
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {**told, "peer": "127.0.0.1:4711", "outcome": "ok"},
        {**told, "outcome": "ok"},
    ]


@pytest.mark.parametrize("kind", [TextScreen, JsonScreen])
def test_a_flood_is_shown_as_a_sum(kind):
    out, now = io.StringIO(), [5.0]
    shown = kind("backend", out=out)
    shown._pace = Pace(lambda: now[0])
    for _ in range(1000):
        shown.zrokd_on_connection_closed(connection())
    assert out.getvalue().count("\n") == MOST
    now[0] = 6.1
    shown.zrokd_on_connection_closed(connection())
    summed, one = out.getvalue().splitlines()[MOST:]
    for _ in range(MOST):
        shown.zrokd_on_connection_closed(connection())
    shown.ended("SIGINT", 0)
    last = out.getvalue().splitlines()[2 * MOST + 1]
    if kind is TextScreen:
        assert summed == "980 more connections  in 20.6 kB  out 4.2 MB"
        assert last == "1 more connection  in 21 B  out 4.3 kB"
    else:
        assert json.loads(summed) == {
            "event": "connections",
            "count": 980,
            "rx_bytes": 980 * 21,
            "tx_bytes": 980 * 4300,
        }
        assert json.loads(last)["count"] == 1
    assert "127.0.0.1:4711" in one


@pytest.mark.parametrize("failure", [BrokenPipeError(), OSError(5, "the terminal is gone"), ValueError("closed")])
def test_sharing_goes_on_when_nobody_reads(failure):
    class Gone(io.StringIO):
        def write(self, _text):
            raise failure

    shown = TextScreen("backend", out=Gone())
    shown.zrokd_on_share_ready("t", (URL,), verified=True)
    shown.draining(1, 1, by_person=True)
    assert shown._out is None


@pytest.mark.parametrize(
    ("environ", "plain", "coloured"),
    [
        ({}, False, True),
        ({"NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({}, True, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(monkeypatch, environ, plain, coloured):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    make_screen(as_json=False, plain=plain).zrokd_on_share_ready("t", (URL,), verified=True)
    assert ("\x1b[" in terminal.getvalue()) is coloured


def test_no_terminal_no_colours(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    make_screen(as_json=False).zrokd_on_share_ready("t", (URL,), verified=True)
    assert "\x1b" not in out.getvalue()
    assert isinstance(make_screen(as_json=True), JsonScreen)


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1234567, "1.2 MB"), (10**16, "10000.0 TB")]
)
def test_sizes_are_read_at_a_glance(size, shown):
    assert human_size(size) == shown


def test_a_qr_code_is_square_and_comes_below_the_address(text):
    shown, out = text(qr=True)
    shown.zrokd_on_share_ready("t", ("https://blog.example.com",), verified=True)
    first, *code = out.getvalue().splitlines()
    assert first == "https://blog.example.com"
    assert len(code) > 10


def test_without_its_library_a_qr_code_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "segno", None)
    assert qr_code(URL) == "no QR code: install zrokd[tui]"


def test_only_hooks_that_exist_are_listened_to():
    from zrokd import hookspecs

    for cls in (screen.TextScreen, screen.JsonScreen):
        assert all(hasattr(hookspecs, name) for name in dir(cls) if name.startswith("zrokd_"))


def test_of_several_shares_each_line_says_which(text):
    shown, out = text()
    shown.zrokd_on_share_ready("t0k", (URL,), verified=True)
    shown.zrokd_on_exchange(summary())
    assert out.getvalue().splitlines()[-1].startswith("GET ")
    shown.zrokd_on_share_ready("private-one", (), verified=True)
    shown.zrokd_on_exchange(summary())
    shown.zrokd_on_exchange(summary(share_token="private-one"))
    assert [line.split()[0] for line in out.getvalue().splitlines()[-2:]] == ["blog", "private-one"]


def test_outcomes_are_in_the_words_of_the_command_line(text):
    shown, out = text(words=lambda told: in_flags(told, {"insecure": "--insecure"}))
    shown.zrokd_on_exchange(summary(status=502, outcome="not trusted; `insecure: true` takes any"))
    assert out.getvalue().rstrip().endswith("not trusted; --insecure takes any")


def test_json_counts_what_is_open_once_idle_connections_are_not_and_ends_with_a_reason():
    out = io.StringIO()
    shown = JsonScreen("backend", out=out)
    shown.draining(1, 30, by_person=True)
    shown.draining(1, 29, by_person=True)
    shown.ended("it was told to end", 0)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"event": "draining", "left_s": 30},
        {"event": "draining", "open": 1, "left_s": 29},
        {"event": "ended", "reason": "it was told to end", "code": 0},
    ]


def test_a_visitor_of_whom_nobody_told_is_left_out():
    out = io.StringIO()
    JsonScreen("backend", out=out).zrokd_on_exchange(summary(peer=""))
    assert "peer" not in json.loads(out.getvalue())
