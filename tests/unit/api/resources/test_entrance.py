import pytest

SPOILT = [5, ["x"], {"a": 1}, True]


@pytest.fixture
def identity(api, admin):
    return api.ok("POST", "/identity", token=admin, body={"name": "classic"})["identity"]


@pytest.fixture
def frontend(api, admin, identity):
    body = {"zId": identity, "public_name": "classic", "url_template": "https://{token}.example.com"}
    return api.ok("POST", "/frontend", token=admin, body=body)["frontendToken"]


def listed(api, admin):
    return {one["publicName"]: one for one in api.ok("GET", "/frontends", token=admin)}


# -- identities ---


def test_an_identity_is_made_with_its_document_as_a_text(api, admin):
    answer = api.raw("POST", "/identity", token=admin, body={"name": "public"})
    assert (answer.status_code, set(answer.json)) == (201, {"identity", "cfg"})
    assert isinstance(answer.json["cfg"], str)
    assert answer.json["cfg"] not in str(api.everything())


def test_an_identity_is_deleted_once_and_only_one_of_these(api, admin, ann, identity):
    environment = api.env(ann)
    for z_id in ("nobodys", environment, "f-edge"):
        assert api.refused(404, "DELETE", "/identity", token=admin, body={"zId": z_id}) == "no such identity"
    assert api.ok("DELETE", "/identity", token=admin, body={"zId": identity}) is None
    assert api.overlay.deleted == [identity]
    api.refused(404, "DELETE", "/identity", token=admin, body={"zId": identity})


def test_a_name_has_one_identity_until_it_is_deleted(api, admin, identity):
    assert "already" in api.refused(409, "POST", "/identity", token=admin, body={"name": "classic"})
    api.ok("DELETE", "/identity", token=admin, body={"zId": identity})
    api.ok("POST", "/identity", token=admin, body={"name": "classic"})


def test_while_the_overlay_is_away_no_identity_is_kept(api, admin):
    api.overlay.away = True
    api.refused(503, "POST", "/identity", token=admin, body={"name": "classic"})
    api.overlay.away = False
    api.services.reconciler.reconcile()
    assert api.everything()["operator_identity"] == [] and api.everything()["intent"] == []
    api.ok("POST", "/identity", token=admin, body={"name": "classic"})


def test_an_identity_of_a_frontend_in_the_yaml_is_not_handed_out_by_its_name(api, admin, edge):
    own = api.ok("GET", "/zrokd/identity", token=edge)["zId"]
    assert api.ok("POST", "/identity", token=admin, body={"name": "edge"})["identity"] != own


# -- frontends ---


def test_a_frontend_is_made_and_listed_beside_those_of_the_yaml(api, admin, frontend, identity):
    found = listed(api, admin)
    assert set(found) == {"classic", "edge"}
    one = found["classic"]
    assert one["createdAt"] == one["updatedAt"] > 1_700_000_000_000
    assert {key: one[key] for key in ("frontendToken", "zId", "urlTemplate", "permissionMode", "dynamic")} == {
        "frontendToken": frontend, "zId": identity, "urlTemplate": "https://{token}.example.com",
        "permissionMode": "open", "dynamic": False,
    }  # fmt: skip


def test_the_identity_of_a_frontend_in_the_yaml_is_listed_once_it_is_known(api, admin, edge):
    assert listed(api, admin)["edge"]["zId"] == ""
    z_id = api.ok("GET", "/zrokd/identity", token=edge)["zId"]
    assert listed(api, admin)["edge"]["zId"] == z_id


def test_the_token_by_which_a_frontend_is_called_lets_nobody_in(api, frontend):
    api.refused(401, "GET", "/zrokd/mappings", token=frontend)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"publicName": "other"}, {"publicName": "other"}),
        ({"urlTemplate": "http://{token}"}, {"urlTemplate": "http://{token}"}),
        ({"dynamic": True, "dynamicSet": True}, {"dynamic": True}),
        ({"dynamic": True}, {"dynamic": False}),
        ({"publicName": "", "urlTemplate": ""}, {"publicName": "classic"}),
        ({"publicName": "classic"}, {"publicName": "classic"}),
    ],
)
def test_of_a_frontend_only_what_is_given_changes(api, admin, frontend, changes, told):
    before = listed(api, admin)["classic"]
    assert api.ok("PATCH", "/frontend", token=admin, body={"frontendToken": frontend} | changes) is None
    (after,) = (one for one in listed(api, admin).values() if one["frontendToken"] == frontend)
    assert after | {"updatedAt": 0} == before | told | {"updatedAt": 0}


def test_a_frontend_is_deleted_with_what_it_serves(api, admin, frontend):
    api.ok(
        "POST", "/namespace/frontend/mapping", token=admin, body={"namespaceToken": "public", "frontendToken": frontend}
    )
    assert api.ok("DELETE", "/frontend", token=admin, body={"frontendToken": frontend}) is None
    assert set(listed(api, admin)) == {"edge"}
    served = api.ok("GET", "/namespace/frontend/mapping/public", token=admin)
    assert frontend not in [one["frontendToken"] for one in served]
    api.refused(404, "DELETE", "/frontend", token=admin, body={"frontendToken": frontend})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"zId": ""}, 404),
        ({"zId": "nobodys"}, 404),
        ({"public_name": "edge"}, 400),
        ({"public_name": "classic"}, 400),
        ({"public_name": ""}, 400),
        ({"public_name": "with space"}, 400),
        ({"url_template": "x" * 1025}, 400),
        ({"permissionMode": "maybe"}, 422),
        ({"dynamic": "yes"}, 400),
    ],
)
def test_a_frontend_that_cannot_be_is_refused(api, admin, frontend, identity, changes, status):
    before = api.everything()
    api.refused(status, "POST", "/frontend", token=admin, body={"zId": identity, "public_name": "new"} | changes)
    assert api.everything() == before


def test_a_frontend_cannot_take_the_name_of_another(api, admin, frontend):
    before = api.everything()
    api.refused(409, "PATCH", "/frontend", token=admin, body={"frontendToken": frontend, "publicName": "edge"})
    assert api.everything() == before


def test_a_grant_is_given_and_taken_back_as_often_as_asked(api, admin, ann, frontend):
    body = {"frontendToken": frontend, "email": "Ann@example.com"}
    for method, rows in (("POST", 1), ("POST", 1), ("DELETE", 0), ("DELETE", 0)):
        assert api.ok(method, "/frontend/grant", token=admin, body=body) is None
        assert len(api.everything()["frontend_grant"]) == rows


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_grant_needs_a_frontend_and_an_account(api, admin, ann, frontend, method):
    for body in ({"frontendToken": "x", "email": "ann@example.com"}, {"frontendToken": frontend, "email": "no@b.c"}):
        api.refused(404, method, "/frontend/grant", token=admin, body=body)


# -- what serves what ---


def mapping(frontend, **changes):
    return {"namespaceToken": "public", "frontendToken": frontend} | changes


def test_a_frontend_serves_a_namespace_and_both_lists_say_so(api, admin, frontend):
    path = "/namespace/frontend/mapping"
    assert api.ok("POST", path, token=admin, body=mapping(frontend, isDefault=True)) is None
    (one,) = api.ok("GET", f"/frontend/namespace/mapping/{frontend}", token=admin)
    assert {key: one[key] for key in ("namespaceToken", "frontendToken", "isDefault")} == {
        "namespaceToken": "public", "frontendToken": frontend, "isDefault": True
    }  # fmt: skip
    assert 1_700_000_000 < one["createdAt"] < 10_000_000_000, "seconds"
    assert one in api.ok("GET", f"{path}/public", token=admin)
    assert api.ok("DELETE", path, token=admin, body=mapping(frontend)) is None
    assert api.ok("GET", f"/frontend/namespace/mapping/{frontend}", token=admin) == []
    api.refused(404, "DELETE", path, token=admin, body=mapping(frontend))


def test_a_frontend_of_the_yaml_learns_at_once_of_a_namespace_it_serves_now(api, admin, ann, edge):
    api.ok("POST", "/namespace", token=admin, body={"token": "late", "name": "late.example.com", "open": True})
    api.share(ann, api.env(ann), nameSelections=[{"namespaceToken": "late"}])
    before = api.ok("GET", "/zrokd/mappings", token=edge)
    assert before["mappings"] == []
    api.ok("POST", "/namespace/frontend/mapping", token=admin,
           body={"namespaceToken": "late", "frontendToken": listed(api, admin)["edge"]["frontendToken"]})  # fmt: skip
    after = api.ok(
        "GET", "/zrokd/mappings", token=edge, query={"epoch": before["epoch"], "since": str(before["version"])}
    )
    assert after["full"] and [one["host"].partition(".")[2] for one in after["mappings"]] == ["late.example.com"]


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("POST", {"namespaceToken": "public", "frontendToken": "x"}, 404),
        ("POST", {"namespaceToken": "x", "frontendToken": "FRONTEND"}, 404),
        ("DELETE", {"namespaceToken": "x", "frontendToken": "FRONTEND"}, 404),
        ("DELETE", {"namespaceToken": "public", "frontendToken": "x"}, 404),
        ("POST", {"namespaceToken": "public"}, 400),
        ("POST", {"frontendToken": "FRONTEND"}, 400),
        ("POST", {"namespaceToken": "public", "frontendToken": "FRONTEND"}, 409),
        ("POST", {"namespaceToken": "other", "frontendToken": "FRONTEND", "isDefault": True}, 409),
        ("POST", {"namespaceToken": "other", "frontendToken": "FRONTEND", "isDefault": "yes"}, 400),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(api, admin, frontend, method, body, status):
    api.ok("POST", "/namespace", token=admin, body={"token": "other", "name": "other.example.com"})
    api.ok("POST", "/namespace/frontend/mapping", token=admin, body=mapping(frontend, isDefault=True))
    before = api.everything()
    body = {key: frontend if value == "FRONTEND" else value for key, value in body.items()}
    api.refused(status, method, "/namespace/frontend/mapping", token=admin, body=body)
    assert api.everything() == before


@pytest.mark.parametrize("path", ["/namespace/frontend/mapping/x", "/frontend/namespace/mapping/x"])
def test_mappings_of_what_does_not_exist_are_not_found(api, admin, path):
    api.refused(404, "GET", path, token=admin)


# -- names ---


def test_the_operator_sees_who_holds_a_name(api, admin, ann):
    api.ok("POST", "/share/name", token=ann, body={"namespaceToken": "public", "name": "blog"})
    found = api.ok("GET", "/name/public/blog", token=admin)
    assert found.pop("createdAt") < 10_000_000_000
    assert found == {
        "namespaceToken": "public", "namespaceName": "example.com", "name": "blog", "shareToken": "",
        "reserved": True, "accountEmail": "ann@example.com",
    }  # fmt: skip
    share = api.share(ann, api.env(ann), nameSelections=[{"namespaceToken": "public", "name": "blog"}])
    assert api.ok("GET", "/name/public/blog", token=admin)["shareToken"] == share


@pytest.mark.parametrize("path", ["/name/public/nobodys", "/name/nowhere/blog"])
def test_a_name_that_nobody_holds_is_not_found(api, admin, path):
    api.refused(404, "GET", path, token=admin)


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("POST", "/frontend", ["zId", "public_name", "url_template", "permissionMode"]),
        ("PATCH", "/frontend", ["frontendToken", "publicName", "urlTemplate"]),
        ("DELETE", "/frontend", ["frontendToken"]),
        ("POST", "/frontend/grant", ["frontendToken", "email"]),
        ("DELETE", "/frontend/grant", ["frontendToken", "email"]),
        ("POST", "/identity", ["name"]),
        ("DELETE", "/identity", ["zId"]),
        ("POST", "/namespace/frontend/mapping", ["namespaceToken", "frontendToken"]),
        ("DELETE", "/namespace/frontend/mapping", ["namespaceToken", "frontendToken"]),
    ],
)
def test_garbled_requests_are_refused(api, admin, method, path, fields):
    before = api.everything()
    good = dict.fromkeys(fields, "x")
    for field in fields:
        for spoilt in SPOILT:
            words = api.refused(400, method, path, token=admin, body=good | {field: spoilt})
            assert f"{field} must be a text" in words
    assert api.everything() == before


def test_a_closed_frontend_keeps_nobody_from_sharing_as_in_zrok(api, ann, admin):
    """Who may share through it is said by the grants of its namespaces."""
    identity = api.ok("POST", "/identity", token=admin, body={"name": "shut"})["identity"]
    made = {"zId": identity, "public_name": "shut", "permissionMode": "closed"}
    token = api.ok("POST", "/frontend", token=admin, body=made)["frontendToken"]
    body = {"namespaceToken": "public", "frontendToken": token, "isDefault": False}
    api.ok("POST", "/namespace/frontend/mapping", token=admin, body=body)
    api.share(ann, api.env(ann), nameSelections=[{"namespaceToken": "public"}])
