"""Settings and rules, and below, marked slow, everything against a real directory."""

import logging
import socket
import sys
from types import SimpleNamespace

import gevent
import pytest
from pydantic import ValidationError
from zrokd_plugins.auth_ldap import LdapAuthenticator, zrokd_provide_auths
from zrokd_plugins.auth_ldap.people import _email, _prepared, filter_for
from zrokd_plugins.auth_ldap.servers import Servers
from zrokd_plugins.auth_ldap.settings import LdapSettings

from tests.signin.fixtures import ANN, ANNS_PASSWORD, ROOT, ROOTS_PASSWORD
from tests.signin.slapd import ADMINS, PEOPLE, SERVICE, SERVICE_PASSWORD
from zrokd.errors import Denied, StartError, Unavailable
from zrokd.model.account import Account, Credentials, Principal, Scope

HERE = {"servers": ["ldaps://ldap.example.com"], "base": PEOPLE}


class People:
    """A directory of accounts; those of `emails` are there."""

    def __init__(self, *emails):
        self.emails = list(emails)

    def account_by_email(self, email):
        return Account(id=self.emails.index(email) + 1, email=email) if email in self.emails else None

    def make_account(self, email):
        if email not in self.emails:
            self.emails.append(email)
        return self.account_by_email(email)


# -- settings ---


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"servers": []}, "at least 1"),
        ({"servers": ["ldap.example.com"]}, "is no server; write it ldaps://ldap.example.com"),
        ({"servers": ["https://a.example"]}, "is no server"),
        ({"servers": ["ldaps://a.example/dc=x?mail"]}, "is no server"),
        ({"servers": ["ldaps://user@a.example"]}, "is no server"),
        ({"base": ""}, "at least 1 character"),
        ({"filter": "(mail=ann)"}, "finds the same for everybody"),
        ({"bind_dn": SERVICE}, "bind_dn and bind_password belong together"),
        ({"bind_password": "secret"}, "bind_dn and bind_password belong together"),
        ({"email": "mail)(x=*"}, "match"),
        ({"scope": "admin"}, "scope"),
        ({"timeout": "0s"}, "greater"),
        ({"timeout": "1m"}, "less"),
    ],
)
def test_wrong_settings_are_refused_and_it_is_said_why(wrong, said):
    with pytest.raises(ValidationError, match=said):
        LdapSettings(**HERE | wrong)


@pytest.mark.parametrize("template", ["(mail={login}", "mail={login}", "(&(mail={login})", "({login})", "()({login}"])
def test_a_filter_that_is_none_stops_the_start(small_ctx, template):
    with pytest.raises(StartError, match="is no LDAP filter"):
        LdapAuthenticator(LdapSettings(**HERE | {"filter": template}), small_ctx).open()


def test_without_its_driver_the_start_says_what_to_install(small_ctx, monkeypatch):
    monkeypatch.setitem(sys.modules, "zrokd_plugins.auth_ldap.servers", None)
    with pytest.raises(StartError, match=r"install zrokd\[ldap\]"):
        LdapAuthenticator(LdapSettings(**HERE), small_ctx).open()


def test_plain_is_told_of_where_it_matters():
    assert list(LdapSettings(**HERE).caution()) == []
    assert list(LdapSettings(**HERE | {"plain": True}).caution()) == []
    [told] = LdapSettings(**HERE | {"servers": ["ldap://a.example"], "plain": True}).caution()
    assert "unencrypted" in told.sentence


def test_by_default_nobody_is_given_an_account_and_tls_is_a_must():
    settings = LdapSettings(**HERE)
    assert (settings.create_accounts, settings.plain, settings.admin_groups) == (False, False, [])


def test_its_secret_does_not_print():
    assert "canary" not in repr(LdapSettings(**HERE | {"bind_dn": SERVICE, "bind_password": "canary"}))


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ("ann", "(|(uid=ann)(mail=ann))"),
        ("*", r"(|(uid=\2a)(mail=\2a))"),
        ("x)(uid=*", r"(|(uid=x\29\28uid=\2a)(mail=x\29\28uid=\2a))"),
        ("back\\slash", r"(|(uid=back\5cslash)(mail=back\5cslash))"),
        ("{login}", "(|(uid={login})(mail={login}))"),
        ("nul\0", r"(|(uid=nul\00)(mail=nul\00))"),
    ],
)
def test_what_is_typed_stays_one_value_of_the_filter(login, expected):
    assert filter_for("(|(uid={login})(mail={login}))", login) == expected


@pytest.mark.parametrize(
    ("mails", "login", "expected"),
    [
        ([b"Ann@Example.com"], "ann", "ann@example.com"),
        ([b"a@x.example", b"b@x.example"], "B@x.example", "b@x.example"),
        ([b"a@x.example", b"b@x.example"], "ann", None),
        ([], "ann@example.com", None),
    ],
)
def test_whose_account_it_is_is_never_a_guess(mails, login, expected):
    entry = {"dn": "uid=ann", "raw_attributes": {"mail": mails}}
    if expected:
        assert _email(entry, "mail", login) == expected
    else:
        with pytest.raises(Denied, match="values of mail"):
            _email(entry, "mail", login)


@pytest.mark.parametrize("password", ["", "\u00ad", "\u00ad\u2060", "a\x07b"])
def test_a_password_of_which_nothing_is_left_is_never_sent(password):
    """A bind with a name and no password succeeds: as nobody."""
    with pytest.raises(Denied, match="that is no password"):
        _prepared(password)


def servers(clock, *urls):
    return Servers(LdapSettings(servers=list(urls), base=PEOPLE), clock, logging.getLogger("test"))


def test_a_server_that_failed_is_asked_last_for_a_while():
    clock = SimpleNamespace(monotonic=lambda: clock.now_s, now_s=1000.0)
    ours = servers(clock, "ldaps://one", "ldaps://two", "ldaps://three")
    assert ours._in_order() == ["ldaps://one", "ldaps://two", "ldaps://three"]
    ours._failed_s["ldaps://one"] = 1000.0
    assert ours._in_order() == ["ldaps://two", "ldaps://three", "ldaps://one"]
    clock.now_s = 1031.0
    assert ours._in_order()[0] == "ldaps://one"


def test_certificates_that_cannot_be_read_stop_the_start(small_ctx, tmp_path):
    (tmp_path / "empty.pem").write_text("nothing")
    for file in ("missing.pem", "empty.pem"):
        settings = LdapSettings(**HERE | {"ca": str(tmp_path / file)})
        with pytest.raises(StartError, match=f"certificates in .*{file} cannot be read"):
            LdapAuthenticator(settings, small_ctx).open()


@pytest.mark.parametrize(
    "credentials",
    [
        Credentials(),
        Credentials(token="a-token"),
        Credentials(username=ANN),
        Credentials(password="x"),
        Credentials(username=ANN, password="x" * 257),
        Credentials(username="x" * 257, password="x"),
        Credentials(username="a\nb", password="x"),
    ],
)
def test_without_a_name_and_a_password_the_directory_is_not_asked(small_ctx, monkeypatch, credentials):
    monkeypatch.setattr(Servers, "ask", lambda *_: pytest.fail("it was asked"))
    auth = LdapAuthenticator(LdapSettings(**HERE), small_ctx)
    auth.open()
    assert auth.authenticate(credentials, People(ANN)) is None


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_auths()] == ["ldap"]


# -- a real directory ---


@pytest.fixture
def ask(small_ctx):
    """ask(server, login, password, people, **settings): what the authenticator says."""

    def make(server, login, password, people=None, **changes):
        settings = {
            "servers": [server.tls_url], "base": PEOPLE, "ca": server.ca, "timeout": "1s", "bind_dn": SERVICE,
            "bind_password": SERVICE_PASSWORD, "filter": "(|(mail={login})(uid={login}))",
        }  # fmt: skip
        auth = LdapAuthenticator(LdapSettings(**settings | changes), small_ctx)
        auth.open()
        try:
            return auth.authenticate(Credentials(username=login, password=password), people or People(ANN, ROOT))
        finally:
            ask.health = auth.health()

    ask = make
    return make


@pytest.mark.slow
@pytest.mark.parametrize("login", [ANN, "ANN@Example.COM", "ann"])
def test_who_knows_the_password_is_known_by_the_address(slapd, ask, login):
    who = ask(slapd, login, ANNS_PASSWORD)
    assert who == Principal(account_id=1, email=ANN, method="ldap", scope=Scope.ACCOUNT)
    assert ask.health.ok


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"servers": "url"},
        {"servers": "url", "plain": True, "ca": ""},
        {"servers": "tls_url"},
    ],
    ids=["StartTLS", "plain", "ldaps"],
)
def test_every_way_in_works(slapd, ask, changes):
    changes = changes | {"servers": [getattr(slapd, changes["servers"])]}
    assert ask(slapd, ANN, ANNS_PASSWORD, **changes).email == ANN


@pytest.mark.slow
@pytest.mark.parametrize(
    ("login", "password"),
    [
        (ANN, "wrong"),
        (ANN, ANNS_PASSWORD + " "),
        (ANN, "\u00ad"),
        (ANN, "a\x00b"),
        ("twin@example.com", "twins-password"),
        ("many", "manys-password"),
        ("nomail", "nomails-password"),
        ("none@example.com", "a-guess"),
        ("zoe@example.com", "zoes-password"),
    ],
)
def test_whoever_is_there_and_does_not_prove_it_is_denied(slapd, ask, login, password):
    """Also who has no account here, and who cannot be told from others."""
    with pytest.raises(Denied) as denied:
        ask(slapd, login, password)
    assert password not in str(denied.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "login", ["nobody@example.com", "ann)(uid=*", "*", "a*", "\\2a", "' or 1=1", "é", "(", "ann\\"]
)
def test_whom_the_directory_does_not_know_others_may(slapd, ask, login):
    assert ask(slapd, login, ANNS_PASSWORD) is None


@pytest.mark.slow
def test_a_name_full_of_filter_characters_is_a_name(slapd, ask):
    assert ask(slapd, "st*r)(", "stars-password", People("star@example.com")).email == "star@example.com"


@pytest.mark.slow
def test_one_of_several_addresses_is_whose_it_was_typed(slapd, ask):
    who = ask(slapd, "other@example.com", "manys-password", People("many@example.com", "other@example.com"))
    assert (who.account_id, who.email) == (2, "other@example.com")


@pytest.mark.slow
def test_an_account_is_made_only_where_that_is_wanted(slapd, ask, caplog):
    people = People()
    with caplog.at_level("INFO"), pytest.raises(Denied, match="create_accounts"):
        ask(slapd, ANN, ANNS_PASSWORD, people)
    assert f"'{ANN}' has no account here" in caplog.text
    assert people.emails == []
    who = ask(slapd, ANN, ANNS_PASSWORD, people, create_accounts=True, scope="share")
    assert (people.emails, who.account_id, who.scope) == ([ANN], 1, Scope.SHARE)


@pytest.mark.slow
def test_members_of_a_group_administer_with_or_without_an_account(slapd, ask):
    groups = {"admin_groups": [ADMINS]}
    root = Principal(account_id=2, email=ROOT, admin=True, method="ldap")
    assert ask(slapd, ROOT, ROOTS_PASSWORD, **groups) == root
    assert ask(slapd, ROOT, ROOTS_PASSWORD, People(), **groups) == Principal(email=ROOT, admin=True, method="ldap")
    assert not ask(slapd, ANN, ANNS_PASSWORD, **groups).admin
    assert not ask(slapd, ROOT, ROOTS_PASSWORD).admin
    with pytest.raises(Denied):
        ask(slapd, ROOT, "wrong", **groups)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ca": ""}, "certificate verify failed"),
        ({"bind_password": "wrong"}, "it refuses our own bind as cn=zrokd"),
        ({"bind_dn": "", "bind_password": ""}, "noSuchObject"),
        ({"base": "ou=nowhere,dc=example,dc=com"}, "the search below ou=nowhere,dc=example,dc=com failed"),
        ({"admin_groups": ["cn=gone,dc=example,dc=com"]}, "the group cn=gone,dc=example,dc=com cannot be read"),
    ],
)
def test_what_the_operator_got_wrong_is_no_wrong_password(slapd, ask, caplog, changes, said):
    with pytest.raises(Unavailable) as away:
        ask(slapd, ANN, ANNS_PASSWORD, **changes)
    assert str(away.value) == "the directory of people does not answer; try again"
    assert said in caplog.text
    assert said in ask.health.detail and not ask.health.ok
    assert SERVICE_PASSWORD not in caplog.text and ANNS_PASSWORD not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("way", ["url", "tls_url"])
def test_a_certificate_of_another_name_is_refused_before_any_password_is_sent(new_slapd, ask, caplog, way):
    server = new_slapd(names=("ldap.example.com",))
    with pytest.raises(Unavailable):
        ask(server, ANN, ANNS_PASSWORD, servers=[getattr(server, way)])
    assert "Hostname mismatch" in caplog.text


@pytest.mark.slow
def test_anonymously_it_finds_people_where_that_is_allowed(new_slapd, ask):
    server = new_slapd(anonymous="read")
    assert ask(server, ANN, ANNS_PASSWORD, bind_dn="", bind_password="").email == ANN


@pytest.mark.slow
def test_a_referral_is_not_followed(slapd, ask):
    """Below the base there is one, to a place that refuses connections."""
    assert ask(slapd, ANN, ANNS_PASSWORD, filter="(mail={login})").email == ANN


@pytest.mark.slow
def test_a_server_that_refuses_starttls_is_told_no_password(ask, origin, caplog):
    heard = []

    def refuse(stream):
        while data := stream.recv(65536, 10):
            heard.append(data)
            number = data[2 : 4 + data[3]]
            answer = number + bytes([0x78, 7, 0x0A, 1, 2, 4, 0, 4, 0])  # protocolError. Source: RFC 4511 §4.12
            stream.send(bytes([0x30, len(answer)]) + answer, 10)

    nowhere = SimpleNamespace(tls_url=f"ldap://localhost:{origin(refuse)}", ca="")
    with pytest.raises(Unavailable):
        ask(nowhere, ANN, ANNS_PASSWORD)
    assert "startTLS failed" in caplog.text
    assert len(heard) == 1 and ANNS_PASSWORD.encode() not in heard[0] and SERVICE_PASSWORD.encode() not in heard[0]


@pytest.fixture
def silent():
    """The URL of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield f"ldap://127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
def dead():
    """The URL of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    return f"ldap://127.0.0.1:{port}"


@pytest.mark.slow
def test_another_server_answers_for_those_that_do_not(slapd, ask, dead, silent):
    assert ask(slapd, ANN, ANNS_PASSWORD, servers=[dead, silent, slapd.tls_url]).email == ANN
    with pytest.raises(Denied):
        ask(slapd, ANN, "wrong", servers=[dead, slapd.tls_url])


@pytest.mark.slow
def test_a_wrong_password_is_not_tried_at_the_next_server(slapd, ask, monkeypatch):
    """Each would count it, and lock the account sooner."""
    tried, connected = [], Servers._connected
    monkeypatch.setattr(Servers, "_connected", lambda self, url: tried.append(url) or connected(self, url))
    with pytest.raises(Denied):
        ask(slapd, ANN, "wrong", servers=[slapd.tls_url, slapd.url])
    assert tried == [slapd.tls_url]


@pytest.mark.slow
def test_a_directory_that_is_away_comes_back(new_slapd, ask):
    server = new_slapd()
    server.stop()
    with pytest.raises(Unavailable):
        ask(server, ANN, ANNS_PASSWORD)
    server.start()
    assert ask(server, ANN, ANNS_PASSWORD).email == ANN


@pytest.mark.slow
def test_a_directory_that_stands_still_is_waited_for_no_longer_than_said(new_slapd, ask):
    server = new_slapd()
    server.pause()
    with gevent.Timeout(8), pytest.raises(Unavailable):
        ask(server, ANN, ANNS_PASSWORD)
    server.resume()


@pytest.mark.slow
def test_all_servers_together_have_their_time(slapd, ask, silent, monkeypatch):
    monkeypatch.setattr("zrokd_plugins.auth_ldap.servers._TOGETHER_S", 0.5)
    with gevent.Timeout(5), pytest.raises(Unavailable):
        ask(slapd, ANN, ANNS_PASSWORD, servers=[silent, slapd.tls_url])
    assert "no answer within 0.5 s" in ask.health.detail


@pytest.mark.slow
def test_a_password_changed_there_counts_at_once(new_slapd, ask):
    server = new_slapd()
    assert ask(server, ANN, ANNS_PASSWORD)
    server.modify(f"dn: uid=ann,{PEOPLE}\nchangetype: modify\nreplace: userPassword\nuserPassword: an0ther-one\n")
    with pytest.raises(Denied):
        ask(server, ANN, ANNS_PASSWORD)
    assert ask(server, ANN, "an0ther-one")
    server.modify(f"dn: uid=ann,{PEOPLE}\nchangetype: delete\n")
    assert ask(server, ANN, "an0ther-one") is None
