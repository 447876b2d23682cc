import logging

import pytest

from zrokd.contracts import Filter
from zrokd.errors import MessageError, NotFound
from zrokd.model.http import Allow, RequestHead, Respond, ResponseHead, Route
from zrokd.proxy.rules import Rules

LOG = logging.getLogger("test.rules")
ROUTE = Route(host="a.zone", token="tok-a", gate="door")
OPEN = Route(host="a.zone", token="tok-a")
HEAD = RequestHead(b"GET", b"/", 1, ((b"Host", b"a.zone"), (b"Connection", b"X-Hop"), (b"X-Hop", b"1")))


class Part:
    """A gate and a filter in one."""

    name = "part"
    before_gate = False

    def __init__(self, verdict=None, answer=None) -> None:
        self.verdict, self.answer, self.seen = verdict, answer, []

    def check(self, head, route):
        self.seen.append(head)
        return self.verdict

    def on_request(self, head, route, peer):
        self.seen.append(head)
        return self.answer or head

    def on_response(self, head, route):
        return head.with_field(b"X-By", b"%d" % id(self))


def rules(gates=None, filters=()):
    return Rules(lambda head: OPEN, gates or {}, filters, LOG)


class Early(Part):
    before_gate = True


def test_a_filter_before_the_gate_sees_requests_that_it_refuses():
    gate, early, late = Part(Respond(401)), Early(), Part()
    made = rules({"door": gate}, [late, early])
    assert made.admit(HEAD, ROUTE, "peer").status == 401
    assert (len(early.seen), len(gate.seen), len(late.seen)) == (1, 1, 0)
    early.answer = Respond(200)
    assert made.admit(HEAD, ROUTE, "peer").status == 200
    assert len(gate.seen) == 1


NAMES = {b"a.zone": "tok-a", b"also-a.zone": "tok-a", b"b.zone": "tok-b"}


def find(host, server_name):
    def route(head):
        if (name := head.get(b"host")) not in NAMES:
            raise NotFound("nothing is shared there")
        return Route(host=name.decode(), token=NAMES[name])

    return Rules(route, {}, (), LOG).find(RequestHead(b"GET", b"/", 1, ((b"Host", host),)), server_name)


@pytest.mark.parametrize("server_name", ["", "a.zone", "also-a.zone"])
def test_a_connection_leads_to_the_share_it_was_made_for_by_any_of_its_names(server_name):
    assert find(b"a.zone", server_name).token == "tok-a"


@pytest.mark.parametrize("server_name", ["b.zone", "nobody.zone", "zone", "\u20ac.zone"])
def test_and_to_no_other_share(server_name):
    with pytest.raises(MessageError) as refused:
        find(b"a.zone", server_name)
    assert refused.value.status == 421


def test_gates_and_filters_see_a_head_without_what_visitors_may_not_say():
    gate, each = Part(Allow()), Part()
    rules({"door": gate}, [each]).admit(HEAD, ROUTE, "1.2.3.4:5")
    for head in (*gate.seen, *each.seen):
        assert head.get(b"x-hop") is None
        assert head.get(b"x-proxy") == b"zrok"


def test_a_share_without_a_gate_passes_without_one():
    assert isinstance(rules().admit(HEAD, OPEN, ""), RequestHead)


def test_filters_come_after_the_gate_and_not_at_all_when_it_denies():
    each = Part()
    told = rules({"door": Part(Respond(401))}, [each]).admit(HEAD, ROUTE, "")
    assert told == Respond(401)
    assert each.seen == []


def test_filters_see_what_the_gate_found_out():
    each = Part()
    rules({"door": Part(Allow(((b"zrok-auth-user", b"ann"),)))}, [each]).admit(HEAD, ROUTE, "")
    assert each.seen[0].get(b"zrok-auth-user") == b"ann"


def test_a_filter_that_answers_ends_the_way():
    first, second = Part(answer=Respond(418)), Part()
    assert rules(filters=[first, second]).admit(HEAD, OPEN, "") == Respond(418)
    assert second.seen == []


@pytest.mark.parametrize("nominated", [b"Host", b"content-length", b"Transfer-Encoding"])
def test_a_head_that_hides_a_needed_field_is_refused(nominated):
    head = RequestHead(b"GET", b"/", 1, ((b"Host", b"a.zone"), (b"Connection", nominated)))
    with pytest.raises(MessageError) as refused:
        rules().admit(head, OPEN, "")
    assert refused.value.status == 400


def test_a_visitor_cannot_make_us_drop_what_we_add():
    head = RequestHead(b"GET", b"/", 1, ((b"Host", b"a.zone"), (b"Connection", b"Via, X-Proxy, zrok-auth-user")))
    passed = rules({"door": Part(Allow(((b"zrok-auth-user", b"ann"),)))}).admit(head, ROUTE, "")
    assert passed.get(b"zrok-auth-user") == b"ann"
    assert passed.get(b"via")
    assert passed.get(b"x-proxy")
    assert passed.get(b"connection") is None


def test_answers_pass_filters_in_reverse():
    one, two = Part(), Part()
    edited = rules(filters=[one, two]).edit(ResponseHead(200, b"OK", ()), OPEN)
    assert edited.get(b"x-by") == b"%d" % id(one)


class Silent(Filter):
    """A filter that leaves answers alone."""

    def __init__(self) -> None:
        pass


def test_a_filter_that_leaves_answers_alone_is_not_asked_about_them():
    answer = ResponseHead(200, b"OK", ())
    assert rules(filters=[Silent()]).edit(answer, OPEN) is answer
    part, silent = Part(), Silent()
    silent.on_response = lambda head, route: head.without(b"X-By")
    assert rules(filters=[silent, part]).edit(answer, OPEN) == answer


def test_rules_keep_what_they_were_made_of():
    filters = [Part()]
    made = rules(filters=filters)
    filters.clear()
    assert len(made.filters) == 1


def test_a_gate_that_is_missing_keeps_everybody_out_and_is_told_once_for_a_share(caplog):
    mine = rules()
    other = Route(host="b.zone", token="tok-b", gate="door")
    assert [mine.admit(HEAD, route, "").status for route in (ROUTE, ROUTE, other, ROUTE)] == [503] * 4
    assert [record.args[0] for record in caplog.records] == ["tok-a", "tok-b"]
