"""What schemathesis makes of the document of the API, sent to a real controller by all who may ask, and by nobody.

`ZROKD_EXAMPLES=200` takes that many of each operation in place of a few.
"""

import os
import warnings

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from zrokd.api.app import BASE, DOCUMENT, OPERATIONS
from zrokd.api.call import Needs
from zrokd.client.controller import Controller
from zrokd.model.share import Permission, ShareDraft, ShareMode
from zrokd.model.units import Secret
from zrokd.testing.scenario import ACCOUNT_TOKEN, FRONTEND_TOKEN, Scenario

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what it is made from
    import schemathesis
    from schemathesis.checks import CHECKS, load_all_checks
    from schemathesis.generation import GenerationMode

load_all_checks()
ADMIN_TOKEN = "operators-own-secret"
EXAMPLES = int(os.environ.get("ZROKD_EXAMPLES", "6"))
ASKING = {  # who, by which token, and which operations are theirs
    "nobody": (None, {Needs.NOBODY}),
    "account": (ACCOUNT_TOKEN, {Needs.READ, Needs.SHARE, Needs.ACCOUNT}),
    "administrator": (ADMIN_TOKEN, {Needs.ADMIN}),
    "frontend": (FRONTEND_TOKEN, {Needs.FRONTEND}),
}
CHECKED = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
        "negative_data_rejection",
    ]
)
NEEDS = {f"{operation.method} {operation.path}": operation.needs for operation in OPERATIONS}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(60 + 60 * EXAMPLES),
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),  # inside of schemathesis
    pytest.mark.blocks_hub("schemathesis thinks"),
    pytest.mark.leaves_behind("the site serves all tests of this file"),
]
BOUNDED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A controller with something of every kind in it; `known` are values that lead to them."""
    auth = [{"use": "token"}, {"use": "secret", "secrets": [ADMIN_TOKEN]}]
    changes = {"auth": auth, "roles": {"controller": {"max_wait": "100ms", "sign_up": {"invites": "open"}}}}
    with Scenario(tmp_path_factory.mktemp("site"), changes=changes) as zrokd:
        client = Controller(zrokd.controller_url, Secret(ACCOUNT_TOKEN))
        env = client.enable("d", "h").z_id
        private = {"share_mode": ShareMode.PRIVATE, "permission": Permission.OPEN}
        share, _ = client.share(ShareDraft(env_z_id=env, mode="proxy", target="t", **private))
        access, _ = client.access(env, share, "", "")
        client.create_name("public", "blog")
        client.close()
        zrokd.known = {"name": "blog", "frontendToken": access, "frontend_id": "1"}
        zrokd.known |= dict.fromkeys(("envZId", "env_z_id", "identity"), env)
        zrokd.known |= dict.fromkeys(("shareToken", "share_token", "token"), share)
        zrokd.known |= dict.fromkeys(("namespaceToken", "namespace_token"), "public")
        zrokd.known |= dict.fromkeys(("email", "emailAddress", "account_email"), "ann@example.com")
        yield zrokd


@pytest.fixture(scope="module")
def document(site):
    return schemathesis.openapi.from_url(site.controller_url + DOCUMENT)


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("who", ASKING)
def test_every_answer_is_as_the_document_says_and_none_is_a_failure(site, document, who, mode):
    token, theirs = ASKING[who]
    wrong = {}
    with requests.Session() as session:
        for found in document.get_all_operations():
            operation = found.ok()
            for what, told in _try(site, operation, mode, token, session, few=NEEDS[operation.label] not in theirs):
                wrong.setdefault((operation.label, what), told)
    assert wrong == {}


def _try(site, operation, mode, token, session, *, few):
    """(kind of failure, what it was) of each."""
    if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query or operation.path_parameters):
        return []  # there is nothing to garble
    wrong, headers = [], {"Accept": "application/zrok.v1+json"} | ({"X-Token": token} if token else {})

    @settings(BOUNDED, max_examples=1 if few else EXAMPLES)
    @given(st.data())
    def one(data):
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if mode is GenerationMode.POSITIVE:
            _lead_somewhere(case, site.known, data)
        answer = case.call(base_url=site.controller_url + BASE, headers=headers, session=session)
        try:
            case.validate_response(answer, checks=CHECKED)
        except BaseExceptionGroup as failures:
            wrong.extend(
                (type(each).__name__, f"{each}\n{answer.status_code} {answer.text}") for each in failures.exceptions
            )

    one()
    return [(kind, told) for kind, told in wrong if not _is_the_agents(operation, kind, told)]


def _lead_somewhere(case, known, data):
    """Now and then a value that is made up becomes one that there is."""
    for part in (case.body, case.path_parameters, case.query):
        for key in part if isinstance(part, dict) else ():
            if key in known and data.draw(st.booleans()):
                part[key] = known[key]


def _is_the_agents(operation, kind, told):
    """502 is the answer of an agent that does not."""
    return operation.path.startswith("/agent/") and kind == "ServerError" and "\n502 " in told
