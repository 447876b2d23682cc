import base64
import hashlib
import html
import re
from types import SimpleNamespace

import pytest
from zrokd_plugins.filter_interstitial import (
    PATH,
    InterstitialFilter,
    InterstitialSettings,
    zrokd_provide_filters,
)

from zrokd.errors import StartError
from zrokd.model.http import RequestHead, Respond, Route

WARNED = Route(host="a.example", token="t", interstitial=True)
TRUSTED = Route(host="a.example", token="t")
BROWSER = {"User-Agent": "Mozilla/5.0 (X11)", "Accept": "text/html,*/*;q=0.8"}
SHOWN = {**BROWSER, "Sec-Fetch-Mode": "navigate"}
COOKIE, HOST_COOKIE = "zrok_interstitial", "__Host-zrok_interstitial"


def made(**settings):
    ctx = SimpleNamespace(offload=lambda function, *args: function(*args))
    one = InterstitialFilter(InterstitialSettings(**settings), ctx)
    one.open()
    return one


def head(fields, method="GET", target="/x?y=1", *, secure=False):
    lines = tuple((name.encode(), value.encode("latin-1")) for name, value in fields.items())
    return RequestHead(method.encode(), target.encode("latin-1"), 1, ((b"Host", b"a.example"), *lines), secure=secure)


def ask(fields, method="GET", target="/x?y=1", *, route=WARNED, secure=False, **settings):
    return made(**settings).on_request(head(fields, method, target, secure=secure), route, "192.0.2.1:1")


def field(told, name):
    return dict(told.fields)[name.encode()].decode()


def action(told):
    return html.unescape(re.search(r'action="([^"]*)"', told.body.decode()).group(1))


def test_the_module_provides_it_and_it_stands_before_gates():
    assert zrokd_provide_filters() == [InterstitialFilter]
    assert InterstitialFilter.before_gate


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("fields", [BROWSER, SHOWN])
def test_a_browser_about_to_show_a_strangers_share_is_warned(fields, method):
    told = ask(fields, method)
    assert isinstance(told, Respond)
    assert (told.status, field(told, "Cache-Control")) == (200, "no-store")
    assert "a.example" in told.body.decode()


PASSES = {
    "a trusted account's": {"fields": SHOWN, "route": TRUSTED},
    "the header of zrok": {"fields": {**SHOWN, "skip_zrok_interstitial": ""}},
    "its spelling behind proxies": {"fields": {**SHOWN, "Skip-Zrok-Interstitial": "1"}},
    "a preflight": {"fields": SHOWN, "method": "OPTIONS"},
    "a script": {"fields": {**BROWSER, "Sec-Fetch-Mode": "cors"}},
    "a script's post": {"fields": {**BROWSER, "Sec-Fetch-Mode": "same-origin"}, "method": "POST"},
    "a picture": {"fields": {**BROWSER, "Sec-Fetch-Mode": "no-cors"}},
    "a websocket": {"fields": {**SHOWN, "Upgrade": "websocket", "Connection": "Upgrade"}},
    "a websocket over plain http": {"fields": {**BROWSER, "Upgrade": "websocket"}},
    "a script of an old browser": {"fields": {**BROWSER, "Accept": "application/json"}},
    "curl": {"fields": {"User-Agent": "curl/8.5", "Accept": "*/*"}},
    "an agent not meant": {"fields": {**SHOWN, "User-Agent": "Robot/1"}},
    "nobody's agent": {"fields": {"Accept": "text/html"}},
    "who went on": {"fields": {**SHOWN, "Cookie": f"a=b; {COOKIE}=1"}},
    "who went on, inside TLS": {"fields": {**SHOWN, "Cookie": f"{HOST_COOKIE}=1"}, "secure": True},
}  # fmt: skip


@pytest.mark.parametrize("case", PASSES)
def test_all_else_passes(case):
    assert isinstance(ask(**PASSES[case]), RequestHead)


def test_inside_tls_no_cookie_counts_that_another_share_could_set():
    assert isinstance(ask({**SHOWN, "Cookie": f"{COOKIE}=1"}, secure=True), Respond)
    assert isinstance(ask({**SHOWN, "Cookie": f"{COOKIE}=1"}, https=True), Respond)


def test_with_no_agents_named_everybody_is_meant_who_asks_for_a_page():
    assert isinstance(ask({"Accept": "text/html"}, user_agents=[]), Respond)
    assert isinstance(ask({**SHOWN, "User-Agent": "Robot/1"}, user_agents=["Robot"]), Respond)


def test_the_page_runs_nothing_and_is_framed_by_nobody():
    told = ask(SHOWN)
    policy, text = field(told, "Content-Security-Policy"), told.body.decode()
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert "<script" not in text
    assert "style=" not in text


def test_nothing_of_the_visitor_becomes_markup():
    told = ask(SHOWN, target='/"><script>alert(1)</script>&amp;\xff')
    assert "<script" not in told.body.decode()
    assert action(told) == PATH.decode() + '?/"><script>alert(1)</script>&amp;%FF'


HERE = {**SHOWN, "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/x?y=%20&z", "/x?y=%20&z"),
        ("//evil.example/", "/.//evil.example/"),
        ("/\\evil.example", "/./\\evil.example"),
        ("https://evil.example", "/"),
        ("", "/"),
        ("/\x7f", "/"),
    ],
)
def test_who_goes_on_comes_to_where_they_wanted_and_never_elsewhere(target, leads_to):
    told = ask(HERE, "POST", f"{PATH.decode()}?{target}")
    assert (told.status, field(told, "Location")) == (303, leads_to)
    assert field(told, "Set-Cookie") == f"{COOKIE}=1; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize(("settings", "secure"), [({}, True), ({"https": True}, False)])
def test_over_https_the_cookie_is_of_this_host_alone(settings, secure):
    told = ask(HERE, "POST", f"{PATH.decode()}?/", secure=secure, remember=60.0, **settings)
    assert field(told, "Set-Cookie") == f"{HOST_COOKIE}=1; Path=/; Max-Age=60; HttpOnly; SameSite=None; Secure"


@pytest.mark.parametrize(
    "origin",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://a.example"},
        {"Origin": "https://b.example"},
        {"Origin": "null"},
        {},
    ],
)
def test_another_site_does_not_go_on_for_the_visitor(origin):
    told = ask({**BROWSER, **origin}, "POST", f"{PATH.decode()}?/x")
    assert (told.status, action(told)) == (200, f"{PATH.decode()}?/x")
    assert b"Set-Cookie" not in dict(told.fields)


def test_an_old_browser_goes_on_by_its_origin():
    assert ask({**BROWSER, "Origin": "http://A.example:8080"}, "POST", f"{PATH.decode()}?/").status == 303


def test_only_a_post_to_the_exact_path_goes_on():
    for target in (f"{PATH.decode()}/", f"/x{PATH.decode()}", "/.zrokd/Interstitial", "/.zrokd%2finterstitial"):
        assert ask({**HERE}, "POST", target).status == 200


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        (f"{COOKIE}=1", None),
        (f"a=b; {COOKIE}=1; c=d", b"a=b; c=d"),
        (f"{HOST_COOKIE}=1;a=b", b"a=b"),
        (f"x{COOKIE}=1", f"x{COOKIE}=1".encode()),
        ("a=b;c=d", b"a=b;c=d"),
    ],
)
def test_a_share_is_not_told_who_was_warned(sent, passed):
    for route in (WARNED, TRUSTED):
        given = ask({"Cookie": sent}, route=route)
        assert given.get(b"cookie") == passed


def test_a_page_of_the_operator_is_shown_in_place_of_ours(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<style>b{}</style><b>{{ host }}</b><form method=post action='{{ action }}'>")
    told = ask(SHOWN, page=str(page))
    assert b"<b>a.example</b>" in told.body
    assert "style-src 'sha256-" in field(told, "Content-Security-Policy")


@pytest.mark.parametrize("text", [None, b"{{ hots }}", b"{% if %}", b"\xff"])
def test_a_page_that_cannot_be_used_is_a_mistake_at_the_start(tmp_path, text):
    page = tmp_path / "page.html"
    if text is not None:
        page.write_bytes(text)
    with pytest.raises(StartError, match=re.escape(str(page))):
        made(page=str(page))
