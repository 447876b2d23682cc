import pytest


@pytest.fixture
def club(api, admin):
    """The token of an organization that nobody is in."""
    return api.ok("POST", "/organization", token=admin, body={"description": "the club"})["organizationToken"]


@pytest.fixture
def put(api, admin, club):
    def member(email, **changes):
        return api.raw(
            "POST", "/organization/add", token=admin, body={"organizationToken": club, "email": email} | changes
        )

    return member


def members(api, admin, club):
    return api.ok("POST", "/organization/list", token=admin, body={"organizationToken": club})["members"]


def test_organizations_are_made_listed_and_deleted(api, admin, club):
    answer = api.raw("POST", "/organization", token=admin, body={})
    assert (answer.status_code, set(answer.json)) == (201, {"organizationToken"})
    assert api.ok("GET", "/organizations", token=admin) == {
        "organizations": [
            {"organizationToken": club, "description": "the club"},
            {"organizationToken": answer.json["organizationToken"], "description": ""},
        ]
    }
    assert api.ok("DELETE", "/organization", token=admin, body={"organizationToken": club}) is None
    assert len(api.ok("GET", "/organizations", token=admin)["organizations"]) == 1
    api.refused(404, "DELETE", "/organization", token=admin, body={"organizationToken": club})


def test_with_an_organization_its_memberships_end_and_accounts_stay(api, admin, ann, club, put):
    put("ann@example.com")
    api.ok("DELETE", "/organization", token=admin, body={"organizationToken": club})
    assert api.ok("GET", "/memberships", token=ann) == {"memberships": []}


def test_members_are_in_it_once_and_an_admin_or_not_as_said_last(api, admin, ann, bob, club, put):
    for email, changes in (("ann@example.com", {}), ("BOB@example.com", {"admin": True}), ("ann@example.com", {})):
        assert (put(email, **changes).status_code, put(email, **changes).content) == (201, b"")
    both = [{"email": "ann@example.com", "admin": False}, {"email": "bob@example.com", "admin": True}]
    assert members(api, admin, club) == both
    put("ann@example.com", admin=True)
    assert members(api, admin, club)[0]["admin"] is True
    assert api.ok("GET", "/memberships", token=bob) == {
        "memberships": [{"organizationToken": club, "description": "the club", "admin": True}]
    }


def test_a_member_is_taken_out_once(api, admin, ann, club, put):
    put("ann@example.com")
    body = {"organizationToken": club, "email": "ann@example.com"}
    assert api.ok("POST", "/organization/remove", token=admin, body=body) is None
    assert members(api, admin, club) == []
    api.refused(404, "POST", "/organization/remove", token=admin, body=body)


def test_a_deleted_account_is_no_member(api, admin, ann, club, put):
    put("ann@example.com")
    api.ok("DELETE", "/account", token=admin, body={"email": "ann@example.com"})
    assert members(api, admin, club) == []


def test_an_admin_sees_members_and_what_they_have(api, admin, ann, bob, club, put):
    put("ann@example.com", admin=True)
    put("bob@example.com")
    share = api.share(bob, api.env(bob))
    assert [one["email"] for one in api.ok("GET", f"/members/{club}", token=ann)["members"]] == [
        "ann@example.com", "bob@example.com"
    ]  # fmt: skip
    seen = api.ok("GET", f"/overview/{club}/Bob@example.com", token=ann)
    assert seen == api.ok("GET", "/overview", token=bob)
    assert seen["environments"][0]["shares"][0]["shareToken"] == share


@pytest.mark.parametrize("path", ["/members/CLUB", "/overview/CLUB/ann@example.com", "/overview/CLUB/bob@example.com"])
def test_who_is_no_admin_of_it_is_told_that_there_is_no_such_organization(api, admin, ann, bob, club, put, path):
    put("ann@example.com", admin=True)
    put("bob@example.com")
    other = api.ok("POST", "/organization", token=admin, body={})["organizationToken"]
    answers = [api.raw("GET", path.replace("CLUB", token), token=bob) for token in (club, other, "nowhere")]
    assert {(answer.status_code, answer.json) for answer in answers} == {(404, "no such organization or member")}


def test_an_admin_sees_nothing_of_accounts_outside(api, admin, ann, bob, club, put):
    put("ann@example.com", admin=True)
    for email in ("bob@example.com", "nobody@example.com", "x"):
        assert api.refused(404, "GET", f"/overview/{club}/{email}", token=ann) == "no such organization or member"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/organization", {"description": 5}, 400),
        ("/organization", {"description": "x" * 129}, 400),
        ("/organization", {"description": "a\nb"}, 400),
        ("/organization/add", {}, 400),
        ("/organization/add", {"organizationToken": "CLUB"}, 400),
        ("/organization/add", {"organizationToken": "CLUB", "email": "x"}, 400),
        ("/organization/add", {"organizationToken": "CLUB", "email": "ann@example.com", "admin": "yes"}, 400),
        ("/organization/add", {"organizationToken": "CLUB", "email": "nobody@example.com"}, 404),
        ("/organization/add", {"organizationToken": "nowhere", "email": "ann@example.com"}, 404),
        ("/organization/remove", {"organizationToken": "nowhere", "email": "ann@example.com"}, 404),
        ("/organization/remove", {"organizationToken": "CLUB", "email": "ann@example.com"}, 404),
        ("/organization/remove", {"organizationToken": ["CLUB"], "email": "ann@example.com"}, 400),
        ("/organization/list", {}, 400),
        ("/organization/list", {"organizationToken": "nowhere"}, 404),
    ],
)
def test_what_cannot_be_is_refused(api, admin, ann, club, path, body, status):
    before = api.everything()
    body = {key: club if value == "CLUB" else value for key, value in body.items()}
    api.refused(status, "POST", path, token=admin, body=body)
    assert api.everything() == before
