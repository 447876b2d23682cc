"""The filter for fail2ban finds who is refused, whatever a visitor writes into its requests."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from zrokd_plugins.observer_access_log import as_json, combined, timed

from zrokd.model.http import ExchangeSummary

FILTER = Path(__file__).parents[1] / "docs" / "fail2ban" / "zrokd.conf"
NOW_MS = 1_790_000_000_123
REFUSED = ExchangeSummary(
    share_token="tok", role="frontend", peer="203.0.113.7:5060", method="GET", target="/a?b=c", status=401,
    rx_bytes=0, tx_bytes=120, duration_s=0.01, outcome="ok",
)  # fmt: skip
V6 = replace(REFUSED, peer="[2001:db8::1]:443")
FAILURES = [
    (REFUSED, "203.0.113.7"),
    (V6, "2001:db8::1"),
    (replace(REFUSED, tx_bytes=0), "203.0.113.7"),
    (replace(REFUSED, target='/" 200 5 "-" "-"'), "203.0.113.7"),
    (replace(REFUSED, target='/", "status": 200, "x": "\\'), "203.0.113.7"),
    (replace(REFUSED, target='/\r\n198.51.100.1 - - [] "GET / HTTP/1.1" 401 5 "-" "-"'), "203.0.113.7"),
]
OTHERS = [
    replace(REFUSED, status=200),
    replace(REFUSED, status=404),
    replace(REFUSED, status=200, target='/" 401 5 "-" "-"'),
    replace(REFUSED, status=200, target='/\n198.51.100.1 - - [] "GET / HTTP/1.1" 401 5 "-" "-"'),
    replace(REFUSED, status=200, target='/", "status": 401, "x": "'),
    replace(REFUSED, status=200, method='", "target": "/", "status": 401, "x": "'),
]
FORMATS = {"combined": combined, "timed": timed, "json": as_json}


def rules() -> list[re.Pattern[str]]:
    """The filter's expressions, as fail2ban reads them."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(FILTER)
    texts = parser["Definition"]["failregex"].splitlines()
    host, statuses = r"\[?(?P<host>[0-9a-f.:]+?)\]?", parser["Init"]["statuses"]
    return [re.compile(text.replace("<HOST>", host).replace("<statuses>", statuses)) for text in texts]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("summary", "host"), FAILURES)
def test_who_is_refused_is_found(form, summary, host):
    line = FORMATS[form](summary, NOW_MS)
    found = [match["host"] for rule in rules() if (match := rule.search(line.rstrip("\n")))]
    assert found == [host]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("summary", OTHERS)
def test_who_is_not_refused_cannot_be_made_to_look_so(form, summary):
    for line in FORMATS[form](summary, NOW_MS).splitlines():
        assert [rule for rule in rules() if rule.search(line)] == []


@pytest.mark.skipif(not shutil.which("fail2ban-regex"), reason="fail2ban is not installed")
@pytest.mark.parametrize("form", FORMATS)
def test_fail2ban_itself_reads_the_log_so(form, tmp_path):
    log = tmp_path / "access.log"
    lines = [FORMATS[form](summary, NOW_MS) for summary in [*(one for one, _ in FAILURES), *OTHERS]]
    log.write_text("".join(lines))
    filters = tmp_path / "filter.d"
    filters.mkdir()
    shutil.copy(FILTER, filters)
    told = subprocess.run(
        ["fail2ban-regex", "--print-all-matched", "-v", str(log), str(filters / "zrokd.conf")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"Lines: {len(lines)} lines, 0 ignored, {len(FAILURES)} matched, {len(OTHERS)} missed" in told.stdout
    for host in {host for _, host in FAILURES}:
        assert re.search(rf"^\|?\s+{re.escape(host)}\s+", told.stdout, re.MULTILINE), told.stdout
    assert "198.51.100.1  " not in told.stdout
