"""Everything against the real libpam, with rules of our own in place of /etc/pam.d."""

import ctypes
import pwd
import sys

import gevent
import pytest
from gevent.monkey import get_original
from pydantic import ValidationError
from zrokd_plugins import auth_pam
from zrokd_plugins.auth_pam import PamAuthenticator, PamSettings, groups_of, zrokd_provide_auths

from zrokd.errors import Denied, StartError, Unavailable
from zrokd.model.account import Account, Credentials, Principal, Scope

ANN, RIGHT = "ann@example.com", "anns-password"


class People:
    """A directory of accounts."""

    def __init__(self, *emails):
        self.emails = list(emails)

    def account_by_email(self, email):
        return Account(id=self.emails.index(email) + 1, email=email) if email in self.emails else None

    def make_account(self, email):
        if email not in self.emails:
            self.emails.append(email)
        return self.account_by_email(email)


@pytest.fixture
def ask(small_ctx, pam_rules):
    """ask(login, password, people, **settings): what the authenticator says."""
    small_ctx.offload(int)

    def make(login, password, people=None, **changes):
        auth = PamAuthenticator(PamSettings(**{"domain": "example.com"} | changes), small_ctx)
        auth.open()
        return auth.authenticate(Credentials(username=login, password=password), people or People(ANN))

    return make


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"domain": "not a domain"}, "DNS zone"),
        ({"service": "../login"}, "match"),
        ({"service": ""}, "match"),
        ({"timeout": "1m"}, "less"),
        ({"scope": "admin"}, "scope"),
    ],
)
def test_wrong_settings_are_refused_and_it_is_said_why(wrong, said):
    with pytest.raises(ValidationError, match=said):
        PamSettings(**{"domain": "example.com"} | wrong)


@pytest.mark.parametrize("login", [ANN, "ann", " ann ", "ann@Example.COM"])
def test_who_knows_the_password_is_known_by_name_and_domain(ask, login):
    assert ask(login, RIGHT) == Principal(account_id=1, email=ANN, method="pam", scope=Scope.ACCOUNT)


@pytest.mark.parametrize(
    ("login", "password"), [("ann", "wrong"), ("ann", RIGHT + " "), ("ann", "ü" * 250), ("zoe", "zoes-password")]
)
def test_whoever_is_there_and_does_not_prove_it_is_denied(ask, login, password):
    """Also who has no account here."""
    with pytest.raises(Denied) as denied:
        ask(login, password)
    assert password not in str(denied.value)


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("", RIGHT),
        ("ann", ""),
        ("ann@elsewhere.example", RIGHT),
        ("ann@example.com@example.com", RIGHT),
        ("-ann", RIGHT),
        ("ann\0", RIGHT),
        ("ann\n", "x\0y"),
        ("a/../b", RIGHT),
        ("root", "any"),
        ("root@example.com", "any"),
        ("ä", RIGHT),
        ("a" * 65, RIGHT),
        ("ann", "x" * 257),
    ],
)
def test_names_that_the_system_cannot_have_are_others_to_know(ask, monkeypatch, login, password):
    monkeypatch.setattr(auth_pam, "ask_pam", lambda *_: pytest.fail("PAM was asked"))
    assert ask(login, password) is None


def test_a_token_is_others_to_know(ask, small_ctx):
    auth = PamAuthenticator(PamSettings(domain="example.com"), small_ctx)
    assert auth.authenticate(Credentials(token="ann"), People(ANN)) is None


def test_an_account_is_made_only_where_that_is_wanted(ask, caplog):
    people = People()
    with caplog.at_level("INFO"), pytest.raises(Denied, match="create_accounts"):
        ask("ann", RIGHT, people)
    assert "has no account here" in caplog.text
    who = ask("ann", RIGHT, people, create_accounts=True, scope="read")
    assert (people.emails, who.account_id, who.scope) == ([ANN], 1, Scope.READ)


def test_members_of_a_group_of_the_system_administer(ask):
    (group,) = groups_of("nobody")
    administers = {"admin_groups": ["elsewhere", group]}
    assert ask("nobody", "nobodys-password", **administers) == Principal(
        email="nobody@example.com", admin=True, method="pam"
    )
    assert not ask("ann", RIGHT, **administers).admin, "PAM knows her, the system's groups do not"
    with pytest.raises(Denied):
        ask("nobody", "nobodys-password", admin_groups=["elsewhere"])


def test_groups_are_the_systems():
    assert "root" in groups_of(pwd.getpwuid(0).pw_name)
    assert groups_of("there-is-nobody-like-that") == set()


@pytest.mark.parametrize(
    ("auth", "account", "outcome"),
    [
        ("user_unknown", "success", None),
        ("auth_err", "success", Denied),
        ("perm_denied", "success", Denied),
        ("maxtries", "success", Denied),
        ("cred_insufficient", "success", Denied),
        ("ignore", "success", Denied),
        ("success", "acct_expired", Denied),
        ("success", "new_authtok_reqd", Denied),
        ("success", "perm_denied", Denied),
        ("authinfo_unavail", "success", Unavailable),
        ("system_err", "success", Unavailable),
        ("service_err", "success", Unavailable),
        ("success", "system_err", Unavailable),
    ],
)
def test_each_answer_of_pam_has_its_meaning(ask, pam_rules, auth, account, outcome):
    """What it cannot say is no wrong password. An expired account is refused though its password is right."""
    pam_rules("zrokd", f"auth required pam_debug.so auth={auth}", f"account required pam_debug.so acct={account}")
    if outcome is None:
        assert ask("ann", RIGHT) is None
        return
    with pytest.raises(outcome):
        ask("ann", RIGHT)


@pytest.mark.parametrize(
    "lines", [("auth required pam_deny.so",), (), ("nonsense",), ("auth required pam_no_such_module.so",)]
)
def test_rules_that_let_nobody_in_or_are_none_let_nobody_in(ask, pam_rules, lines):
    pam_rules("zrokd", *lines)
    with pytest.raises((Denied, Unavailable)):
        ask("ann", RIGHT)


def test_a_service_without_rules_lets_nobody_in(ask):
    with pytest.raises((Denied, Unavailable)):
        ask("ann", RIGHT, service="no-such-service")


def test_a_module_that_hangs_is_not_waited_for_and_keeps_its_place(small_ctx, pam_rules, monkeypatch, caplog):
    small_ctx.offload(int)
    hangs = get_original("_thread", "allocate_lock")()
    hangs.acquire()

    def hang(*_):
        with hangs:
            return auth_pam.Says.YES, "Success"

    auth = PamAuthenticator(PamSettings(domain="example.com", timeout="50ms"), small_ctx)
    auth.open()
    ann = Credentials(username="ann", password=RIGHT)
    with monkeypatch.context() as patched, gevent.Timeout(5):
        patched.setattr(auth_pam, "ask_pam", hang)
        for _ in range(2):
            with pytest.raises(Unavailable, match="cannot be said now"):
                auth.authenticate(ann, People(ANN))
    assert "PAM did not say within 0.05 s who 'ann' is" in caplog.text
    with pytest.raises(Unavailable, match="too many people"):
        auth.authenticate(ann, People(ANN))
    hangs.release()
    with gevent.Timeout(5):
        while auth._room._value < 2:
            gevent.sleep(0.01)
    assert auth.authenticate(ann, People(ANN)).email == ANN


def test_without_libpam_the_start_says_so(small_ctx, monkeypatch):
    monkeypatch.setattr("pam.PamAuthenticator", lambda: ctypes.CDLL("libno-pam-here.so"))
    with pytest.raises(StartError, match="libpam and libpam_misc cannot be loaded"):
        PamAuthenticator(PamSettings(domain="example.com"), small_ctx).open()


def test_without_its_driver_the_start_says_what_to_install(small_ctx, monkeypatch):
    monkeypatch.setitem(sys.modules, "pam", None)
    with pytest.raises(StartError, match=r"install zrokd\[pam\]"):
        PamAuthenticator(PamSettings(domain="example.com"), small_ctx).open()


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_auths()] == ["pam"]
