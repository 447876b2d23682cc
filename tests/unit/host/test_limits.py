import logging
import resource

import pytest

from zrokd.host.limits import forbid_cores, raise_descriptor_limit

LOG = logging.getLogger("zrokd.test")


@pytest.fixture
def limits(monkeypatch):
    """limits(soft, hard): what the machine says; gives what was set."""
    made = []

    def pretend(soft, hard):
        monkeypatch.setattr(resource, "getrlimit", lambda _which: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda which, pair: made.append((which, pair)))
        return made

    return pretend


def test_the_soft_limit_is_raised_to_the_hard_one(limits, caplog):
    changed = limits(1024, 524288)
    raise_descriptor_limit(LOG)
    assert changed == [(resource.RLIMIT_NOFILE, (524288, 524288))]
    assert not caplog.records


def test_a_limit_that_is_high_already_is_left_alone(limits):
    changed = limits(524288, 524288)
    raise_descriptor_limit(LOG)
    assert changed == []


def test_no_limit_at_all_is_fine(limits, caplog):
    limits(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    raise_descriptor_limit(LOG)
    assert not caplog.records


def test_a_low_hard_limit_is_told_with_advice(limits, caplog):
    limits(256, 1024)
    raise_descriptor_limit(LOG)
    assert "only 1024 open files are allowed" in caplog.text
    assert "LimitNOFILE" in caplog.text


def test_a_limit_that_cannot_be_raised_is_no_reason_to_fail(limits, monkeypatch, caplog):
    limits(1024, 524288)

    def refuse(*_args):
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_descriptor_limit(LOG)
    assert "cannot be raised" in caplog.text


def test_no_core_is_ever_written(limits):
    made = limits(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    forbid_cores()
    assert made == [(resource.RLIMIT_CORE, (0, 0))]
