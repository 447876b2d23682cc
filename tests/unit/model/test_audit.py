import dataclasses

import pytest

from zrokd.model.audit import PRUNED, Actor, Broken, Chain, Link, Record, acting, actor

PLAIN = {
    "at_ms": 1, "actor": "ann@example.com", "via": "token", "address": "::1", "event": "share.created",
    "subject": "s", "account": "", "outcome": "done", "facts": {"hosts": ["a.example.com"]},
}  # fmt: skip


def chained(count, *, after=None, other=None):
    """That many records, each sealed to the one before; `other` has values of some, by place."""
    last, made = after or Link(), []
    for place in range(count):
        record = Record(**PLAIN | {"seq": last.seq + 1} | (other or {}).get(place, {}))
        made.append(dataclasses.replace(record, digest=record.sealed(last.digest)))
        last = made[-1].link
    return made


def check(records, *, checkpoint=None, head=None, expect=None):
    chain = Chain(checkpoint or Link())
    if expect:
        chain.expect(expect)
    for record in records:
        chain.take(record)
    chain.end(head or records[-1].link)
    return chain


def changed(records, place, **changes):
    return [dataclasses.replace(one, **changes) if index == place else one for index, one in enumerate(records)]


def test_what_nobody_touched_holds():
    records = chained(20)
    assert check(records).count == 20
    assert check(records, expect=records[7].link).last == records[-1].link
    Chain(Link()).end(Link())


@pytest.mark.parametrize("field", [one.name for one in dataclasses.fields(Record) if one.name != "seq"])
@pytest.mark.parametrize("value", ["x", 7, None, {"a": 1}])
def test_a_record_with_another_value_is_the_first_bad_one(field, value):
    with pytest.raises(Broken, match="^record 4 is not what was written"):
        check(changed(chained(9), 3, **{field: value}), head=chained(9)[-1].link)


@pytest.mark.parametrize("place", range(8))
def test_a_record_that_is_gone_is_named(place):
    records = chained(9)
    with pytest.raises(Broken, match=f"^record {place + 1} is missing$"):
        check(records[:place] + records[place + 1 :])


def test_records_cut_off_the_end_are_missed():
    records = chained(9)
    with pytest.raises(Broken, match="^record 7 is missing$"):
        check(records[:6], head=records[-1].link)


def test_two_that_changed_places_are_found():
    records = chained(9)
    swapped = changed(changed(records, 3, seq=5), 4, seq=4)
    with pytest.raises(Broken, match="^record 4 is not what was written, or not in its place"):
        check(sorted(swapped, key=lambda one: one.seq))


def test_one_that_is_put_in_is_found():
    records = chained(9)
    with pytest.raises(Broken, match="^record 5 is there twice"):
        check([*records[:5], records[4], *records[5:]])
    forged = dataclasses.replace(records[8], seq=10)
    with pytest.raises(Broken, match="^record 10 is not what was written"):
        check([*records, forged])


def test_one_who_seals_everything_anew_is_found_by_who_kept_a_link():
    records = chained(9)
    kept = records[5].link
    forged = [dataclasses.replace(one, subject="innocent") for one in records]
    last = Link()
    for index, one in enumerate(forged):
        forged[index] = dataclasses.replace(one, digest=one.sealed(last.digest))
        last = forged[index].link
    check(forged)
    with pytest.raises(Broken, match="^record 6 is another than the one seen earlier"):
        check(forged, expect=kept)
    with pytest.raises(Broken, match="^record 4 is missing: record 6 was seen earlier"):
        check(records[:3], expect=kept)


def test_what_was_pruned_is_not_missed_and_what_was_taken_away_is():
    old = chained(5)
    prune = {"event": PRUNED, "facts": {"through": 3, "digest": old[2].digest}}
    records = old + chained(4, after=old[-1].link, other={2: prune})
    left = records[3:]
    assert check(left, checkpoint=records[2].link).count == 6
    with pytest.raises(Broken, match="^record 4 is missing: nobody pruned it"):
        check(left[1:], checkpoint=left[0].link)
    with pytest.raises(Broken, match="^record 2 was pruned: nothing can be said of it"):
        check(left, checkpoint=records[2].link, expect=records[1].link)
    with pytest.raises(Broken, match="^record 3 is another than the one seen earlier"):
        check(left, checkpoint=records[2].link, expect=Link(seq=3, digest="0" * 64))


def test_the_controller_itself_is_at_work_unless_somebody_asks():
    assert actor() == Actor(name="controller")
    with acting(Actor(name="ann@example.com")), acting(Actor(name="bob@example.com")):
        assert actor().name == "bob@example.com"
    assert actor() == Actor(name="controller")
