import logging

import gevent
import pytest
from zrokd_plugins.overlay_ziti.footing import Footing
from zrokd_plugins.overlay_ziti.management import Management
from zrokd_plugins.overlay_ziti.settings import AdminSettings

from zrokd.errors import OverlayError
from zrokd.model.units import Secret


@pytest.fixture
def footing(controller):
    """footing(only_check=True): of instance `one`."""
    admin = AdminSettings(username="admin", password=Secret("x"))
    management = Management((controller.url,), controller.ca, admin, log=logging.getLogger("test"))

    def make(*, only_check=False):
        return Footing(management, "one", only_check=only_check, log=logging.getLogger("test"))

    yield make
    management.close()


def test_many_who_need_it_at_once_make_it_once(footing, controller):
    one = footing()
    gevent.joinall([gevent.spawn(one.ensure) for _ in range(8)], raise_error=True)
    assert controller.count("POST", "/service-policies") == 1
    assert controller.count("POST", "/config-types") == 1


def test_what_is_only_checked_is_named_and_not_made(footing, controller):
    checking = footing(only_check=True)
    for ask in (checking.begin, checking.ensure):
        with pytest.raises(OverlayError, match="the network lacks config type"):
            ask()
    assert not controller.kind("config-types")
    footing().begin()
    checking.begin()
