"""A controller that may be killed at any call, and both sides of what it left behind: its database, and its overlay."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import gevent
import requests

from zrokd.client.controller import Controller
from zrokd.client.transport import Transport
from zrokd.errors import ZrokdError
from zrokd.model.share import NameSelection, Permission, ShareDraft, ShareMode
from zrokd.model.units import Secret

ADMIN = "the-administrators-own-secret-token"
HERE = Path(__file__).parent
WITHIN_S = 60.0
TREE = """\
version: 1
state_dir: {folder}/state
plugin_path: [{plugins}]
log: {{level: debug, format: text}}
overlay: {overlay}
{storage}
auth: [{{use: token}}, {{use: secret, secrets: [{admin}]}}]
observers: [{{use: saboteur, folder: {folder}, overlay: {kind}}}]
roles:
  controller:
    listen: 127.0.0.1:0
    instance: {instance}
    reconcile_every: 1h
    beat_every: 100ms
    frontends: {{edge: {{token: edges-own-token}}}}
    namespaces: {{public: {{zone: share.example.com, open: true, frontends: [edge]}}}}
"""


class Nursery:
    """Daemons, forked from one process that has everything imported."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "nursery.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout.readline() == "ready\n"

    def ask(self, *words):
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(20)


class LocalSide:
    """The local overlay, seen from outside."""

    kind, instance = "local", "ours"

    def __init__(self, folder):
        self._folder = folder / "overlay"
        self.yaml = f"{{use: local, dir: {self._folder}}}"

    def plant(self):
        """What is nobody's or somebody else's, and must stay as it is."""
        for name, tag in (("untagged", None), ("foreign", {"instance": "other", "environment": "x"})):
            (self._folder / name).mkdir(parents=True)
            if tag:
                (self._folder / name / ".instance").write_text(json.dumps(tag))

    def plant_orphans(self, names):
        """Services of ours that no share has."""
        for name in names:
            (self._folder / name).mkdir()
            (self._folder / name / ".instance").write_text(json.dumps({"instance": self.instance, "environment": "x"}))

    def lose(self, names):
        """Take services away behind the controller's back."""
        for name in names:
            shutil.rmtree(self._folder / name)

    def planted(self):
        """Whether that is so."""
        return (self._folder / "untagged").is_dir() and "other" in (self._folder / "foreign/.instance").read_text()

    def differences(self, store):
        """How it differs from what the store says."""
        tagged = [path for path in self._folder.iterdir() if path.name not in ("untagged", "foreign")]
        return differ("services", [path.name for path in tagged], store["share"])


def differ(what, on_overlay, in_store):
    """[] when both have the same, each of it once."""
    return [] if sorted(on_overlay) == sorted(in_store) else [(what, sorted(on_overlay), sorted(in_store))]


class World:
    """The controller, its people, and what is told of both sides."""

    def __init__(self, folder, nursery, side, sql=None, storage=""):
        self.folder, self.side, self._nursery, self._sql = folder, side, nursery, sql or self._sqlite
        self._file, self._log, self._pid = folder / "zrokd.yml", folder / "log", 0
        self._numbers, self._clients, self.last = itertools.count(), [], None
        tree = TREE.format(
            folder=folder, plugins=HERE / "plugins", overlay=side.yaml, kind=side.kind, instance=side.instance,
            storage=storage, admin=ADMIN,
        )  # fmt: skip
        self._file.write_text(tree)

    # -- the daemon ---

    def start(self):
        """Returns when its API answers."""
        self._log.unlink(missing_ok=True)
        self._pid = self._nursery.ask("start", self._file, self._log)
        until = time.monotonic() + 30
        while not (found := re.search(r"the API answers on (http://127\.0\.0\.1:\d+)", self.log())):
            assert time.monotonic() < until, self.log()
            gevent.sleep(0.01)
        self.url = found[1]

    def log(self):
        return self._log.read_text() if self._log.exists() else ""

    def kill(self):
        """As if the machine lost power."""
        self.forget_clients()
        if self._pid:
            self._nursery.ask("end", self._pid)
        self._pid = 0

    close = kill

    def forget_clients(self):
        while self._clients:
            self._clients.pop().close()

    # -- people ---

    def client(self, token):
        self._clients.append(Controller(self.url, Secret(token), timeout_s=20))
        return self._clients[-1]

    def ask(self, method, path, document=None):
        """A call of the administrator's."""
        with closing(Transport(self.url, Secret(ADMIN), timeout_s=60, verify=True)) as transport:
            return transport.call(method, path, document)

    def furnish(self):
        """Two people with an environment each, and shares and accesses across them."""
        number = next(self._numbers)
        self.last = people = _People(self, number)
        return people

    # -- killing ---

    def kills(self, verb, step):
        """Do it on fresh people, with the daemon killed at that step; False: it was through before."""
        people = self.furnish()
        return self.dies(step, lambda: VERBS[verb](people))

    def dies(self, step, work):
        """Do it, with the daemon killed at that step; False: it was through before."""
        (self.folder / "kill_at").write_text(str(step))
        try:
            work()
        except (ZrokdError, requests.ConnectionError):
            pass  # nobody answers any more
        else:
            (self.folder / "kill_at").unlink()
            self.kill()
            self.start()
            return False
        assert self._nursery.ask("wait", self._pid) == signal.SIGKILL, self.log()
        (self.folder / "kill_at").unlink()
        self.forget_clients()
        return True

    def heal(self):
        """Start again: what was planned, and what was done, as sentences. Returns when nothing is left to do."""
        hold = self.folder / "hold"
        hold.touch()
        self.start()
        begun = time.monotonic()
        while self._sql("select count(*) from intent where worker <> ''") != [(0,)] and self._sql != self._sqlite:
            assert time.monotonic() - begun < WITHIN_S
            gevent.sleep(0.02)
        planned = self._reconcile(dry_run=True)
        hold.unlink()
        while len(done := re.findall(r" reconcile: (.*)", self.log())) < len(planned) or self._reconcile(dry_run=True):
            assert time.monotonic() - begun < WITHIN_S, self.log()
            gevent.sleep(0.02 if len(planned) < 10 else 0.5)
        return planned, done

    def _reconcile(self, *, dry_run):
        return self.ask("POST", f"/zrokd/reconcile?dry_run={int(dry_run)}")["actions"]

    # -- both sides ---

    def differences(self):
        """How store and overlay differ, and what is left half done. Empty when all is well."""
        found = []
        for table in ("environment", "share", "access"):
            found += [("not live", table, row) for row in self._sql(f"select id from {table} where not live")]
        found += [("intent", *row) for row in self._sql("select verb, kind, subject from intent")]
        store = {
            "environment": self._column("select z_id from environment"),
            "share": self._column("select token from share union all select token from agent_enrollment"),
            "access": self._column("select token from access"),
        }
        told = self._sql("select host, token from mapping where token <> ''")
        meant = self._sql(
            "select name.name || '.' || namespace.zone, share.token from share_name"
            " join name on name.id = share_name.name_id join namespace on namespace.id = name.namespace_id"
            " join share on share.id = share_name.share_id"
        )
        found += differ("names", told, meant)
        found += [] if self.side.planted() else ["what is not ours was touched"]
        return found + self.side.differences(store)

    def _column(self, query):
        return [value for (value,) in self._sql(query)]

    def _sqlite(self, query):
        path = self.folder / "state" / "storage-sqlite" / "zrokd.sqlite3"
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()


class _People:
    """Ann and Bob, of whom everything is fresh."""

    def __init__(self, world, number):
        self.world, self.name = world, f"{world.side.instance}{number}"
        self.emails = [f"{name}{number}@example.com" for name in ("ann", "bob")]
        self._tokens = [world.ask("POST", "/account", {"email": email})["accountToken"] for email in self.emails]
        self.meet()
        self.home, self.away = (client.enable("d", "h").z_id for client in (self.ann, self.bob))
        self.ann.create_name("public", f"shop-{self.name}")
        self.ann.create_name("public", f"blog-{self.name}")
        self.shop, _ = self.ann.share(self.draft(self.home, f"shop-{self.name}"))
        self.held, _ = self.ann.share(self.draft(self.home, token=f"held-{self.name}"))
        bobs, _ = self.bob.share(self.draft(self.away, token=f"bobs-{self.name}"))
        self.access, _ = self.bob.access(self.away, self.held, "", "")
        self.ann.access(self.home, bobs, "", "")

    def meet(self):
        """Their clients, of the controller that runs now."""
        self.ann, self.bob = map(self.world.client, self._tokens)

    def ask(self, method, path, body=None, headers=()):
        """A request of Ann's, as it is."""
        sent = {"x-token": self._tokens[0], **dict(headers)}
        return requests.request(method, f"{self.world.url}/api/v2{path}", json=body, headers=sent, timeout=20)

    def body(self):
        """Of a share."""
        asked = {"envZId": self.home, "shareMode": "public", "backendMode": "proxy", "target": "http://127.0.0.1:1"}
        return asked | {"nameSelections": [{"namespaceToken": "public"}]}

    def draft(self, env, *names, token="", **changes):
        selections = tuple(NameSelection(namespace="public", name=name) for name in names)
        mode = ShareMode.PRIVATE if token or not names else ShareMode.PUBLIC
        values = {"env_z_id": env, "share_mode": mode, "mode": "proxy", "target": "http://127.0.0.1:1", "token": token}
        return ShareDraft(**values | {"selections": selections, "permission": Permission.OPEN} | changes)


VERBS = {
    "enable": lambda p: p.ann.enable("d", "h"),
    "share public": lambda p: p.ann.share(p.draft(p.home, f"blog-{p.name}")),
    "share private": lambda p: p.ann.share(p.draft(p.home, token=f"mine-{p.name}")),
    "take up": lambda p: p.ann.share(p.draft(p.home, f"shop-{p.name}", target="http://127.0.0.1:2")),
    "access": lambda p: p.bob.access(p.away, p.held, "", ""),
    "unaccess": lambda p: p.bob.unaccess(p.away, p.held, p.access),
    "unshare": lambda p: p.ann.unshare(p.home, p.shop),
    "unshare with accesses": lambda p: p.ann.unshare(p.home, p.held),
    "disable": lambda p: p.ann.disable(p.home),
    "delete account": lambda p: p.world.ask("DELETE", "/account", {"email": p.emails[0]}),
}
