import re
from dataclasses import replace

import pytest

GOOD, BETTER = "Correct-h0rse", "Better-h0rse"
ZOE = "zoe@example.com"
SPOILT = [None, 5, ["x"], {"a": 1}]


@pytest.fixture
def zoe(api, admin):
    """Zoe's first token; she has a password."""
    return api.ok("POST", "/account", token=admin, body={"email": ZOE, "password": GOOD})["accountToken"]


def token_in(letter):
    return re.search(r"token is (\w{12})\n", letter.text)[1]


# -- login ---


@pytest.mark.parametrize("email", [ZOE, "ZOE@Example.com", f" {ZOE} "])
def test_a_login_is_answered_with_a_token_that_works(api, zoe, email):
    answer = api.raw("POST", "/login", body={"email": email, "password": GOOD})
    assert (answer.status_code, type(answer.json)) == (200, str)
    assert answer.json != zoe
    for token in (zoe, answer.json):
        api.ok("GET", "/overview", token=token)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": ZOE},
        {"password": GOOD},
        {"email": ZOE, "password": ""},
        {"email": ZOE, "password": GOOD + " "},
        {"email": ZOE, "password": GOOD.lower()},
        {"email": "nobody@example.com", "password": GOOD},
        {"email": "ann@example.com", "password": GOOD},
        {"email": "' or 1=1 --", "password": GOOD},
    ],
)
def test_a_login_that_fails_says_the_same_whatever_was_wrong(api, ann, zoe, body):
    before = api.everything()
    assert api.refused(401, "POST", "/login", body=body) == "e-mail address or password are wrong"
    assert api.everything() == before


def test_who_guesses_passwords_has_to_wait_and_others_do_not(api, zoe):
    wrong, right = {"email": ZOE, "password": "Wrong-h0rse"}, {"email": ZOE, "password": GOOD}
    api.settings = replace(api.settings, client_address=lambda peer, forwarded_for: forwarded_for or peer)
    elsewhere = {"X-Forwarded-For": "192.0.2.7"}
    for _ in range(5):
        api.refused(401, "POST", "/login", body=wrong)
    answer = api.raw("POST", "/login", body=right)
    assert (answer.status_code, int(answer.headers["retry-after"]) >= 1) == (429, True)
    api.ok("POST", "/login", body=right, headers=elsewhere)
    api.clock.ahead_s += 60
    api.ok("POST", "/login", body=right)
    api.refused(401, "POST", "/login", body=wrong)


def test_a_deleted_account_cannot_log_in(api, admin, zoe):
    api.ok("DELETE", "/account", token=admin, body={"email": ZOE})
    api.refused(401, "POST", "/login", body={"email": ZOE, "password": GOOD})


def test_many_logins_later_the_first_one_ends_and_the_accounts_own_token_does_not(api, zoe, monkeypatch):
    monkeypatch.setattr("zrokd.service.logins._MOST_TOKENS", 3)
    tokens = [api.ok("POST", "/login", body={"email": ZOE, "password": GOOD}) for _ in range(4)]
    api.refused(401, "GET", "/overview", token=tokens[0])
    for token in (tokens[1], tokens[-1], zoe):
        api.ok("GET", "/overview", token=token)


# -- change ---


def test_a_password_is_changed_and_tokens_stay(api, zoe):
    body = {"email": ZOE, "oldPassword": GOOD, "newPassword": BETTER}
    assert api.ok("POST", "/changePassword", token=zoe, body=body) is None
    api.refused(401, "POST", "/login", body={"email": ZOE, "password": GOOD})
    api.ok("POST", "/login", body={"email": ZOE, "password": BETTER})
    api.ok("GET", "/overview", token=zoe)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"email": ""}, 401),
        ({"oldPassword": ""}, 401),
        ({"newPassword": ""}, 401),
        ({"oldPassword": "Wrong-h0rse"}, 401),
        ({"email": "nobody@example.com"}, 401),
        ({"newPassword": "weak"}, 422),
        ({"newPassword": 5}, 400),
    ],
)
def test_a_password_is_not_changed_when_something_is_amiss(api, zoe, changes, status):
    before = api.everything()
    body = {"email": ZOE, "oldPassword": GOOD, "newPassword": BETTER} | changes
    answer = api.raw("POST", "/changePassword", token=zoe, body=body)
    assert (answer.status_code, type(answer.json)) == (status, str)
    assert api.everything() == before


def test_nobody_changes_somebody_elses_password_even_when_knowing_it(api, zoe, bob):
    before = api.everything()
    body = {"email": ZOE, "oldPassword": GOOD, "newPassword": BETTER}
    api.refused(401, "POST", "/changePassword", token=bob, body=body)
    assert api.everything() == before


# -- register ---


def test_somebody_invited_registers_and_the_token_is_used_up(api):
    api.open_up(invites="open", register_url="https://zrok.example.com/register/")
    answer = api.raw("POST", "/invite", body={"email": "Zoe@Example.com"})
    assert (answer.status_code, answer.content) == (201, b"")
    (letter,) = api.letters
    token = re.search(r"https://zrok\.example\.com/register/(\w{12})\n", letter.text)[1]
    assert (letter.to, token in letter.html) == (ZOE, True)
    assert api.ok("POST", "/verify", body={"registerToken": token}) == {"email": ZOE}
    register = {"registerToken": token, "password": GOOD}
    made = api.ok("POST", "/register", body=register)
    assert set(made) == {"accountToken"}
    api.ok("GET", "/overview", token=made["accountToken"])
    api.ok("POST", "/login", body={"email": ZOE, "password": GOOD})
    api.refused(404, "POST", "/register", body=register)
    api.refused(404, "POST", "/verify", body={"registerToken": token})


def test_an_invitation_tells_the_token_when_there_is_no_page_for_it(api):
    api.open_up(invites="open")
    api.ok("POST", "/invite", body={"email": ZOE})
    assert api.ok("POST", "/verify", body={"registerToken": token_in(api.letters[0])}) == {"email": ZOE}


def test_who_has_an_account_is_answered_like_who_has_none_and_gets_another_letter(api, ann):
    api.open_up(invites="open")
    answers = [api.raw("POST", "/invite", body={"email": email}) for email in (ZOE, "ann@example.com")]
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, b"")}
    assert "there is one already" in api.letters[1].text


def test_a_second_invitation_voids_the_first(api):
    api.open_up(invites="open")
    for _ in range(2):
        api.ok("POST", "/invite", body={"email": ZOE})
    first, second = (token_in(letter) for letter in api.letters)
    api.refused(404, "POST", "/verify", body={"registerToken": first})
    api.ok("POST", "/verify", body={"registerToken": second})


def test_a_registration_is_good_for_as_long_as_the_site_says(api):
    api.open_up(invites="open", register_within_s=100)
    api.ok("POST", "/invite", body={"email": ZOE})
    body = {"registerToken": token_in(api.letters[0]), "password": GOOD}
    api.clock.ahead_s += 101
    api.refused(404, "POST", "/register", body=body)
    assert api.services.registrations.prune() == 1


def test_a_weak_password_does_not_use_the_registration_up(api):
    api.open_up(invites="open")
    api.ok("POST", "/invite", body={"email": ZOE})
    body = {"registerToken": token_in(api.letters[0])}
    assert "a password has" in api.refused(422, "POST", "/register", body=body | {"password": "weak"})
    api.ok("POST", "/register", body=body | {"password": GOOD})


def test_somebody_who_got_an_account_meanwhile_cannot_register_again(api, admin):
    api.open_up(invites="open")
    api.ok("POST", "/invite", body={"email": ZOE})
    api.account(ZOE)
    api.refused(404, "POST", "/register", body={"registerToken": token_in(api.letters[0]), "password": GOOD})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/register", {}),
        ("/register", {"registerToken": "AbCdEfGhIjKl"}),
        ("/register", {"password": GOOD}),
        ("/register", {"registerToken": "AbCdEfGhIjKl", "password": GOOD}),
        ("/verify", {}),
        ("/verify", {"registerToken": "AbCdEfGhIjKl"}),
        ("/resetPassword", {}),
        ("/resetPassword", {"password": GOOD}),
        ("/resetPassword", {"resetToken": "AbCdEfGhIjKl", "password": GOOD}),
    ],
)
def test_a_token_that_nobody_was_written_is_not_found(api, path, body):
    before = api.everything()
    api.refused(404, "POST", path, body=body)
    assert api.everything() == before


# -- invites ---


@pytest.mark.parametrize(
    ("invites", "told"),
    [("closed", (False, False)), ("token", (True, True)), ("open", (True, False))],
)
def test_clients_are_told_who_may_come(api, invites, told):
    api.open_up(invites=invites, contact="ask@example.com", terms_link="<a>", new_account_link="<b>")
    answer = api.ok("GET", "/configuration")
    assert (answer["invitesOpen"], answer["requiresInviteToken"]) == told
    assert (answer["inviteTokenContact"], answer["touLink"], answer["newAccountLink"]) == (
        "ask@example.com", "<a>", "<b>"
    )  # fmt: skip


def test_an_invite_token_lets_one_address_in(api, admin):
    api.open_up(invites="token")
    body = {"inviteTokens": ["first-invite", "second-invite"]}
    answer = api.raw("POST", "/invite/token/generate", token=admin, body=body)
    assert (answer.status_code, answer.content) == (201, b"")
    invite = {"email": ZOE, "inviteToken": "first-invite"}
    api.ok("POST", "/invite", body=invite)
    assert api.refused(400, "POST", "/invite", body=invite) == "this needs an invite token that is good"
    assert "first-invite" not in str(api.everything())
    api.refused(409, "POST", "/invite/token/generate", token=admin, body=body)


@pytest.mark.parametrize(
    ("invites", "body", "sentence"),
    [
        ("closed", {"email": ZOE}, "nobody is invited"),
        ("open", {}, "not an e-mail address"),
        ("open", {"email": "zoe"}, "not an e-mail address"),
        ("open", {"email": "zoe@example.com,eve@example.com"}, "not an e-mail address"),
        ("open", {"email": "zoe,eve@example.com"}, "that we can write to"),
        ("open", {"email": "zoe@example.com\r\nBcc: eve@example.com"}, "e-mail address"),
        ("open", {"email": 5}, "email must be a text"),
        ("token", {"email": ZOE}, "invite token"),
        ("token", {"email": ZOE, "inviteToken": "guessed-one"}, "invite token"),
    ],
)
def test_an_invitation_that_cannot_be_is_refused(api, invites, body, sentence):
    api.open_up(invites=invites)
    before = api.everything()
    assert sentence in api.refused(400, "POST", "/invite", body=body)
    assert (api.everything(), api.letters) == (before, [])


@pytest.mark.parametrize(
    "tokens", [[], None, ["short"], ["with a space"], ["good-token", "good-token2", ""], "text", [5], ["x" * 300]]
)
def test_invite_tokens_that_cannot_be_are_refused(api, admin, tokens):
    before = api.everything()
    api.refused(400, "POST", "/invite/token/generate", token=admin, body={"inviteTokens": tokens})
    assert api.everything() == before


def test_one_mailbox_gets_few_letters_and_nobody_learns_of_it(api):
    api.open_up(invites="open")
    for _ in range(8):
        api.ok("POST", "/invite", body={"email": ZOE})
    assert len(api.letters) == 5


def test_one_address_asks_for_few_letters(api):
    api.open_up(invites="open")
    statuses = [
        api.raw("POST", path, body={"email": f"{n}@example.com", "emailAddress": f"{n}@example.com"}).status_code
        for n in range(12)
        for path in ("/invite", "/resetPasswordRequest")
    ]
    assert statuses == [201] * 20 + [429] * 4


# -- reset ---


def test_a_password_that_was_forgotten_is_set_anew(api, zoe):
    api.open_up(reset_url="https://zrok.example.com/reset")
    answer = api.raw("POST", "/resetPasswordRequest", body={"emailAddress": "ZOE@example.com"})
    assert (answer.status_code, answer.content) == (201, b"")
    (letter,) = api.letters
    token = re.search(r"https://zrok\.example\.com/reset/(\w{12})\n", letter.text)[1]
    body = {"resetToken": token, "password": BETTER}
    assert "a password has" in api.refused(422, "POST", "/resetPassword", body=body | {"password": "weak"})
    assert api.ok("POST", "/resetPassword", body=body) is None
    api.refused(404, "POST", "/resetPassword", body=body)
    api.refused(401, "POST", "/login", body={"email": ZOE, "password": GOOD})
    api.ok("POST", "/login", body={"email": ZOE, "password": BETTER})


def test_a_new_password_by_letter_ends_what_logins_gave_and_leaves_machines_alone(api, zoe):
    session = api.ok("POST", "/login", body={"email": ZOE, "password": GOOD})
    machine = api.ok("POST", "/zrokd/tokens", token=zoe, body={"name": "laptop"})["token"]
    api.ok("POST", "/resetPasswordRequest", body={"emailAddress": ZOE})
    api.ok("POST", "/resetPassword", body={"resetToken": token_in(api.letters[-1]), "password": BETTER})
    api.refused(401, "GET", "/overview", token=session)
    for token in (zoe, machine):
        api.ok("GET", "/overview", token=token)


def test_an_address_without_account_is_answered_the_same_and_not_written_to(api):
    answer = api.raw("POST", "/resetPasswordRequest", body={"emailAddress": "nobody@example.com"})
    assert (answer.status_code, answer.content, api.letters) == (201, b"", [])


def test_a_request_for_a_new_password_ends_with_its_time_and_with_the_account(api, admin, zoe):
    api.open_up(reset_within_s=100)
    for _ in range(2):
        api.ok("POST", "/resetPasswordRequest", body={"emailAddress": ZOE})
    first, second = ({"resetToken": token_in(letter), "password": BETTER} for letter in api.letters)
    api.refused(404, "POST", "/resetPassword", body=first)
    api.clock.ahead_s += 101
    api.refused(404, "POST", "/resetPassword", body=second)
    api.clock.ahead_s -= 101
    api.ok("DELETE", "/account", token=admin, body={"email": ZOE})
    api.refused(404, "POST", "/resetPassword", body=second)


@pytest.mark.parametrize("email", ["", "zoe", "a@b@c", *SPOILT[1:]])
def test_what_is_no_address_gets_no_new_password(api, email):
    api.refused(400, "POST", "/resetPasswordRequest", body={"emailAddress": email})


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/login", ["email", "password"]),
        ("/invite", ["email", "inviteToken"]),
        ("/verify", ["registerToken"]),
        ("/register", ["registerToken", "password"]),
        ("/resetPassword", ["resetToken", "password"]),
    ],
)
def test_garbled_requests_are_refused(api, path, fields):
    for field in fields:
        for spoilt in SPOILT[1:]:
            assert f"{field} must be a text" in api.refused(400, "POST", path, body={field: spoilt})
    assert api.refused(400, "POST", path) == "a JSON body is missing"


def test_secrets_are_nowhere_in_the_database(api, admin, zoe):
    api.open_up(invites="token")
    api.ok("POST", "/invite/token/generate", token=admin, body={"inviteTokens": ["canary-invite-one", "invite-two"]})
    api.ok("POST", "/invite", body={"email": "new@example.com", "inviteToken": "invite-two"})
    api.ok("POST", "/resetPasswordRequest", body={"emailAddress": ZOE})
    token = api.ok("POST", "/login", body={"email": ZOE, "password": GOOD})
    kept = str(api.everything())
    for secret in ("canary-invite-one", GOOD, token, zoe, *map(token_in, api.letters)):
        assert secret not in kept
    assert kept.count("argon2id") == 1
