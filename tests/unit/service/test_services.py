"""All use cases of one controller."""

import inspect

from zrokd.contracts import Directory
from zrokd.model.limits import Limits
from zrokd.service.services import Services, make_services


def test_there_is_one_of_each(house):
    services = make_services(house.store, house.overlay, house.hooks, house.clock, house.bell)
    assert isinstance(services, Services)
    assert all(getattr(services, name) is not None for name in services.__slots__)


def test_limits_hold_for_every_service(house, ann):
    house.limits(Limits(environments=0))
    try:
        house.env(ann)
    except Exception as error:
        assert "no more than 0" in str(error)
    else:
        raise AssertionError("the limit was not heeded")


def test_the_directory_is_what_authenticators_expect(house):
    wanted = {name for name, _ in inspect.getmembers(Directory, inspect.isfunction) if not name.startswith("_")}
    assert wanted <= set(dir(house.directory))


def test_every_public_method_says_what_comes_back(house):
    services = make_services(house.store, house.overlay, house.hooks, house.clock, house.bell)
    for service in (getattr(services, name) for name in services.__slots__):
        for name, method in inspect.getmembers(service, inspect.ismethod):
            assert name.startswith("_") or (method.__doc__ and "return" in method.__annotations__), (service, name)
