import pytest

from zrokd.errors import NotFound, Unavailable
from zrokd.model.site import Invites, Site
from zrokd.service.services import make_services

GOOD = "Correct-h0rse"


@pytest.fixture
def site(house):
    """site(...): services of a site where people sign up, and the letters that they get."""

    def make(**changes):
        posted = []

        class Mailbox:
            def ring(self):
                services.outbox.send(lambda letter: posted.append(letter) or "")

        services = make_services(
            house.store, house.overlay, house.hooks, house.clock, house.bell,
            site=Site(invites=Invites.OPEN, **changes), mailbox=Mailbox(),
        )  # fmt: skip
        return services, posted

    return make


def test_of_twenty_registrations_with_one_token_one_wins(site, house, at_once):
    services, posted = site()
    services.registrations.invite("zoe@example.com", "", "192.0.2.1")
    token = posted[0].text.partition("token is ")[2][:12]
    answers = at_once(lambda _: services.registrations.register(token, GOOD), range(20))
    assert sum(isinstance(answer, str) for answer in answers) == 1
    assert {type(answer) for answer in answers if not isinstance(answer, str)} == {NotFound}
    assert [account.email for account in house.accounts.list()] == ["zoe@example.com"]


def test_of_two_resets_with_one_token_one_wins(site, house, ann, at_once):
    services, posted = site()
    services.registrations.ask_reset(ann.email, "192.0.2.1")
    token = posted[0].text.partition("token is ")[2][:12]
    answers = at_once(lambda n: services.registrations.reset(token, f"{GOOD}{n}"), range(5))
    assert [answer for answer in answers if answer == ann.email] == [ann.email]


def test_a_controller_without_mail_says_so(house):
    services = make_services(
        house.store, house.overlay, house.hooks, house.clock, house.bell, site=Site(invites=Invites.OPEN)
    )
    with pytest.raises(Unavailable, match="sends no mail"):
        services.registrations.invite("zoe@example.com", "", "192.0.2.1")


def test_what_has_expired_is_forgotten(site, house, ann):
    services, _ = site(register_within_s=10, reset_within_s=10)
    services.registrations.invite("zoe@example.com", "", "192.0.2.1")
    services.registrations.ask_reset(ann.email, "192.0.2.1")
    services.registrations.generate(["for-anybody"])
    assert services.registrations.prune() == 0
    house.clock.ahead_ms += 11_000
    assert services.registrations.prune() == 2
