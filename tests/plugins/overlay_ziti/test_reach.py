from zrokd_plugins.overlay_ziti.reach import Reach


def test_at_first_nothing_is_doubted():
    reach = Reach()
    assert not reach.silent
    assert reach.vouches_for(0.0)
    assert not reach.expects(1000.0, 0.0)


def test_streams_that_were_heard_of_before_the_silence_are_not_vouched_for():
    reach = Reach()
    reach.unanswered(100.0, 101.0)
    reach.unanswered(100.5, 101.5)
    assert reach.silent
    assert not reach.vouches_for(99.0)
    assert reach.vouches_for(100.2)


def test_one_word_ends_the_silence():
    reach = Reach()
    reach.unanswered(100.0, 101.0)
    reach.heard()
    assert not reach.silent
    assert reach.vouches_for(99.0)
    assert not reach.expects(102.0, 0.0)


def test_a_silence_of_which_nothing_more_is_known_is_tried_again_with_patience():
    reach = Reach()
    reach.unanswered(100.0, 101.0)
    assert reach.is_silent(110.0)
    assert not reach.is_silent(112.0)
    assert reach.silent  # streams of before stay doubtful


def test_who_is_not_there_is_expected_back_for_a_while():
    reach = Reach()
    assert reach.expects(110.0, 100.0)
    assert not reach.expects(140.0, 100.0)
    reach.unanswered(139.0, 140.0)
    assert reach.expects(160.0, 100.0)
