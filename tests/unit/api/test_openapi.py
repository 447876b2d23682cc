"""The document of the API. That requests and answers are as it says is checked by each call of the other tests."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from zrokd.api.app import BASE, DOCUMENT, OPERATIONS
from zrokd.api.call import Needs
from zrokd.api.openapi import document

KEYS = [f"{operation.method} {operation.path}" for operation in OPERATIONS]
SCOPED = {Needs.READ, Needs.SHARE, Needs.ACCOUNT}
BODIES = {"POST", "PATCH", "DELETE"}


@pytest.fixture(scope="module")
def told():
    return document(BASE, OPERATIONS, "zrokd test")


def one_of(told, key):
    method, path = key.split()
    return told["paths"][path][method.lower()]


def test_it_has_every_operation_once(told):
    assert sorted(f"{m.upper()} {path}" for path, methods in told["paths"].items() for m in methods) == sorted(KEYS)
    names = [one["operationId"] for methods in told["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"\w+", name) for name in names)


def test_it_is_served_to_everybody(api, told):
    answer = api.bare("GET", DOCUMENT)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == json.loads(json.dumps(told))
    assert answer.json["openapi"] == "3.1.0"


@pytest.mark.parametrize("operation", OPERATIONS, ids=KEYS)
def test_an_operation_is_described_as_it_is(told, operation):
    one = one_of(told, f"{operation.method} {operation.path}")
    assert ("requestBody" in one) == (operation.method in BODIES and operation.takes_body)
    scopes = [operation.needs.value] if operation.needs in SCOPED else []
    assert one["security"] == ([] if operation.needs is Needs.NOBODY else [{"token": scopes}, {"bearer": scopes}])
    in_path = [each["name"] for each in one["parameters"] if each["in"] == "path"]
    assert in_path == re.findall(r"\{(\w+)\}", operation.path)
    assert set(one["responses"]) in ({"200", "default"}, {"201", "default"})
    if "requestBody" in one:
        (content,) = one["requestBody"]["content"].values()
        jsonschema.Draft202012Validator.check_schema(content["schema"])
        assert content["schema"]["properties"]


@pytest.mark.parametrize(
    ("key", "body", "fits"),
    [
        ("POST /enable", {}, True),
        ("POST /enable", {"description": 5}, False),
        ("POST /disable", {}, False),
        ("POST /frontend", {"public_name": "x", "dynamic": True}, True),
        ("POST /frontend", {"public_name": 1}, False),
        ("POST /share", {"envZId": "z", "shareMode": "public", "backendMode": "proxy", "nameSelections": None}, True),
        ("POST /share", {"envZId": "z", "shareMode": "neither", "backendMode": "proxy"}, False),
        ("POST /applied-limit-class", {"email": "a@b", "limitClassIds": ["1"]}, False),
    ],
)
def test_the_schemas_tell_good_requests_from_garbled_ones(told, key, body, fits):
    schema = one_of(told, key)["requestBody"]["content"]["application/zrok.v1+json"]["schema"]
    assert jsonschema.Draft202012Validator(schema).is_valid(body) is fits


def test_references_lead_somewhere(told):
    for reference in set(re.findall(r'"#/([^"]+)"', json.dumps(told))):
        found = told
        for part in reference.split("/"):
            found = found[part]
        assert found


def test_the_page_about_the_api_names_every_operation_and_who_may():
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
    who = {Needs.NOBODY: "everybody", Needs.ADMIN: "operator", Needs.FRONTEND: "frontend"}
    who |= {needs: needs.value for needs in SCOPED}
    rows = set(re.findall(r"(?m)^\| `([A-Z]+ /[^`]+)` \| (\w+) \|", page))
    assert rows == {(f"{one.method} {one.path}", who[one.needs]) for one in OPERATIONS}
