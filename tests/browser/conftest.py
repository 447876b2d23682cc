"""What browsers visit."""

import pytest

from tests.flow.conftest import serving


@pytest.fixture
def target():
    """A web server behind the shares."""
    with serving() as made:
        yield made
