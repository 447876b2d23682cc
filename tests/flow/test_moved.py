"""A site that came from zrok: people of there go on with what they have, at a controller that runs."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import pytest
import yaml

from tests import zrok_v2
from zrokd.client.controller import Controller
from zrokd.model.share import NameSelection, ShareDraft, ShareMode
from zrokd.model.units import Secret
from zrokd.testing.scenario import Scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
ANN = "ann@example.com"


def test_tokens_passwords_environments_and_names_of_zrok_go_on(tmp_path):
    source = zrok_v2.ZrokV2().to_sqlite(tmp_path / "zrok.db")
    roles = {"backend": None, "controller": {"namespaces": None, "accounts": []}}
    zrokd = Scenario(tmp_path, changes={"roles": roles})
    (tmp_path / "zrokd.yml").write_text(yaml.safe_dump(zrokd.tree))
    command = [
        sys.executable,
        "-m",
        "zrokd",
        "admin",
        "import-zrok",
        str(source),
        "--config",
        str(tmp_path / "zrokd.yml"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with zrokd, closing(Controller(zrokd.controller_url, Secret(zrok_v2.TOKENS[ANN]))) as ann:
        assert ann.environments() == {"annsdesk.1"}
        selections = (NameSelection(namespace="public", name="blog"),)
        draft = ShareDraft(
            env_z_id="annsdesk.1", share_mode=ShareMode.PUBLIC, mode="proxy", target="t", selections=selections
        )
        token, hosts = ann.share(draft)
        assert hosts == ("blog.share.example.com",)
        ann.unshare("annsdesk.1", token)
        with closing(Controller(zrokd.controller_url, Secret(""))) as nobody:
            session = nobody.login(ANN, Secret(zrok_v2.PASSWORDS[ANN]))
        with closing(Controller(zrokd.controller_url, Secret(session))) as again:
            assert again.environments() == {"annsdesk.1"}
            again.disable("annsdesk.1")
        assert ann.environments() == set()
