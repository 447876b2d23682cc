from zrokd.model.site import Invites, Site


def test_a_site_of_which_nothing_is_said_lets_nobody_in():
    assert (Site().invites, Site().register_within_s, Site().reset_within_s) == (Invites.CLOSED, 86400, 900)
