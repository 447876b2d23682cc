"""Wrong input, answered by real processes: one clear sentence, the right exit code, nothing lost."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPResponse

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(90),
    pytest.mark.leaves_behind("the site serves all tests of this file"),
    pytest.mark.blocks_hub("waits for processes"),
]
WAIT_S = 20
_VISIT = """
import sys
from http.client import HTTPConnection
connection = HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("GET", "/", headers={"Host": sys.argv[2]})
print(connection.getresponse().status)
"""
SERVER = """
version: 1
state_dir: state
auth: [{{use: token}}, {{use: secret, secrets: [!secret admin]}}]
roles:
  controller:
    listen: 127.0.0.1:{api}
    frontends: {{public: {{token: !secret frontend}}}}
    namespaces: {{public: {{zone: localhost, url: "http://{{host}}:{port}", open: true, frontends: [public]}}}}
    accounts:
      - {{email: ann@example.com, token: ann-token-0001}}
      - {{email: ben@example.com, token: ben-token-0001}}
  frontend:
    listen: 127.0.0.1:{port}
    controller: http://127.0.0.1:{api}
    token: !secret frontend
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def environ(home, **more):
    return {"PATH": os.environ["PATH"], "HOME": str(home), "ZROKD_HOME": str(home / ".zrokd"), **more}


def zrokd(home, *words, given="", **options):
    """A finished command line."""
    return subprocess.run(
        [sys.executable, "-m", "zrokd", *map(str, words)],
        input=given,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env=environ(home),
        check=False,
        **options,
    )


def refused(done, code, *texts):
    """One sentence for people: no traceback, and what the tests wants to read."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    for text in texts:
        assert text in done.stderr


class Running:
    """A command line that goes on."""

    def __init__(self, home, *words, **options):
        self.out = (home / f"out-{time.monotonic_ns()}").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zrokd", *map(str, words)],
            stdout=self.out,
            stderr=subprocess.STDOUT,
            env=environ(home),
            **options,
        )

    def text(self):
        self.out.seek(0)
        return self.out.read()

    def until(self, text):
        stop = time.monotonic() + WAIT_S
        while text not in self.text():
            assert time.monotonic() < stop, self.text()
            assert self.process.poll() is None, self.text()
            time.sleep(0.05)

    def end(self, number=signal.SIGINT):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        code = self.process.wait(WAIT_S)
        self.out.close()
        return code


class Site:
    def __init__(self, folder, says_in=None):
        self.folder, self.api, self.port = folder, free_port(), free_port()
        self.says_in = says_in or folder
        self.file = folder / "server.yml"
        self.file.write_text(SERVER.format(api=self.api, port=self.port))
        self.file.chmod(0o600)
        self.url = f"http://127.0.0.1:{self.api}"
        self.start()

    def start(self):
        self.daemon = Running(self.says_in, "run", self.file, "--set", "log.format=text")
        self.daemon.until("serving controller, frontend")

    def get(self, host, path="/"):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.request("GET", path, headers={"Host": host})
            return connection.getresponse().status
        finally:
            connection.close()

    def ready(self):
        """Status and body of /readyz."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.folder / "state" / "health.sock"))
            sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            with contextlib.closing(HTTPResponse(sock)) as answer:
                answer.begin()
                return answer.status, json.loads(answer.read())

    def create_name(self, name):
        """The status."""
        connection = HTTPConnection("127.0.0.1", self.api, timeout=WAIT_S)
        with contextlib.closing(connection):
            body = json.dumps({"name": name, "namespaceToken": "public"})
            head = {"Content-Type": "application/zrok.v1+json", "X-TOKEN": "ann-token-0001"}
            connection.request("POST", "/api/v2/share/name", body, head)
            return connection.getresponse().status


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.daemon.end(signal.SIGTERM)


@pytest.fixture
def ann(site, tmp_path):
    """A home that is enabled for Ann."""
    refused(zrokd(tmp_path, "enable", "-", "--controller", site.url, given="ann-token-0001\n"), 0, "is enabled")
    yield tmp_path
    zrokd(tmp_path, "disable")


def test_a_port_that_is_taken(site, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sets = ["--set", f"roles.frontend.listen=127.0.0.1:{port}", "--set", f"state_dir={tmp_path}/state"]
        done = zrokd(tmp_path, "run", site.file, "--set", f"roles.controller.listen=127.0.0.1:{free_port()}", *sets)
    refused(done, 1, f"cannot listen on 127.0.0.1:{port}", "another program listens there")


def test_a_state_folder_that_cannot_be_written(site, tmp_path):
    (tmp_path / "file").write_text("")
    done = zrokd(
        tmp_path, "run", "conf/minimal.yml", "--set", f"state_dir={tmp_path}/file/s", "--set", "roles.backend.token=x"
    )
    assert done.returncode in (1, 2)
    assert f"{tmp_path}/file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_start_says_who_holds_the_state(site, tmp_path):
    refused(zrokd(tmp_path, "run", site.file), 1, f"is in use by process {site.daemon.process.pid}")


def test_an_unknown_token(site, tmp_path):
    done = zrokd(tmp_path, "enable", "no-such-token", "--controller", site.url)
    refused(done, 1, "does not accept this token")
    assert not (tmp_path / ".zrokd" / "environment.json").exists()


def test_a_revoked_token(site, tmp_path):
    secret = site.folder / "state" / "secrets" / "admin"
    admin = ["admin", "--controller", site.url, "--secret-file", secret]
    token = zrokd(tmp_path, *admin, "create", "account", "eve@example.com").stdout.split()[-1]
    refused(zrokd(tmp_path, "enable", "-", "--controller", site.url, given=token), 0)
    refused(zrokd(tmp_path, *admin, "delete", "account", "eve@example.com"), 0)
    refused(zrokd(tmp_path, "share", "public", "3000"), 1, "does not accept this token")


def test_an_environment_that_is_enabled_already(site, ann):
    before = (ann / ".zrokd" / "environment.json").read_text()
    refused(zrokd(ann, "enable", "ann-token-0001", "--controller", site.url), 1, "enabled already", "zrokd disable")
    assert (ann / ".zrokd" / "environment.json").read_text() == before


def test_a_target_that_does_not_answer_is_shared_anyway(site, ann):
    port = free_port()
    share = Running(ann, "share", "public", port, "--name", "late-target")
    share.until("http://late-target.localhost")
    share.until("works once that is mended")
    assert site.get("late-target.localhost") == 502
    with socket.create_server(("127.0.0.1", port)) as target:
        target.settimeout(WAIT_S)
        visitor = subprocess.Popen(
            [sys.executable, "-c", _VISIT, str(site.port), "late-target.localhost"], stdout=subprocess.PIPE, text=True
        )
        answered, _ = target.accept()
        with answered:
            answered.recv(4096)
            answered.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert visitor.communicate(timeout=WAIT_S)[0].strip() == "200"
    assert share.end() == 0


def test_a_name_that_is_taken(site, ann, tmp_path_factory):
    refused(zrokd(ann, "create", "name", "only-one"), 0)
    ben = tmp_path_factory.mktemp("ben")
    refused(zrokd(ben, "enable", "-", "--controller", site.url, given="ben-token-0001\n"), 0)
    refused(zrokd(ben, "create", "name", "only-one"), 1, "'only-one' is taken")
    refused(zrokd(ben, "share", "public", "3000", "--name", "only-one"), 1, "'only-one' is taken")


def test_a_name_that_is_not_allowed(site, ann):
    refused(zrokd(ann, "create", "name", "-no-"), 2)
    refused(zrokd(ann, "create", "name", "No_Name"), 2, "'No_Name' is not a valid name: 3 to 63 of a-z, 0-9 and -")


def test_a_controller_that_is_away_is_one_line_until_it_is_back(site, ann):
    site.daemon.end(signal.SIGTERM)
    share = Running(ann, "share", "public", free_port())
    share.until("trying again until it does")
    site.start()
    share.until(".localhost")
    assert share.text().count("trying again") == 1
    assert share.end() == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (bytes(range(256)) * 20, "not UTF-8"),
        (b"version: 1\x00\n", "control character"),
        (b"a: b\n" * 2_000_000, "larger than 1 MiB"),
    ],
    ids=["empty", "binary", "NUL", "10 MB"],
)
def test_a_file_that_is_no_configuration(tmp_path, content, said):
    file = tmp_path / "zrokd.yml"
    file.write_bytes(content)
    for verb in ("check", "run"):
        done = zrokd(tmp_path, verb, file)
        refused(done, 2, said)
        assert len(re.findall(r"zrokd\.yml", done.stderr)) == 1


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of so much, as the folder `disk`; skipped where this user may not mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def fill(disk):
    """The file that takes all room."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return filler


def test_a_full_disk_while_state_is_written_keeps_what_was_there(site, tmp_path):
    with small_disk(tmp_path, "16k") as disk:
        filler = fill(disk)
        done = zrokd(disk, "enable", "-", "--controller", site.url, given="ann-token-0001\n")
        assert done.returncode == 1
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr
        filler.unlink()
        refused(zrokd(disk, "enable", "-", "--controller", site.url, given="ann-token-0001\n"), 0)
        kept = json.loads((disk / ".zrokd" / "environment.json").read_text())
        assert kept["controller"] == site.url
        zrokd(disk, "disable")


def test_a_full_disk_under_the_database_is_told_by_readyz_until_there_is_room(tmp_path, tmp_path_factory):
    with small_disk(tmp_path, "4m") as disk:
        one = Site(disk, tmp_path)
        home = tmp_path_factory.mktemp("home")
        try:
            refused(zrokd(home, "enable", "-", "--controller", one.url, given="ann-token-0001\n"), 0)
            filler = fill(disk)
            answers = [one.create_name(f"name-{number}") for number in range(200)]
            assert answers[-1] == 503
            status, told = one.ready()
            assert status == 503
            assert "the disk under the database is full" in told["components"]["role.controller"]["detail"]
            assert [name for name, state in told["components"].items() if not state["ok"]] == ["role.controller"]
            filler.unlink()
            stop = time.monotonic() + WAIT_S
            while one.ready()[0] != 200:
                assert time.monotonic() < stop, one.ready()
                time.sleep(0.05)
            assert one.create_name("there-is-room") == 201
            said = one.daemon.text().splitlines()
            for text in ("takes no changes", "is full", "takes changes again"):
                assert sum(text in line for line in said) == 1, said
        finally:
            one.daemon.end(signal.SIGTERM)
