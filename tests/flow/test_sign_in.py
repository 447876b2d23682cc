"""People of a directory and of an OpenID provider, at a whole zrokd."""

import pytest
import requests

from tests.signin.fixtures import ANN, ANNS_PASSWORD, ROOT, ROOTS_PASSWORD
from tests.signin.slapd import ADMINS, PEOPLE, SERVICE, SERVICE_PASSWORD
from zrokd.cli.main import run_program
from zrokd.testing.scenario import ACCOUNT_TOKEN, Scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
MEDIA_TYPE = "application/zrok.v1+json"


@pytest.fixture
def site(tmp_path, new_slapd, provider):
    """A controller that knows people by a directory and by a provider."""
    slapd = new_slapd()
    ldap = {
        "use": "ldap", "servers": [slapd.url], "ca": slapd.ca, "base": PEOPLE, "bind_dn": SERVICE, "timeout": "1s",
        "bind_password": SERVICE_PASSWORD, "admin_groups": [ADMINS], "create_accounts": True, "scope": "share",
    }  # fmt: skip
    oidc = {"use": "oidc", "issuer": provider.issuer, "audience": ["zrokd"], "admin_groups": ["ops"]}
    with Scenario(tmp_path, changes={"auth": [{"use": "token"}, oidc, ldap]}) as zrokd:
        zrokd.slapd, zrokd.provider = slapd, provider
        yield zrokd


@pytest.fixture
def ask(site):
    """ask(method, path, body, **headers): an answer of the API."""

    def call(method, path, body=None, **headers):
        url, said = f"{site.controller_url}/api/v2{path}", {"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE, **headers}
        return requests.request(method, url, json=body, headers=said, timeout=20)

    return call


def login(ask, email, password, path="/login"):
    return ask("POST", path, {"email": email, "password": password})


def test_people_of_a_directory_get_an_account_and_a_token_by_their_password(ask):
    token = login(ask, "ann@example.com", ANNS_PASSWORD).json()
    told = ask("GET", "/detail/account", **{"X-Token": token})
    assert told.status_code == 200
    assert ask("POST", "/enable", {"description": "d", "host": "h"}, **{"X-Token": token}).status_code == 201
    assert ask("GET", "/zrokd/tokens", **{"X-Token": token}).status_code == 403, "its scope is to share"
    assert ask("GET", "/zrokd/accounts", **{"X-Token": token}).status_code == 401


def test_administrators_of_a_directory_get_a_token_that_ends(ask):
    made = login(ask, ROOT, ROOTS_PASSWORD, "/zrokd/admin/login")
    assert (made.status_code, made.json()["scope"]) == (201, "admin")
    assert made.json()["expiresAt"] - made.json()["createdAt"] == 8 * 3600 * 1000
    assert ask("GET", "/zrokd/accounts", **{"X-Token": made.json()["token"]}).status_code == 200
    refused = login(ask, ANN, ANNS_PASSWORD, "/zrokd/admin/login")
    assert (refused.status_code, refused.json()) == (401, "e-mail address or password are wrong")


def test_an_administrator_of_a_directory_works_at_a_terminal(site, tmp_path, capsys):
    (tmp_path / "password").write_text(f"{ROOTS_PASSWORD}\n")
    there = ["--controller", site.controller_url]
    assert run_program(["login", ROOT, "--admin", "--password-file", str(tmp_path / "password"), *there]) == 0
    token, told = capsys.readouterr()
    assert "this is shown once, and good until 20" in told
    (tmp_path / "token").write_text(token)
    assert run_program(["admin", "list", "accounts", "--secret-file", str(tmp_path / "token"), *there]) == 0
    assert capsys.readouterr().out == f"{ANN}\n{ROOT}\n"


def test_people_of_the_system_get_a_token_by_their_password(tmp_path, pam_rules):
    auth = [{"use": "token"}, {"use": "pam", "domain": "example.com", "create_accounts": True}]
    with Scenario(tmp_path, changes={"auth": auth}) as zrokd:

        def ask(password, **headers):
            body = {"email": "zoe", "password": password}
            return requests.post(f"{zrokd.controller_url}/api/v2/login", json=body, headers=headers, timeout=20)

        assert ask("a-guess").status_code == 401
        token = ask("zoes-password").json()
        told = requests.get(f"{zrokd.controller_url}/api/v2/overview", headers={"X-Token": token}, timeout=20)
        assert told.status_code == 200


def test_whoever_is_refused_is_told_the_same(ask):
    """Wrong, unknown to all, known here alone, and not to be told from others."""
    answers = [
        login(ask, email, password)
        for email, password in (
            ("zoe@example.com", "wrong"),
            ("nobody@example.com", "wrong"),
            ("twin@example.com", "twins-password"),
            ("*", "wrong"),
            ("zoe@example.com", "\u00ad"),
        )
    ]
    assert {(one.status_code, one.text, frozenset(one.headers)) for one in answers} == {
        (401, '"e-mail address or password are wrong"', frozenset(answers[0].headers))
    }


def test_guesses_at_a_directory_are_counted(ask):
    for _ in range(5):
        assert login(ask, ANN, "guess").status_code == 401
    answer = login(ask, ANN, ANNS_PASSWORD)
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) >= 1


def test_a_directory_that_is_away_is_said_to_be_and_tokens_go_on(site, ask):
    token = login(ask, ANN, ANNS_PASSWORD).json()
    site.slapd.stop()
    for _ in range(8):
        answer = login(ask, ANN, ANNS_PASSWORD)
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1
        assert answer.json() == "the directory of people does not answer; try again"
    for good in (token, ACCOUNT_TOKEN):
        assert ask("GET", "/overview", **{"X-Token": good}).status_code == 200
    site.slapd.start()
    assert login(ask, ANN, ANNS_PASSWORD).status_code == 200, "what nobody could judge did not count"


def test_tokens_of_a_provider_count_in_either_header(site, ask):
    token = site.provider.token()
    for headers in ({"X-Token": token}, {"Authorization": f"Bearer {token}"}):
        assert ask("GET", "/overview", **headers).status_code == 200
        assert ask("GET", "/zrokd/accounts", **headers).status_code == 401
    ops = {"Authorization": f"Bearer {site.provider.token(groups=['ops'])}"}
    assert ask("GET", "/overview", **ops).status_code == 200
    assert ask("GET", "/zrokd/accounts", **ops).status_code == 200
    made = ask("POST", "/zrokd/tokens", {"name": "laptop"}, **ops)
    assert made.status_code == 201
    assert ask("GET", "/overview", **{"X-Token": made.json()["token"]}).status_code == 200


def test_a_token_of_a_provider_that_is_no_good_is_refused_as_any(site, ask):
    good = site.provider.token()
    bad = [site.provider.token(exp=1), site.provider.token(aud="other"), good[:-4] + "AAAA", "x.y.z"]
    answers = [ask("GET", "/overview", Authorization=f"Bearer {token}") for token in [*bad, "wrong"]]
    assert {(one.status_code, one.text) for one in answers} == {(401, answers[-1].text)}


def test_a_provider_that_is_away_is_said_to_be_and_others_go_on(site, ask):
    token = site.provider.token()
    site.provider.stop()
    answer = ask("GET", "/overview", **{"X-Token": token})
    assert (answer.status_code, answer.json()) == (503, "the provider of these tokens does not answer; try again")
    assert ask("GET", "/overview", **{"X-Token": ACCOUNT_TOKEN}).status_code == 200
