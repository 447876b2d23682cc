"""The controller and who asks on this host are told at once what changed, and every few seconds that we live."""

import json
from types import SimpleNamespace

import pytest
from zrokd_plugins.role_backend import reporter as module
from zrokd_plugins.role_backend.office import Link
from zrokd_plugins.role_backend.reporter import Reporter

from zrokd.client.binds import BindsFile, read_binds
from zrokd.contracts import Proof
from zrokd.errors import NotFound, Unavailable


def share(name, trouble="", age_s=1.0, ends=1, token=None):
    return SimpleNamespace(
        key=f"name:{name}",
        share=SimpleNamespace(label=name),
        token=f"tok-{name}" if token is None else token,
        trouble=trouble,
        proof=Proof(ends=ends, age_s=age_s),
    )


class Place:
    """A backend with some shares, and a controller that notes what it is told."""

    def __init__(self, ctx, folder):
        self.shares, self.told, self.failing, self.again = [share("app"), share("docs")], [], None, False
        self.folder = folder
        self.office = SimpleNamespace(z_id="z1", controller=self, link=Link(ctx.log))
        self.reporter = Reporter(lambda: self.shares, self.office, BindsFile(folder, "a"), ctx)
        self.now = 1000.0

    def report_binds(self, report):
        if self.failing is not None:
            raise self.failing
        self.told.append(report)
        return self.again

    def after(self, seconds):
        """What is told once so many seconds went by."""
        self.now += seconds
        before = len(self.told)
        self.reporter.tell(self.now)
        return self.told[before:]


@pytest.fixture
def place(zrokd_bench, tmp_path):
    made = Place(zrokd_bench.ctx, tmp_path / "binds")
    yield made
    made.reporter.close()


def tokens(report):
    return [bind.share_token for bind in report.binds]


def test_all_is_told_first_then_what_changed_and_now_and_then_that_we_live(place):
    (first,) = place.after(0)
    assert (first.whole, tokens(first), first.env_z_id, first.proven_s) == (True, ["tok-app", "tok-docs"], "z1", 1.0)
    assert place.after(1) == []
    place.shares[1].trouble = "the router is away"
    (news,) = place.after(0.5)
    assert (news.whole, tokens(news), news.binds[0].why) == (False, ["tok-docs"], "the router is away")
    assert place.after(3.9) == []
    (alive,) = place.after(0.2)
    assert tokens(alive) == []


def test_since_counts_from_the_change_and_a_changed_reason_is_no_change(place):
    place.after(0)
    place.shares[0].trouble = "one thing"
    place.after(1)
    place.shares[0].trouble = "another thing"
    (news,) = place.after(10)
    assert (news.binds[0].why, news.binds[0].since_s) == ("another thing", 10)
    place.shares[0].trouble = ""
    (news,) = place.after(1)
    assert (news.binds[0].why, news.binds[0].since_s) == ("", 0)


def test_the_oldest_proof_is_told_of_those_that_have_one_and_are_reached(place):
    place.shares = [share("a", age_s=7.0), share("b", age_s=None), share("c", age_s=99.0, trouble="broken")]
    (first,) = place.after(0)
    assert first.proven_s == 7.0
    assert [bind.proven_s for bind in first.binds] == [7.0, None, 99.0]


def test_what_is_shared_no_more_is_gone(place):
    place.after(0)
    place.shares.pop()
    (news,) = place.after(1)
    assert (news.gone, tokens(news)) == (("tok-docs",), [])


def test_what_the_controller_never_took_is_in_the_file_alone(place):
    place.shares.append(share("late", trouble="the name is taken", token=""))
    (first,) = place.after(0)
    assert tokens(first) == ["tok-app", "tok-docs"]
    assert [one["share"] for one in read_binds(place.folder)[0]["shares"]] == ["app", "docs", "late"]


def test_a_controller_that_knows_nothing_of_us_is_told_all(place):
    place.again = True
    assert len(place.after(0)) == 1
    place.again = False
    (again,) = place.after(0.5)
    assert (again.whole, tokens(again)) == (True, ["tok-app", "tok-docs"])


def test_another_environment_is_told_all(place):
    place.after(0)
    place.office.z_id = "z2"
    (first,) = place.after(0.5)
    assert (first.env_z_id, first.whole) == ("z2", True)


def test_what_did_not_arrive_is_told_again(place):
    place.failing = Unavailable("away")
    place.after(0)
    place.failing = None
    assert place.after(1) == []
    assert len(place.after(1)) == 1


def test_that_the_controller_went_away_and_came_back_is_said_once(place, caplog):
    caplog.set_level("INFO")
    place.failing = Unavailable("nobody answers at http://c")
    for _ in range(5):
        place.after(2)
    place.failing = None
    place.after(2)
    place.after(60)
    assert [record.getMessage() for record in caplog.records] == [
        "nobody answers at http://c; what is shared stays so, and we keep trying",
        "the controller answers again",
    ]


def test_a_controller_without_this_call_is_left_alone_for_a_while(place):
    place.failing = NotFound("no such call")
    place.after(0)
    place.failing = None
    assert place.after(30) == []
    assert len(place.after(31)) == 1


def test_very_many_are_told_in_several_reports(place, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 3)
    monkeypatch.setattr(module, "_MOST_GONE", 2)
    place.shares = [share(str(number)) for number in range(7)]
    first = place.after(0)
    assert [len(report.binds) for report in first] == [3, 3, 1]
    assert [report.whole for report in first] == [True, False, False]
    place.shares = []
    assert [len(report.gone) for report in place.after(0.5)] == [2, 2, 2, 1]


def test_the_end_is_told_and_the_file_goes(place):
    place.after(0)
    place.shares[1].trouble = "the router is away"
    place.after(0.5)
    place.reporter.end()
    assert {bind.share_token: bind.why for bind in place.told[-1].binds} == {"tok-app": "its backend ended"}
    place.reporter.close()
    assert read_binds(place.folder) == []


def test_the_file_says_what_an_operator_asks(place):
    place.after(0)
    (document,) = read_binds(place.folder)
    app = document["shares"][0]
    assert (app["token"], app["state"], app["ends"]) == ("tok-app", "bound", 1)
    assert app["since"] - app["proven_at"] == pytest.approx(1.0, abs=0.01)
    assert json.dumps(document).count("tok-docs") == 1


def test_where_no_file_can_be_written_the_controller_is_told_all_the_same(place):
    place.folder.write_text("no folder")
    assert len(place.after(0)) == 1
