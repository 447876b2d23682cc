"""One of each noun, to call hooks with."""

from __future__ import annotations

from zrokd.model.account import Principal
from zrokd.model.environment import Environment, EnvironmentDraft
from zrokd.model.http import ConnectionSummary, ExchangeSummary
from zrokd.model.share import Access, Share, ShareDraft, ShareMode

PRINCIPAL = Principal(account_id=1, email="ann@example.com", method="token")
SHARE = Share(
    id=1, token="sharetoken12", env_z_id="env1", account_id=1, share_mode=ShareMode.PUBLIC, mode="proxy",
    target="http://127.0.0.1:8000", endpoints=("blog.share.example.com",),
)  # fmt: skip
ACCESS = Access(id=1, token="accesstoken1", share_token=SHARE.token, env_z_id="env2", mode="tcp")
ENVIRONMENT = Environment(id=1, account_id=1, z_id="env1", host="host")
EXCHANGE = ExchangeSummary(
    share_token=SHARE.token, role="frontend", peer="192.0.2.1:1234", method="GET", target="/\\x0d\\x0a", status=200,
    rx_bytes=0, tx_bytes=5, duration_s=0.1,
)  # fmt: skip
CONNECTION = ConnectionSummary(
    role="frontend", peer="192.0.2.1:1234", share_token="", rx_bytes=1, tx_bytes=2, duration_s=0.1
)

#: Arguments of every hook that a component may implement, by the hook's name.
HOOKS: dict[str, dict[str, object]] = {
    "zrokd_on_ready": {},
    "zrokd_on_draining": {},
    "zrokd_review_environment": {"draft": EnvironmentDraft(account_id=1, host="host"), "principal": PRINCIPAL},
    "zrokd_review_share": {
        "draft": ShareDraft(env_z_id="env1", share_mode=ShareMode.PUBLIC, mode="proxy"),
        "principal": PRINCIPAL,
    },
    "zrokd_review_access": {"share": SHARE, "principal": PRINCIPAL},
    "zrokd_on_environment_created": {"environment": ENVIRONMENT, "principal": PRINCIPAL},
    "zrokd_on_environment_deleted": {"environment": ENVIRONMENT, "principal": PRINCIPAL},
    "zrokd_on_share_created": {"share": SHARE, "principal": PRINCIPAL},
    "zrokd_on_share_deleted": {"share": SHARE, "principal": PRINCIPAL},
    "zrokd_on_access_created": {"access": ACCESS, "principal": PRINCIPAL},
    "zrokd_on_access_deleted": {"access": ACCESS, "principal": PRINCIPAL},
    "zrokd_on_share_ready": {"token": SHARE.token, "urls": ("http://blog.share.example.com",), "verified": True},
    "zrokd_on_share_lost": {"token": SHARE.token, "reason": "gone"},
    "zrokd_on_access_ready": {"token": SHARE.token, "address": "127.0.0.1:9000"},
    "zrokd_on_exchange": {"summary": EXCHANGE},
    "zrokd_on_connection_closed": {"summary": CONNECTION},
}

#: Hooks that must not let another greenlet run.
AT_ONCE = {"zrokd_on_exchange", "zrokd_on_connection_closed"}
