import pytest

from zrokd.model.http import ResponseHead
from zrokd.net.http1.status import LATE, UNANSWERED, UNREACHED, fault_of, tells


@pytest.mark.parametrize("fault", [LATE, UNANSWERED, UNREACHED])
def test_what_a_backend_tells_is_read_again(fault):
    assert fault_of(ResponseHead(502, b"", ((b"Server", b"x"), tells(fault)))) == fault


@pytest.mark.parametrize("told", [b"", b"other; error=dns_error", b"zrokd; received-status=200", b"zrokd;error=x"])
def test_what_others_tell_is_none_of_ours(told):
    assert fault_of(ResponseHead(502, b"", ((b"Proxy-Status", told),))) == ""


def test_who_tells_nothing_has_no_fault():
    assert fault_of(ResponseHead(502, b"", ())) == ""
