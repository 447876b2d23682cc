import gc

import pytest

from zrokd.model.block import Block, Fields, remembered, remembered_apart

FIELDS: Fields = ((b"A", b"1"), (b"B", b"2"))


@pytest.fixture
def looks() -> list:
    """Arguments of each look that was taken."""
    return []


@pytest.fixture
def length(looks):
    @remembered
    def look(block: Block, add: int) -> int:
        looks.append(add)
        return len(block.fields) + add

    return look


def test_a_block_that_remembers_is_looked_at_once(length, looks) -> None:
    block = Block(FIELDS)
    block.remember()
    assert [length(block, 1), length(block, 1), length(block, 2)] == [3, 3, 4]
    assert looks == [1, 2]


def test_a_block_that_does_not_remember_is_looked_at_each_time(length, looks) -> None:
    block = Block(FIELDS)
    assert [length(block, 1), length(block, 1)] == [3, 3]
    assert looks == [1, 1]
    assert block.facts is None


def test_what_a_look_raises_is_raised_each_time() -> None:
    @remembered
    def look(block: Block) -> None:
        raise ValueError(block.fields)

    block = Block(FIELDS)
    block.remember()
    for _ in range(2):
        with pytest.raises(ValueError, match="A"):
            look(block)


@remembered
def without_a(block: Block) -> Block:
    return block.edited(frozenset([b"a"]), ((b"C", b"3"),))


def test_a_block_that_is_found_out_remembers_too() -> None:
    block = Block(FIELDS)
    block.remember()
    edited = without_a(block)
    assert edited is without_a(block)
    assert edited.fields == ((b"B", b"2"), (b"C", b"3"))
    assert without_a(edited) is without_a(edited)


def test_an_edit_by_itself_is_not_kept() -> None:
    block = Block(FIELDS)
    block.remember()
    block.edited(frozenset([b"a"]), ((b"X-Forwarded-For", b"192.0.2.1"),))
    assert block.facts == {}


def test_a_block_does_not_hold_itself_nor_more_than_some_facts(length) -> None:
    @remembered
    def itself(block: Block) -> Block:
        return block.edited(frozenset([b"none"]))

    block = Block(FIELDS)
    block.remember()
    assert itself(block) is block
    assert itself(block) is block
    assert block not in gc.get_referents(block.facts)
    for add in range(1000):
        assert length(block, add) == 2 + add
    assert len(block.facts) <= 16


# -- fields that stand apart ---

COOKIE: Fields = ((b"Cookie", b"c"),)


@pytest.fixture(params=[True, False], ids=["remembers", "does not"])
def common(request) -> Block:
    block = Block(FIELDS, b"\r\nA: 1\r\nB: 2\r\n")
    if request.param:
        block.remember()
    return block


def test_fields_apart_stand_at_the_end(common) -> None:
    whole, alike = common.before(COOKIE), Block((*FIELDS, *COOKIE))
    assert (whole.fields, whole.lines, whole.index) == (alike.fields, alike.lines, alike.index)
    assert (whole.get(b"cookie"), whole.get(b"a"), whole.all(b"cookie")) == (b"c", b"1", [b"c"])


def test_what_is_found_out_does_not_see_them_and_keeps_them(common, length) -> None:
    whole = common.before(COOKIE)
    assert length(whole, 1) == 3
    assert without_a(whole).fields == ((b"B", b"2"), (b"C", b"3"), *COOKIE)
    assert without_a(without_a(whole)).fields == ((b"B", b"2"), (b"C", b"3"), (b"C", b"3"), *COOKIE)


def test_what_is_kept_does_not_hold_them(common) -> None:
    whole = common.before(COOKIE)
    for _ in range(2):
        without_a(whole)
    assert b"c" not in {value for fact in (common.facts or {}).values() for _, value in fact.fields}


@pytest.mark.parametrize("drop", [b"cookie", b"a", b"none"])
def test_an_edit_sees_them_as_any_other(common, drop) -> None:
    add = ((b"D", b"4"),)
    whole, alike = common.before(COOKIE), Block((*FIELDS, *COOKIE))
    edited = whole.edited(frozenset([drop]), add)
    assert edited.lines == alike.edited(frozenset([drop]), add).lines
    assert edited.index == alike.edited(frozenset([drop]), add).index
    assert edited.fields == alike.edited(frozenset([drop]), add).fields
    assert whole.edited(frozenset([b"none"])) is whole


@remembered_apart
def told(block: Block, who: bytes) -> Block:
    return block.edited(frozenset([b"a"]), ((b"Who", who),))


def test_what_is_found_out_about_a_whole_block_is_kept_with_it_alone(common) -> None:
    whole, other = common.before(COOKIE), common.before(())
    for each in (whole, other):
        each.remember()
    assert told(whole, b"x") is told(whole, b"x")
    assert told(whole, b"x").fields == ((b"B", b"2"), *COOKIE, (b"Who", b"x"))
    assert told(other, b"y").fields == ((b"B", b"2"), (b"Who", b"y"))
    assert told(common, b"z") is not told(common, b"z")
    assert not common.facts


def test_a_whole_block_that_remembers_keeps_what_the_rest_knows(common, looks, length) -> None:
    whole = common.before(COOKIE)
    whole.remember()
    assert [length(whole, 1), length(whole, 1)] == [3, 3]
    assert looks == [1]
    assert without_a(whole) is without_a(whole)
    assert without_a(whole).fields == ((b"B", b"2"), (b"C", b"3"), *COOKIE)
