"""Letters between the change that they tell of and the mail server, on both databases."""

import logging

import pytest

from zrokd.errors import NotFound
from zrokd.model.limits import LimitClass
from zrokd.service import outbox
from zrokd.service.letters import to_known, to_limited
from zrokd.store import outbox as rows

GOOD = "Correct-h0rse"


def token_in(letter):
    return letter.text.partition("token is ")[2][:12]


def waiting(house):
    return house.store.read(rows.due, 2**60, 100)


@pytest.fixture
def restart(new_house):
    """restart(): a controller after the one of `house`, a second later."""

    def make():
        later = new_house()
        later.clock.ahead_ms = 1000
        return later

    return make


@pytest.fixture
def asked(house, ann):
    """Ann asked for a new password, and her controller died after that was committed."""
    house.ring = lambda: None
    house.registrations.ask_reset(ann.email, "192.0.2.1")
    assert house.letters == []


def test_what_was_committed_before_a_kill_is_sent_after_it(restart, asked, ann):
    later = restart()
    later.ring()
    (letter,) = later.letters
    assert (letter.to, later.registrations.reset(token_in(letter), GOOD)) == (ann.email, ann.email)
    later.ring()
    assert len(later.letters) == 1 and not waiting(later)


def test_a_kill_while_a_letter_is_sent_sends_it_again_later_with_the_same_key(restart, house, asked):
    class Killed(BaseException):
        pass

    sent = []

    def killed(letter):
        sent.append(letter)
        raise Killed

    with pytest.raises(Killed):
        house.outbox.send(killed)
    later = restart()
    later.ring()
    assert later.letters == []  # it may be under way
    later.clock.ahead_ms += int(outbox.PAUSE_S * 1000)
    later.ring()
    (letter,) = later.letters
    assert letter.key == sent[0].key
    with pytest.raises(NotFound):
        later.registrations.reset(token_in(sent[0]), GOOD)
    later.registrations.reset(token_in(letter), GOOD)


def test_of_several_who_send_at_once_one_sends_a_letter(restart, asked, at_once):
    later = restart()
    at_once(lambda _: later.ring(), range(6))
    assert len(later.letters) == 1


def test_nothing_waits_of_a_change_that_was_undone(house, ann):
    def undone():
        rows.add(rows.RESET, ann.email, 1)
        raise NotFound("all is undone")

    with pytest.raises(NotFound):
        house.store.write(undone)
    assert not waiting(house)


def test_a_letter_that_is_refused_is_tried_again_and_given_up_and_the_log_keeps_its_secret(house, asked, caplog):
    tried, ahead_s = [], 0.0
    caplog.set_level(logging.WARNING, "zrokd.service")
    for number in range(outbox.MOST_TRIES):
        house.clock.ahead_ms = int(ahead_s * 1000)
        house.outbox.send(lambda letter: tried.append(letter) or "refused")
        house.outbox.send(lambda letter: tried.append(letter) or "refused")  # too early
        assert len(tried) == number + 1
        ahead_s += outbox.PAUSE_S * 2**number + 1
    assert not waiting(house)
    assert len({letter.key for letter in tried}) == 1
    assert caplog.text.count("is tried again: refused") == outbox.MOST_TRIES - 1
    assert caplog.text.count("is given up after 8 tries: refused") == 1
    assert not [letter for letter in tried if token_in(letter) in caplog.text]


def test_one_at_which_controllers_die_is_given_up(house, asked, caplog):
    (one,) = waiting(house)
    for number in range(outbox.MOST_TRIES):
        assert house.store.write(rows.take, waiting(house)[0], number)
    house.clock.ahead_ms = 10**9
    house.outbox.send(lambda letter: pytest.fail("it was sent"))
    assert not waiting(house) and "died at it 8 times" in caplog.text and one.tries == 0


def test_the_database_holds_no_token_of_a_letter_that_waits(house, asked):
    (one,) = waiting(house)
    assert (one.kind, one.letter) == (rows.RESET, None)


@pytest.mark.parametrize("why", ["the account is gone", "nobody has the address"])
def test_a_letter_that_nobody_needs_is_not_sent(house, ann, why):
    house.ring = lambda: None
    house.registrations.ask_reset(ann.email if why == "the account is gone" else "eve@example.com", "192.0.2.1")
    assert len(waiting(house)) == 1
    if why == "the account is gone":
        house.accounts.delete(ann.email)
    house.outbox.send(lambda letter: pytest.fail("it was sent"))
    assert not waiting(house)


@pytest.mark.parametrize("letter", [to_known("ann@example.com"), to_limited("ann@example.com", LimitClass(label="x"))])
def test_a_letter_without_a_secret_is_kept_as_it_is(house, letter):
    house.store.write(rows.add_ready, letter, 1)
    house.ring()
    (sent,) = house.letters
    assert (sent.to, sent.subject, sent.text, sent.html) == (letter.to, letter.subject, letter.text, letter.html)
