from zrokd.net.http1.ping import PONG, pong


def test_the_same_ping_to_the_same_share_is_answered_alike():
    [(name, value)] = pong("a-share", b"/ping?once")
    assert name == PONG
    assert len(value) == 32
    assert pong("a-share", b"/ping?once") == ((name, value),)


def test_another_share_and_another_ping_are_answered_otherwise():
    targets = [
        ("a-share", b"/ping?once"),
        ("b-share", b"/ping?once"),
        ("a-share", b"/ping?twice"),
        ("a-share", b"/ping"),
    ]
    assert len({pong(*one) for one in targets}) == len(targets)


def test_the_answer_does_not_tell_the_token():
    assert b"a-share" not in pong("a-share", b"/ping?once")[0][1]
