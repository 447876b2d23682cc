"""Everything against a real provider: an HTTP server with real keys."""

import base64
import contextlib
import hashlib
import hmac
import json
import logging
import sys
import time
from types import SimpleNamespace

import gevent
import pytest
from gevent.event import Event
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey
from pydantic import ValidationError
from zrokd_plugins.auth_oidc import OidcAuthenticator, zrokd_provide_auths
from zrokd_plugins.auth_oidc.settings import OidcSettings

from tests.certificates import issue, private_key
from zrokd.errors import Denied, StartError, Unavailable
from zrokd.model.account import Account, Credentials, Principal, Scope

ANN = "ann@example.com"
DISCOVERY = "/.well-known/openid-configuration"
HERE = {"issuer": "https://id.example.com", "audience": ["zrokd"]}


class People:
    """A directory of accounts."""

    def __init__(self, *emails):
        self.emails = list(emails)

    def account_by_email(self, email):
        email = email.lower()
        return Account(id=self.emails.index(email) + 1, email=email) if email in self.emails else None

    def make_account(self, email):
        if email not in self.emails:
            self.emails.append(email)
        return self.account_by_email(email)


class Clock:
    ahead_s = 0.0

    def now_ms(self):
        return int((time.time() + self.ahead_s) * 1000)

    def monotonic(self):
        return time.monotonic() + self.ahead_s


@pytest.fixture
def make(small_ctx, provider):
    """make(**settings): an open authenticator for the provider; its clock is `make.clock`."""
    small_ctx.clock = Clock()

    def begin(**changes):
        settings = {"issuer": provider.issuer, "audience": ["zrokd"], "timeout": "2s"} | changes
        auth = OidcAuthenticator(OidcSettings(**settings), small_ctx)
        auth.open()
        return auth

    begin.clock = small_ctx.clock
    return begin


def ask(auth, token, people=None):
    return auth.authenticate(Credentials(token=token), people or People(ANN))


def denied(auth, token, people=None):
    """What the log is told."""
    with pytest.raises(Denied) as caught:
        ask(auth, token, people)
    assert token not in str(caught.value)
    return str(caught.value)


# -- settings ---


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"issuer": "id.example.com"}, "is no issuer"),
        ({"issuer": "http://id.example.com"}, "must begin with https://"),
        ({"issuer": "http://192.0.2.1"}, "must begin with https://"),
        ({"issuer": "ftp://127.0.0.1"}, "must begin with https://"),
        ({"issuer": "https://id.example.com/?a=b"}, "is no issuer"),
        ({"issuer": "https://me:secret@id.example.com"}, "is no issuer"),
        ({"audience": []}, "at least 1"),
        ({"audience": [""]}, "at least 1"),
        ({"algorithms": []}, "at least 1"),
        ({"algorithms": ["HS256"]}, "RS256"),
        ({"algorithms": ["none"]}, "RS256"),
        ({"leeway": "10m"}, "less"),
        ({"scope": "admin"}, "scope"),
    ],
)
def test_wrong_settings_are_refused_and_it_is_said_why(wrong, said):
    with pytest.raises(ValidationError, match=said):
        OidcSettings(**HERE | wrong)


def test_without_its_driver_the_start_says_what_to_install(small_ctx, monkeypatch):
    monkeypatch.setitem(sys.modules, "zrokd_plugins.auth_oidc.tokens", None)
    with pytest.raises(StartError, match=r"install zrokd\[oidc\]"):
        OidcAuthenticator(OidcSettings(**HERE), small_ctx).open()


def test_by_default_nobody_is_given_an_account_and_addresses_are_verified():
    settings = OidcSettings(**HERE)
    assert (settings.create_accounts, settings.unverified, settings.admin_groups) == (False, False, [])


# -- good ones ---


def test_who_shows_a_token_of_the_provider_is_known_by_the_address(make, provider):
    assert ask(make(), provider.token()) == Principal(account_id=1, email=ANN, method="oidc", scope=Scope.ACCOUNT)


class Ahead(int):
    """Seconds after the moment of the test, which comes long after the table was read."""


def now(claims):
    return {name: int(time.time()) + each if isinstance(each, Ahead) else each for name, each in claims.items()}


@pytest.mark.filterwarnings("ignore:.*EdDSA")  # the name that everybody uses
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])
def test_every_kind_of_key_can_sign(make, provider, algorithm):
    provider.rotate(algorithm)
    assert ask(make(algorithms=[algorithm]), provider.token()).email == ANN


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["other", "zrokd"]},
        {"email": "Ann@Example.com"},
        {"exp": Ahead(-10)},
        {"nbf": Ahead(10)},
        {"more": {"deep": [1, 2]}},
    ],
)
def test_what_the_provider_may_say_counts(make, provider, claims):
    """Clocks may be off a little."""
    assert ask(make(), provider.token(**now(claims))).email == ANN


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": None}, {"typ": "JWT", "more": "x" * 2000}])
def test_headers_of_other_software_are_read(make, provider, header):
    assert ask(make(), provider.token(header=header)).email == ANN


def test_without_a_kid_the_only_key_is_it_and_of_two_none(make, provider):
    token = provider.token(header={"kid": None})
    assert ask(make(), token).email == ANN
    provider.rotate(keep=True)
    assert "no key None" in denied(make(), provider.token(header={"kid": None}))


def test_an_account_is_made_only_where_that_is_wanted(make, provider):
    people = People()
    assert "has no account here" in denied(make(), provider.token(), people)
    assert people.emails == []
    who = ask(make(create_accounts=True, scope="read"), provider.token(), people)
    assert (people.emails, who.account_id, who.scope) == ([ANN], 1, Scope.READ)


@pytest.mark.parametrize(
    ("settings", "claims", "admin"),
    [
        ({}, {"groups": ["ops"]}, True),
        ({}, {"groups": ["dev", "ops"]}, True),
        ({}, {"groups": ["dev"]}, False),
        ({}, {"groups": "ops"}, False),
        ({}, {"groups": {"ops": True}}, False),
        ({}, {"groups": [["ops"], None]}, False),
        ({}, {}, False),
        ({"admin_groups": []}, {"groups": ["ops"]}, False),
        ({"groups": "realm_access.roles"}, {"realm_access": {"roles": ["ops"]}}, True),
        ({"groups": "realm_access.roles"}, {"realm_access": ["ops"], "groups": ["ops"]}, False),
    ],
)
def test_members_of_a_group_administer(make, provider, settings, claims, admin):
    auth = make(**{"admin_groups": ["ops"]} | settings)
    assert ask(auth, provider.token(**claims)).admin is admin
    if admin:
        assert ask(auth, provider.token(**claims), People()) == Principal(email=ANN, admin=True, method="oidc")


# -- bad ones ---


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "other"}, "aud"),
        ({"aud": ["other"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": {"zrokd": 1}}, "aud"),
        ({"exp": None}, "exp"),
        ({"exp": Ahead(-60)}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"nbf": Ahead(60)}, "not yet valid"),
        ({"iat": Ahead(60)}, "issued in the future"),
        ({"sub": None}, "sub"),
        ({"email": None}, "no claim 'email'"),
        ({"email": ""}, "no claim 'email'"),
        ({"email": ["ann@example.com"]}, "no claim 'email'"),
        ({"email_verified": False}, "has not verified"),
        ({"email_verified": None}, "has not verified"),
        ({"email_verified": "true"}, "has not verified"),
        ({"email": "bob@example.com"}, "no account here"),
        ({"email": "ann@example.com\0"}, "no account here"),
    ],
)
def test_a_token_that_is_not_for_us_or_not_now_or_of_nobody_is_denied(make, provider, claims, said):
    assert said in denied(make(), provider.token(**now(claims)))


def test_unverified_addresses_count_where_the_operator_says_so(make, provider):
    assert ask(make(unverified=True), provider.token(email_verified=None)).email == ANN


def segment(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_of(token):
    return token.split(".")[1]


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 5, ["ES256"], "HS256", "ES384", "RS256"])
def test_another_algorithm_than_the_keys_is_denied(make, provider, algorithm):
    """`none`, and a public key taken for a secret one, are the classics."""
    kid = provider.keys[0].kid
    for signature in ("", provider.token().split(".")[2]):
        denied(make(), f"{segment({'alg': algorithm, 'kid': kid})}.{claims_of(provider.token())}.{signature}")


def test_a_public_key_is_never_a_secret(make, provider):
    key = provider.rotate("RS256")
    signed = f"{segment({'alg': 'HS256', 'kid': key.kid})}.{claims_of(provider.token())}"
    for public in (key.as_pem(private=False), key.as_der(private=False)):
        signature = segment(hmac.new(public, signed.encode(), hashlib.sha256).digest())
        assert "not allowed" in denied(make(), f"{signed}.{signature}")


def test_a_secret_key_that_the_provider_shows_is_not_taken(make, provider):
    secret = OctKey.generate_key(256, {"kid": "shared", "alg": "HS256"})
    provider.keys.append(SimpleNamespace(as_dict=lambda private: secret.as_dict(private=True)))
    token = jwt.encode({"alg": "HS256", "kid": "shared"}, {"iss": provider.issuer}, secret, algorithms=["HS256"])
    assert "not allowed" in denied(make(), token)


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": ["unheard"], "unheard": 1},
        {"typ": "logout+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": 5},
    ],
)
def test_a_token_that_brings_rules_of_its_own_or_is_for_something_else_is_denied(make, provider, header):
    head = {"alg": "ES256", "kid": provider.keys[0].kid, "typ": "JWT"} | header
    denied(make(), ".".join([segment(head), *provider.token().split(".")[1:]]))
    try:
        denied(make(), provider.token(header=header))
    except JoseError:
        assert "crit" in header or header["typ"] == 5, "joserfc does not even write it"


@pytest.mark.parametrize("brings", ["jwk", "jku", "x5u"])
def test_a_token_that_brings_its_own_key_is_denied(make, provider, brings):
    stranger = ECKey.generate_key("P-256", {"alg": "ES256", "kid": provider.keys[0].kid})
    own = stranger.as_dict(private=False) if brings == "jwk" else "https://evil.example/keys"
    assert "bad_signature" in denied(make(), provider.token(header={brings: own}, key=stranger))


def test_a_token_of_another_key_of_the_same_name_is_denied(make, provider, new_provider):
    other = new_provider()
    assert other.keys[0].kid == provider.keys[0].kid
    assert "bad_signature" in denied(make(), provider.token(key=other.keys[0]))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_token_of_which_a_byte_was_changed_is_nobodys(make, provider, place):
    parts = provider.token().split(".")
    parts[place] = ("A" if parts[place][5] != "A" else "B").join([parts[place][:5], parts[place][6:]])
    with contextlib.suppress(Denied):
        assert ask(make(), ".".join(parts)) is None


def test_tokens_of_others_are_for_others(make, provider, new_provider):
    auth = make()
    assert ask(auth, new_provider().token()) is None
    for token in ("", "x", "a.b", "a.b.c", "....", "a.b.c.d.e", "é.é.é", "x" * 20_000):
        assert ask(auth, token) is None
    assert ask(auth, provider.token() + "x" * 17_000) is None
    assert auth.authenticate(Credentials(username=ANN, password="x"), People(ANN)) is None
    assert provider.asked == {}, "nobody is asked about them"


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_garbage_is_nobodys_whatever_it_is(head, body, signature):
    auth = OidcAuthenticator(OidcSettings(**HERE), SimpleNamespace(clock=Clock(), log=logging.getLogger("test")))
    auth.open()
    claims = json.dumps({"iss": HERE["issuer"], "x": list(body)}).encode()
    for payload in (body, claims):
        with contextlib.suppress(Denied):
            assert ask(auth, f"{segment(head)}.{segment(payload)}.{segment(signature)}") is None


# -- keys ---


def test_keys_are_asked_for_once_and_kept(make, provider):
    auth = make()
    for _ in range(3):
        ask(auth, provider.token())
    assert provider.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}


def test_a_new_key_is_found_when_its_first_token_comes(make, provider):
    auth = make()
    ask(auth, provider.token())
    old = provider.keys[0]
    make.clock.ahead_s += 11
    provider.rotate(keep=True)
    assert ask(auth, provider.token()).email == ANN
    assert ask(auth, provider.token(key=old)).email == ANN
    assert provider.asked["/keys"] == 2


def test_a_key_that_was_taken_away_is_good_no_longer_than_said(make, provider):
    auth = make(keys_for="10m")
    old = provider.token(exp=int(time.time()) + 3600)
    ask(auth, old)
    provider.rotate()
    make.clock.ahead_s += 601
    assert "no key 'key-1'" in denied(auth, old)


def test_made_up_keys_do_not_make_us_ask_again_and_again(make, provider):
    auth = make()
    ask(auth, provider.token())
    for number in range(20):
        denied(auth, provider.token(header={"kid": f"made-up-{number}"}))
    assert provider.asked["/keys"] == 1
    make.clock.ahead_s += 11
    for number in range(20):
        denied(auth, provider.token(header={"kid": f"made-up-{number}"}))
    assert provider.asked["/keys"] == 2


def test_many_at_once_ask_once(make, provider):
    auth, go = make(), Event()
    provider.hold = go.wait
    asking = [gevent.spawn(ask, auth, provider.token()) for _ in range(20)]
    gevent.sleep(0.05)
    go.set()
    gevent.joinall(asking, raise_error=True)
    assert provider.asked["/keys"] == 1


def test_a_provider_that_is_away_is_no_denial_and_its_keys_are_believed_for_a_while(make, provider):
    auth = make(keys_for="1h", keys_until="1d")
    token = provider.token(exp=int(time.time()) + 10 * 86400)
    ask(auth, token)
    provider.stop()
    make.clock.ahead_s += 3700
    assert ask(auth, token).email == ANN
    assert not auth.health().ok and "cannot be had" in auth.health().detail
    make.clock.ahead_s += 86400
    with pytest.raises(Unavailable, match="does not answer"):
        ask(auth, token)


def test_a_provider_that_never_answered_can_vouch_for_nobody_and_is_asked_again(make, provider):
    provider.broken["/keys"] = ("503 Service Unavailable", b"{}")
    auth = make()
    with pytest.raises(Unavailable):
        ask(auth, provider.token())
    del provider.broken["/keys"]
    with pytest.raises(Unavailable):
        ask(auth, provider.token())
    make.clock.ahead_s += 11
    assert ask(auth, provider.token()).email == ANN
    assert auth.health().ok


@pytest.mark.parametrize(
    ("path", "status", "body", "said"),
    [
        ("/keys", "404 Not Found", b"", "answers 404"),
        ("/keys", "302 Found", b"", "answers 302"),
        ("/keys", "200 OK", b"<html>", "cannot be had"),
        ("/keys", "200 OK", b"[]", "no JSON object"),
        ("/keys", "200 OK", b"{}", "no key that can be used"),
        ("/keys", "200 OK", b'{"keys": [5, {"kty": "RSA", "key_ops": 5}, {"kty": "EC", "crv": "P-1"}]}', "no key that"),
        ("/keys", "200 OK", b'{"keys": [' + b" " * (1 << 20) + b"]}", "more than 1048576 bytes"),
        (DISCOVERY, "200 OK", b'{"issuer": "https://other"}', "calls itself 'https://other'"),
        (DISCOVERY, "200 OK", b'{"issuer": "ISSUER", "jwks_uri": "file:///x"}', "not https"),
        (DISCOVERY, "200 OK", b'{"issuer": "ISSUER"}', "not https"),
    ],
)  # fmt: skip
def test_what_a_provider_says_amiss_lets_nobody_in_and_is_told(make, provider, caplog, path, status, body, said):
    provider.broken[path] = (status, body.replace(b"ISSUER", provider.issuer.encode()))
    with pytest.raises(Unavailable) as away:
        ask(make(), provider.token())
    assert said in caplog.text
    assert provider.issuer not in str(away.value)


@pytest.mark.parametrize(
    "change",
    [{"use": "enc"}, {"key_ops": ["sign"]}, {"alg": "ES384"}, {"kty": "oct", "k": "AAAA"}],
)
def test_keys_for_something_else_do_not_verify(make, provider, change):
    key = provider.keys[0]
    document = key.as_dict(private=False) | change
    other = provider.rotate()
    shown = {"keys": [document, other.as_dict(private=False)]}
    provider.broken["/keys"] = ("200 OK", json.dumps(shown).encode())
    assert "no key 'key-1'" in denied(make(), provider.token(key=key))


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_a_short_rsa_key_does_not_verify(make, provider):
    weak = private_key("rsa1024").public_key().public_numbers()
    numbers = {name: segment(getattr(weak, name).to_bytes(129).lstrip(b"\0")) for name in "ne"}
    shown = {"keys": [{"kty": "RSA", "kid": "weak", **numbers}]}
    provider.broken["/keys"] = ("200 OK", json.dumps(shown).encode())
    with pytest.raises(Unavailable):
        ask(make(), provider.token(header={"kid": "weak"}))


def test_a_provider_that_stands_still_is_waited_for_no_longer_than_said(make, provider):
    go = Event()
    provider.hold = go.wait
    with gevent.Timeout(5), pytest.raises(Unavailable):
        ask(make(timeout="200ms"), provider.token())
    go.set()


def test_a_certificate_is_checked(make, new_provider, tmp_path):
    files = issue("127.0.0.1").write(tmp_path)
    secure = new_provider(tls=files)
    assert ask(make(issuer=secure.issuer, ca=str(files[0])), secure.token()).email == ANN
    with pytest.raises(Unavailable):
        ask(make(issuer=secure.issuer), secure.token())


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_auths()] == ["oidc"]
