"""Sender and receiver over a link that loses, doubles, delays and reorders."""

import random
import struct
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from zrokd_plugins.overlay_ziti.flow import FULL, Flags, FlowError, FlowLimits
from zrokd_plugins.overlay_ziti.frames import Frame, FrameReader, Key, Kind, encode
from zrokd_plugins.overlay_ziti.receiver import Receiver
from zrokd_plugins.overlay_ziti.sender import Sender

SMALL = FlowLimits(
    window_first=4000, window_least=1000, window_most=8000, receive_cap=2000, hard_cap=50_000, lost_s=1e9
)
END = {"circuit": b"c1", "connection": 7}


def sender(limits=SMALL, *, hosting=False):
    return Sender(**END, hosting=hosting, limits=limits)


def receiver(limits=SMALL, *, hosting=False):
    return Receiver(**END, hosting=hosting, limits=limits)


def read(headers, body=b"", kind=Kind.PAYLOAD) -> Frame:
    return FrameReader().feed(encode(kind, 1, headers, body))[0]


def sequences(ack):
    return list(struct.unpack(f">{len(ack.body) // 4}i", ack.body))


def held(ack):
    return read(ack.headers).number(Key.HELD)


# -- on the wire ---


@pytest.mark.parametrize(
    ("hosting", "flags", "seen"),
    [
        (False, 0, None),
        (True, 0, 2),
        (False, Flags.START, 4),
        (False, Flags.EOF, 32),
        (True, Flags.END, 3),
    ],
)
def test_a_payload_says_who_it_is(hosting, flags, seen):
    # Source: openziti/sdk-golang xgress/messages.go
    segment = sender(hosting=hosting).push(b"body", flags, 1.5)
    headers = read(segment.headers, segment.body).headers
    assert headers[2256] == b"c1"
    assert headers[1000] == struct.pack("<I", 7)
    assert headers[2257] == struct.pack("<Q", 0)
    assert headers[2260] == struct.pack("<H", 1500)
    assert headers.get(2258) == (None if seen is None else struct.pack("<I", seen))


def test_an_acknowledgement_names_sequences_big_endian_and_echoes_the_stamp():
    end = receiver(hosting=True)
    end.payload(0, 0, b"abc", 77)
    end.payload(1, 0, b"de", 78)
    ack = end.take_ack()
    headers = read(ack.headers).headers
    assert ack.body == b"\0\0\0\0\0\0\0\1"
    assert headers[2256] == b"c1"
    assert headers[2258] == struct.pack("<I", 2)
    assert headers[2259] == struct.pack("<I", 5)
    assert headers[2260] == struct.pack("<H", 78)
    assert end.take_ack() is None


# -- receiving ---


@pytest.mark.parametrize(
    ("order", "given_on"),
    [
        ([0, 1, 2], [[0], [1], [2]]),
        ([2, 1, 0], [[], [], [0, 1, 2]]),
        ([0, 2, 1], [[0], [], [1, 2]]),
        ([0, 0, 1, 1], [[0], [], [1], []]),
        ([1, 1, 0], [[], [], [0, 1]]),
    ],
)
def test_payloads_are_given_on_in_order_each_once(order, given_on):
    end = receiver()
    found = [[body[0] for _, body in end.payload(number, 0, bytes([number]), 1)] for number in order]
    assert found == given_on


def test_what_comes_twice_is_acknowledged_twice():
    end = receiver()
    end.payload(0, 0, b"x", 1)
    end.take_ack()
    end.payload(0, 0, b"x", 1)
    assert sequences(end.take_ack()) == [0]


def test_above_the_cap_nothing_is_acknowledged_until_half_is_read():
    end = receiver()
    for number in range(5):
        end.payload(number, 0, b"x" * 700, 1)
    ack = end.take_ack()
    assert sequences(ack) == [0, 1, 2]  # the third is the one that filled it, and says so
    assert held(ack) == FULL
    end.read(700 * 3)
    assert end.take_ack() is None
    end.read(700)
    ack = end.take_ack()
    assert sequences(ack) == [3, 4]
    assert held(ack) == 700


def test_a_full_one_to_whom_nothing_was_under_way_says_when_there_is_room():
    end = receiver()
    end.payload(0, 0, b"x" * 3000, 1)
    end.take_ack()
    end.read(3000)
    ack = end.take_ack()
    assert (sequences(ack), held(ack)) == ([0], 0)


def test_a_withheld_one_that_comes_again_is_answered_with_we_are_full():
    end = receiver()
    end.payload(0, 0, b"x" * 3000, 1)
    end.payload(1, 0, b"y", 1)
    end.take_ack()
    end.payload(1, 0, b"y", 1)
    ack = end.take_ack()
    assert (sequences(ack), held(ack)) == ([0], FULL)


@pytest.mark.parametrize("flags", [Flags.END, Flags.EOF])
def test_ends_are_always_acknowledged(flags):
    end = receiver()
    end.payload(0, 0, b"x" * 3000, 1)
    end.take_ack()
    end.payload(1, flags, b"", 1)
    assert sequences(end.take_ack()) == [1]


def test_an_end_that_comes_when_some_was_read_leaves_the_rest_withheld_until_half_is_read():
    end = receiver()
    for number in range(4):
        end.payload(number, 0, b"x" * 700, 1)
    end.take_ack()
    end.read(1400)  # below the cap, above half of it
    end.payload(4, Flags.EOF, b"", 1)
    assert sequences(end.take_ack()) == [4]
    end.read(700)
    assert sequences(end.take_ack()) == [3]


def test_a_peer_that_does_not_stop_is_cut_off():
    end = receiver()
    with pytest.raises(FlowError):
        for number in range(1, 100):  # the first is missing, so nothing can be given on
            end.payload(number, 0, b"x" * 1000, 1)


# -- sending ---


def test_it_stops_at_its_window_and_goes_on_when_it_is_acknowledged():
    end = sender()
    while end.may_send:
        end.push(b"x" * 1000, 0, 0.0)
    assert end.unacked_bytes == 4000
    end.ack(struct.pack(">2i", 0, 1), 0, 1, 0.01)
    assert end.may_send
    assert end.unacked_bytes == 2000


def test_the_window_grows_with_what_arrives_up_to_its_most():
    end = sender()
    for number in range(30):
        end.push(b"x" * 1000, 0, 0.0)
        end.ack(struct.pack(">i", number), 0, 1, 0.01)
    while end.may_send:
        end.push(b"x" * 1000, 0, 0.0)
    assert end.unacked_bytes == 8000


def test_what_is_not_acknowledged_goes_again_marked_and_the_window_shrinks():
    end = sender()
    for _ in range(4):
        end.push(b"x" * 1000, 0, 0.0)
    assert end.due(0.1) == []
    again = end.due(0.3)
    assert [segment.sequence for segment in again] == [0, 1, 2, 3]
    assert all(read(segment.headers).number(Key.XFLAGS) == Flags.AGAIN for segment in again)
    end.ack(struct.pack(">2i", 0, 1), 0, 0, 0.31)
    assert end.unacked_bytes == 2000
    end.push(b"x" * 1000, 0, 0.4)
    end.push(b"x" * 1000, 0, 0.4)
    assert not end.may_send or end.unacked_bytes < 4000 + 2000


def test_what_is_lost_among_what_arrives_goes_again_at_once():
    end = sender()
    for _ in range(4):
        end.push(b"x", 0, 0.0)
    end.ack(struct.pack(">3i", 1, 2, 3), 0, 1, 0.01)
    assert [segment.sequence for segment in end.due(0.02)] == [0]


def test_pauses_double():
    end, times = sender(), []
    end.push(b"x", 0, 0.0)
    now = 0.0
    while now < 20:
        if end.due(now):
            times.append(now)
        now += 0.01
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert all(later >= sooner - 0.02 for sooner, later in pairwise(pauses))
    assert max(pauses) <= 4.02


def test_a_full_peer_is_left_alone():
    end = sender()
    end.push(b"x" * 1000, 0, 0.0)
    end.push(b"x" * 1000, 0, 0.0)
    end.ack(struct.pack(">i", 0), FULL, 1, 0.01)
    assert not end.may_send
    end.ack(struct.pack(">i", 1), 100, 0, 0.5)
    assert end.may_send
    assert end.settled


def test_one_payload_asks_a_full_peer_of_whom_nothing_is_awaited():
    end = sender()
    end.push(b"x" * 1000, 0, 0.0)
    end.ack(struct.pack(">i", 0), FULL, 1, 0.01)
    assert end.may_send
    end.push(b"x", 0, 0.02)
    assert not end.may_send


def test_a_peer_of_whom_nothing_is_heard_is_lost():
    end = sender(FlowLimits(lost_s=5.0))
    end.push(b"x", 0, 0.0)
    assert not end.is_lost(100.0)  # it was sent once only
    end.due(1.0)
    assert not end.is_lost(4.0)
    assert end.is_lost(5.1)
    end.ack(struct.pack(">i", 99), FULL, 0, 5.2)
    assert not end.is_lost(6.0)


@given(st.binary(max_size=50), st.integers(0, FULL), st.integers(0, 65535))
def test_no_acknowledgement_breaks_it(body, held_bytes, stamp):
    end = sender()
    end.push(b"x" * 10, 0, 0.0)
    end.ack(body, held_bytes, stamp, 0.1)
    assert end.unacked_bytes in (0, 10)


# -- both, over a bad link ---


class Link:
    """Both ends and the way between them, in steps of 10 ms."""

    def __init__(self, seed, loss, doubling, most_delay, reads):
        self.random, self.loss, self.doubling, self.most_delay = random.Random(seed), loss, doubling, most_delay
        self.sender, self.receiver, self.reads = sender(), receiver(), reads
        self.now, self.on_way, self.got, self.unread, self.ended, self.most_held = 0.0, [], [], [], False, 0

    def put(self, what):
        for _ in range(2 if self.random.random() < self.doubling else 1):
            if self.random.random() >= self.loss:
                self.on_way.append((self.now + self.random.uniform(0.001, self.most_delay), what))

    def send(self, segment):
        self.put(read(segment.headers, segment.body))

    def step(self):
        self.now += 0.01
        come = [what for at, what in self.on_way if at <= self.now]
        self.on_way = [(at, what) for at, what in self.on_way if at > self.now]
        self.random.shuffle(come)
        for frame in come:
            self.take(frame)
        for segment in self.sender.due(self.now):
            self.send(segment)
        for _ in range(self.reads):
            if self.unread:
                body = self.unread.pop(0)
                self.got.append(body)
                self.receiver.read(len(body))
        while ack := self.receiver.take_ack():
            self.put(read(ack.headers, ack.body, Kind.ACK))

    def take(self, frame):
        if frame.kind == Kind.ACK:
            self.sender.ack(frame.body, frame.number(Key.HELD), frame.number(Key.STAMP), self.now)
            return
        numbers = [frame.number(key) for key in (Key.XSEQ, Key.XFLAGS, Key.STAMP)]
        for flags, body in self.receiver.payload(numbers[0], numbers[1], frame.body, numbers[2]):
            assert not self.ended, "something came after the end"
            if flags & Flags.EOF:
                self.ended = True
            elif body:
                self.unread.append(body)
        self.most_held = max(self.most_held, self.receiver.held_bytes)


@settings(max_examples=60, deadline=None)
@example(670079063, 0.0, 0.2, 0.05, 1, [1, 2, 1, 1, 1, 197, 900, 900])  # an end among withheld ones
@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.05, 0.3]),
    doubling=st.sampled_from([0.0, 0.2]),
    most_delay=st.sampled_from([0.002, 0.05, 0.4]),
    reads=st.sampled_from([1, 2, 100]),
    sizes=st.lists(st.integers(1, 900), max_size=40),
)
def test_every_byte_arrives_once_in_order_and_memory_is_bounded(seed, loss, doubling, most_delay, reads, sizes):
    link = Link(seed, loss, doubling, most_delay, reads)
    bodies = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    waiting, steps = list(bodies), 0
    while waiting or not link.ended or not link.sender.settled:
        while waiting and link.sender.may_send:
            link.send(link.sender.push(waiting.pop(0), 0, link.now))
            if not waiting:
                link.send(link.sender.push(b"", Flags.EOF, link.now))
        if not sizes and steps == 0:
            link.send(link.sender.push(b"", Flags.EOF, link.now))
        link.step()
        steps += 1
        assert steps < 30_000, "it stands still"
    while link.unread:
        link.step()
    assert link.got == bodies
    assert link.receiver.held_bytes == 0
    assert link.most_held <= SMALL.window_most + SMALL.receive_cap + 1000
    if not loss and most_delay == 0.002 and reads == 100:
        assert link.sender.resent == 0, "nothing was lost, and something was sent again"
