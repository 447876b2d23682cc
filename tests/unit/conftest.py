"""What tests of several packages need."""

import pytest

from tests.certificates import issue


@pytest.fixture
def self_signed(tmp_path):
    """A certificate for 127.0.0.1 and its key, as files."""
    return issue("127.0.0.1").write(tmp_path, "self-signed")
