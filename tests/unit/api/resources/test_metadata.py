import pytest


@pytest.mark.parametrize(
    "version",
    ["v2.0", "v2.0.4 [6ff9203]", "v2.0.x [developer build]", "refs/heads/v2.0.9", "refs/tags/v2.0", "zrokd 0.1"],
)
def test_known_clients_are_welcome(api, version):
    answer = api.raw("POST", "/clientVersionCheck", body={"clientVersion": version})
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("version", ["v1.1.9", "v2.1", "", "evil v2.0", "<script>"])
def test_other_clients_are_told_in_a_json_string(api, version):
    assert "it wants v2.0" in api.refused(400, "POST", "/clientVersionCheck", body={"clientVersion": version})


def test_versions_need_no_token(api):
    assert api.ok("GET", "/versions") == {"controllerVersion": "zrokd test"}
    assert "upgrade" in api.ok("GET", "/version")
    assert api.ok("GET", "/configuration")["invitesOpen"] is False


def test_an_empty_overview_has_lists_and_no_null(api, ann):
    assert api.ok("GET", "/overview", token=ann) == {
        "accountLimited": False,
        "environments": [],
        "names": [],
        "namespaces": [{"namespaceToken": "public", "name": "example.com", "description": ""}],
    }


def test_an_overview_holds_what_is_the_accounts_own(api, ann, bob):
    env = api.env(ann)
    share, its = api.share(ann, env), api.env(bob)
    access = api.access(bob, its, share)
    of_ann, of_bob = (api.ok("GET", "/overview", token=token) for token in (ann, bob))
    (of_ann_env,), (of_bob_env,) = of_ann["environments"], of_bob["environments"]
    assert [one["shareToken"] for one in of_ann_env["shares"]] == [share]
    assert of_ann_env["frontends"] == of_bob_env["shares"] == []
    assert [one["frontendToken"] for one in of_bob_env["frontends"]] == [access]
    assert [one["name"] for one in of_ann["names"]] == [share]
    assert of_bob["names"] == []
