import pytest

BODY = {"shareMode": "public", "backendMode": "proxy", "target": "http://127.0.0.1:1"}


@pytest.fixture
def env(api, ann):
    return api.env(ann)


def test_a_public_share_gets_a_token_and_a_host(api, ann, env):
    asked = BODY | {"envZId": env, "nameSelections": [{"namespaceToken": "public"}]}
    answer = api.raw("POST", "/share", token=ann, body=asked)
    assert answer.status_code == 201
    token = answer.json["shareToken"]
    assert len(token) == 12
    assert answer.json == {"shareToken": token, "frontendProxyEndpoints": [f"{token}.example.com"]}


def test_a_private_share_has_no_hosts(api, ann, env):
    asked = {"envZId": env, "shareMode": "private", "backendMode": "tcpTunnel", "privateShareToken": "mine"}
    answer = api.raw("POST", "/share", token=ann, body=asked)
    assert answer.json == {"shareToken": "mine", "frontendProxyEndpoints": []}


def test_a_share_is_told_in_detail_to_its_owner(api, ann, env):
    token = api.share(ann, env, backendMode="tcpTunnel")
    detail = api.ok("GET", f"/detail/share/{token}", token=ann)
    assert detail.items() >= {
        "shareToken": token, "zId": token, "envZId": env, "shareMode": "public", "backendMode": "tcpTunnel",
        "frontendEndpoints": [f"{token}.example.com"], "target": "http://127.0.0.1:1", "limited": False,
    }.items()  # fmt: skip
    assert detail["createdAt"] > 1_700_000_000_000


def test_its_urls_are_those_of_the_namespace(api, ann, env):
    token = api.share(ann, env)
    found = api.ok("GET", f"/zrokd/shares/{token}", token=ann)
    assert found["urls"] == [f"https://{token}.example.com:8443"]
    assert found["backendMode"] == "proxy"


def test_the_same_environment_takes_its_share_up_again(api, ann, env):
    api.ok("POST", "/share/name", token=ann, body={"namespaceToken": "public", "name": "blog"})
    selection = {"nameSelections": [{"namespaceToken": "public", "name": "blog"}]}
    assert api.share(ann, env, **selection) == api.share(ann, env, **selection)
    other = api.env(ann)
    assert "another environment" in api.refused(
        409, "POST", "/share", token=ann, body=BODY | selection | {"envZId": other}
    )


def test_unshare_ends_it(api, ann, env):
    token = api.share(ann, env)
    answer = api.raw("DELETE", "/unshare", token=ann, body={"envZId": env, "shareToken": token})
    assert (answer.status_code, answer.content) == (200, b"")
    assert api.refused(404, "GET", f"/detail/share/{token}", token=ann) == "no such share"
    assert api.refused(404, "DELETE", "/unshare", token=ann, body={"envZId": env, "shareToken": token})


def test_grants_are_added_and_taken_back(api, ann, bob, env):
    token = api.share(ann, env, shareMode="private", permissionMode="closed")
    its = api.env(bob)
    wish = {"envZId": its, "shareToken": token}
    api.refused(404, "POST", "/access", token=bob, body=wish)
    api.ok("PATCH", "/share", token=ann, body={"shareToken": token, "addAccessGrants": ["Bob@example.com"]})
    api.ok("POST", "/access", token=bob, body=wish)
    api.ok("PATCH", "/share", token=ann, body={"shareToken": token, "removeAccessGrants": ["bob@example.com"]})
    api.refused(404, "POST", "/access", token=bob, body=wish)


def test_passwords_are_hashed_on_their_way_in(api, ann, env, edge):
    users = [{"username": "ann", "password": "canary-password"}]
    token = api.share(ann, env, authScheme="basic", basicAuthUsers=users)
    told = [m for m in api.ok("GET", "/zrokd/mappings", token=edge)["mappings"] if m["token"] == token]
    assert told[0]["gate"] == "basic"
    assert told[0]["gateConfig"] == {"users": [{"username": "ann", "hash": "scrypt$made"}]}


def test_what_is_not_asked_for_cannot_be_set(api, ann, env):
    token = api.share(ann, env, id=1, accountId=99, limited=True, token="chosen", frontendEndpoints=["evil.example"])
    detail = api.ok("GET", f"/detail/share/{token}", token=ann)
    assert token != "chosen"
    assert detail["frontendEndpoints"] == [f"{token}.example.com"]


@pytest.mark.parametrize(
    ("status", "changes", "sentence"),
    [
        (400, {"envZId": 1}, "envZId must be a text"),
        (404, {"envZId": "nobody"}, "no such environment"),
        (422, {"shareMode": "both"}, "shareMode must be one of public, private"),
        (422, {"permissionMode": "maybe"}, "permissionMode must be one of open, closed"),
        (422, {"backendMode": "../x"}, "backendMode"),
        (422, {"authScheme": "oauth"}, "authScheme must be none, basic, or the name of a gate"),
        (400, {"nameSelections": "public"}, "nameSelections must be a list"),
        (404, {"nameSelections": [{"namespaceToken": "nowhere"}]}, "no namespace"),
        (409, {"nameSelections": [{"namespaceToken": "public", "name": "notmine"}]}, "not reserved by you"),
        (409, {"nameSelections": [{"namespaceToken": "public", "name": "../x"}]}, "not a valid name"),
        (409, {"shareMode": "private", "privateShareToken": "a/b"}, "not a valid share token"),
        (400, {"target": "a\r\nb"}, "cannot be printed"),
        (400, {"shareMode": "private", "permissionMode": "closed", "accessGrants": ["x"]}, "not an e-mail address"),
    ],
)
def test_a_share_that_cannot_be_is_refused_and_leaves_nothing(api, ann, env, status, changes, sentence):
    before = api.everything()
    assert sentence in api.refused(status, "POST", "/share", token=ann, body=BODY | {"envZId": env} | changes)
    assert api.everything() == before
    assert api.overlay.shares == set()


def test_an_overlay_that_is_away_is_503_and_the_name_stays_free(api, ann, env):
    api.ok("POST", "/share/name", token=ann, body={"namespaceToken": "public", "name": "blog"})
    asked = BODY | {"envZId": env, "nameSelections": [{"namespaceToken": "public", "name": "blog"}]}
    api.overlay.away = True
    api.refused(503, "POST", "/share", token=ann, body=asked)
    api.overlay.away = False
    api.services.reconciler.reconcile(grace_s=0)
    api.ok("POST", "/share", token=ann, body=asked)
