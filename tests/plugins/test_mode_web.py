import contextlib
import os
import resource
import socket
import subprocess
import sys
import time
from collections import Counter
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from zrokd_plugins.mode_web import WebMode, WebSettings, zrokd_provide_modes
from zrokd_plugins.mode_web.confined import Forbidden, Missing, find
from zrokd_plugins.mode_web.target import folder_location, segments

SECRET = b"the secret outside"
BODY = bytes(range(256)) * 4


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "outer/root"
    (root / "sub/deep").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "site").mkdir()
    (root / ".hidden").mkdir()
    (root / "file.bin").write_bytes(BODY)
    (root / "a.txt").write_text("text")
    (root / "sub/b.html").write_text("<p>b</p>")
    (root / "sub/deep/c.json").write_text("{}")
    (root / "site/index.html").write_text("<h1>index</h1>")
    (root / ".env").write_bytes(SECRET)
    (root / ".hidden/x").write_bytes(SECRET)
    (root / "ä ö.txt").write_text("umlaut")
    (root / "nothing").write_bytes(b"")
    (tmp_path / "outer/secret").write_bytes(SECRET)
    (tmp_path / "outer/root-sibling").mkdir()
    (tmp_path / "outer/root-sibling/secret").write_bytes(SECRET)
    os.utime(root / "file.bin", (1_700_000_000, 1_700_000_000.5))
    return root


@pytest.fixture
def web(small_ctx, root):
    return make(small_ctx, root)


def make(ctx, root, **more):
    mode = WebMode(WebSettings(target=str(root), **more), ctx)
    mode.open()
    mode.share_token = "tok"
    return mode


def link(path, target):
    path.symlink_to(target)
    return path


def test_the_module_provides_the_mode():
    assert zrokd_provide_modes() == [WebMode]
    assert (WebMode.name, WebMode.http) == ("web", True)


# -- files ---


@pytest.mark.parametrize(
    ("target", "kind", "body"),
    [
        ("/a.txt", "text/plain; charset=utf-8", b"text"),
        ("/a.txt?x=1", "text/plain; charset=utf-8", b"text"),
        ("/sub/b.html", "text/html; charset=utf-8", b"<p>b</p>"),
        ("/sub//deep///c.json", "application/json", b"{}"),
        ("/%61.txt", "text/plain; charset=utf-8", b"text"),
        ("/%C3%A4%20%C3%B6.txt", "text/plain; charset=utf-8", b"umlaut"),
        ("/file.bin", "application/octet-stream", BODY),
        ("/site/", "text/html; charset=utf-8", b"<h1>index</h1>"),
        ("/nothing", "application/octet-stream", b""),
    ],
)
def test_files_are_served(web, visit, target, kind, body):
    status, fields, got = visit(web).get(target)
    assert (status, got) == (200, body)
    assert fields["content-type"] == kind
    assert fields["content-length"] == str(len(body))
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.svg", "image/svg+xml"),
        ("x.tar.gz", "application/gzip"),
        ("x.css", "text/css; charset=utf-8"),
        ("x.js", "text/javascript; charset=utf-8"),
        ("x.bz2", "application/octet-stream"),
        ("x", "application/octet-stream"),
        ("x.PNG", "image/png"),
        ("x.webp", "image/webp"),
        ("x.unheard-of", "application/octet-stream"),
    ],
)
def test_types_follow_the_name(web, root, visit, name, kind):
    (root / name).write_text("x")
    assert visit(web).get(f"/{name}")[1]["content-type"] == kind


def test_one_connection_serves_many_requests(web, visit):
    visitor = visit(web)
    for _ in range(3):
        assert visitor.get("/a.txt")[2] == b"text"
        assert visitor.get("/none")[0] == 404


def test_head_sends_the_fields_only(web, visit):
    visitor = visit(web)
    status, fields, _ = visitor.get("/file.bin", method="HEAD")
    assert (status, fields["content-length"]) == (200, str(len(BODY)))
    assert visitor.get("/a.txt")[2] == b"text"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_other_methods_are_told_which_there_are(web, visit, method):
    status, fields, _ = visit(web).get("/a.txt", method=method)
    assert (status, fields["allow"]) == (405, "GET, HEAD")


def test_the_ping_is_answered_and_not_told(web, visit, small_ctx):
    assert visit(web).get("/.well-known/zrokd/ping")[0] == 204
    assert small_ctx.hooks.calls == []


def test_each_request_is_told(web, visit, small_ctx):
    visitor = visit(web)
    visitor.get("/file.bin")
    visitor.get("/none")
    visitor.get("/file.bin", "Range: bytes=0-9")
    visitor.get("/file.bin", method="HEAD")
    found = small_ctx.hooks.wait("on_exchange", 4)
    assert [(s.target, s.status) for s in found] == [
        ("/file.bin", 200), ("/none", 404), ("/file.bin", 206), ("/file.bin", 200),
    ]  # fmt: skip
    assert [s.tx_bytes for s in found if s.status != 404] == [1024, 10, 0]
    assert {(s.role, s.share_token, s.method) for s in found[:3]} == {("backend", "tok", "GET")}


def test_files_are_read_off_the_hub(web, visit, small_ctx):
    visit(web).get("/file.bin")
    assert small_ctx.offloaded >= 3  # find, open, read


# -- what is not shared ---


ATTACKS = [
    "/../secret",
    "/../../etc/passwd",
    "/..",
    "/../",
    "/sub/../../secret",
    "/%2e%2e/secret",
    "/%2E%2E%2Fsecret",
    "/..%2fsecret",
    "/sub/%2e%2e/%2e%2e/secret",
    "/%252e%252e/secret",
    "/.%2e/secret",
    "//../secret",
    "/./../secret",
    "/..%5csecret",
    "/..\\secret",
    "/%5c..%5csecret",
    "/%00",
    "/a.txt%00.html",
    "/../root-sibling/secret",
    "/%2fetc/passwd",
    "/etc%2fpasswd",
    "/....//secret",
    "/;/../secret",
    "/.env",
    "/%2eenv",
    "/.hidden/x",
    "/.hidden/",
    "/sub/../.env",
    "/a.txt/",
    "/a.txt/..",
    "/a.txt/x",
    "/sub/.",
    "/./a.txt",
    "/" + "x" * 300,
    "/" + "a/" * 1000,
    "/%ff%fe",
    "/none",
]


@pytest.mark.parametrize("target", ATTACKS)
def test_nothing_outside_and_nothing_hidden_is_served(web, visit, target):
    status, _, body = visit(web).get(target)
    assert status in (400, 404, 414)
    assert SECRET not in body
    assert b"root:" not in body


LINKS = [
    ("../secret", False), ("../root-sibling/secret", False), ("/etc/passwd", False), ("../../outer/secret", False),
    ("sub/../../secret", False), (".env", False), ("/proc/self/environ", False), ("self", False), ("missing", False),
    ("{outer}/secret", False), ("{outer}/root-sibling/secret", False), ("../root/a.txt", False),
    ("a.txt", True), ("./a.txt", True), ("sub/../a.txt", True), ("{root}/a.txt", True), ("{root}//./a.txt", True),
]  # fmt: skip


@pytest.mark.parametrize(("target", "allowed"), LINKS)
def test_links_are_followed_inside_only(web, root, visit, target, allowed):
    link(root / "self", target.format(root=root, outer=root.parent))
    status, _, body = visit(web).get("/self")
    assert (status == 200) == allowed
    assert SECRET not in body
    assert body == b"text" or not allowed


@pytest.mark.parametrize(
    ("target", "allowed"), [("..", False), ("/", False), ("/etc", False), ("sub", True), ("{root}", True)]
)
def test_linked_folders_too(web, root, visit, target, allowed):
    link(root / "folder", target.format(root=root))
    (root / "sub/a.txt").write_text("text")
    assert (visit(web).get("/folder/a.txt")[0] == 200) == allowed
    assert (visit(web).get("/folder/")[0] == 200) == allowed


def test_a_link_to_a_link_out_is_refused_and_a_long_chain_too(web, root, visit):
    link(root / "one", "two")
    link(root / "two", "../secret")
    assert visit(web).get("/one")[0] == 404
    for number in range(50):
        link(root / f"l{number}", f"l{number + 1}")
    (root / "l50").write_text("end")
    assert visit(web).get("/l0")[0] == 404
    assert visit(web).get("/l20")[0] == 200


def test_an_index_that_leads_out_is_not_shown(web, root, visit):
    link(root / "empty/index.html", "../../secret")
    _status, _, body = visit(web).get("/empty/")
    assert SECRET not in body


def test_the_root_itself_may_be_a_link(small_ctx, root, visit, tmp_path):
    web = make(small_ctx, link(tmp_path / "current", root))
    link(root / "abs", root / "a.txt")
    assert visit(web).get("/a.txt")[0] == 200
    assert visit(web).get("/abs")[0] == 200
    assert visit(web).get("/../secret")[0] in (400, 404)


def test_a_root_that_is_swapped_is_the_new_one(small_ctx, root, visit, tmp_path):
    web = make(small_ctx, link(tmp_path / "current", root))
    assert visit(web).get("/a.txt")[2] == b"text"
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2/a.txt").write_text("new")
    (tmp_path / "next").symlink_to(tmp_path / "v2")
    (tmp_path / "next").rename(tmp_path / "current")
    assert visit(web).get("/a.txt")[2] == b"new"


def test_pipes_and_sockets_are_no_files(web, root, visit):
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(root / "sock"))
        assert visit(web).get("/pipe")[0] == 404
        assert visit(web).get("/sock")[0] == 404


def test_hidden_files_when_asked_for(small_ctx, root, visit):
    web = make(small_ctx, root, hidden=True)
    assert visit(web).get("/.env")[2] == SECRET
    assert visit(web).get("/.hidden/x")[2] == SECRET
    assert b".env" in visit(web).get("/")[2]
    assert visit(web).get("/../secret")[0] in (400, 404)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_what_we_may_not_read_is_forbidden(web, root, visit):
    (root / "a.txt").chmod(0)
    assert visit(web).get("/a.txt")[0] == 403


def test_who_may_not_read_is_told_forbidden(web, visit, monkeypatch):
    def no(*_args, **_kwargs):
        raise Forbidden

    monkeypatch.setattr("zrokd_plugins.mode_web.find", no)
    assert visit(web).get("/a.txt")[0] == 403


PIECES = st.sampled_from(
    ["..", ".", "", "sub", "deep", "a.txt", "up", "in", "abs", ".env", "%2e%2e", "secret", "\\", "root", "%00"]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(PIECES, max_size=8))
def test_no_path_leads_to_the_secret(root, pieces):
    for name, target in (("up", ".."), ("in", "sub"), ("abs", "/")):
        if not (root / name).is_symlink():
            link(root / name, target)
            link(root / "sub" / name, f"../{target}" if target != "/" else target)
    parts = segments(("/" + "/".join(pieces)).encode())
    if parts is None:
        return
    try:
        found = find(root, parts, hidden=False)
    except (Missing, Forbidden):
        return
    try:
        real = str(Path(f"/proc/self/fd/{found.descriptor}").readlink())
    finally:
        found.close()
    assert real == str(root) or real.startswith(f"{root}/")
    assert "/." not in real.removeprefix(str(root))


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_segments_are_never_dots_or_slashes(path):
    for part in segments(b"/" + path) or []:
        assert part not in (b"", b".", b"..")
        assert b"/" not in part
        assert b"\0" not in part


@settings(max_examples=300)
@given(
    st.lists(
        st.binary(min_size=1, max_size=8).filter(lambda b: b not in (b".", b"..") and not set(b) & {0, 0x2F}),
        max_size=5,
    )
)
def test_a_folders_location_leads_to_the_same_segments(parts):
    location = folder_location(parts, b"")
    assert segments(location) == parts
    assert not location.startswith(b"//")
    assert location.isascii()


def test_find_leaves_no_descriptor(root, descriptors):
    link(root / "up", "..")
    before = descriptors()
    for path in ([b"sub", b"deep", b"c.json"], [b"none"], [b"up", b"secret"], [b"sub", b"none", b"x"], [b".env"]):
        for _ in range(20):
            with contextlib.suppress(Missing):
                find(root, path, hidden=False).close()
    assert descriptors() == before


# -- folders ---


def test_a_folder_without_its_slash_redirects_to_it(web, visit):
    status, fields, _ = visit(web).get("/sub?x=1")
    assert (status, fields["location"]) == (301, "/sub/?x=1")


@pytest.mark.parametrize("target", ["//sub", "///sub", "/%2F/sub", "//evil.example%2f.."])
def test_a_redirect_never_leaves_the_host(web, visit, target):
    _, fields, _ = visit(web).get(target)
    assert not fields.get("location", "/").startswith("//")


def test_a_listing_shows_what_is_there(web, visit):
    status, fields, body = visit(web).get("/")
    page = body.decode()
    assert status == 200
    for part in (
        'href="./sub/"',
        'href="./a.txt"',
        "1.0 KiB",
        "2023-11-14 22:13",
        'href="./%C3%A4%20%C3%B6.txt"',
        "ä ö.txt",
    ):
        assert part in page, part
    assert ".env" not in page
    assert "../" not in page
    assert page.index("./sub/") < page.index("./a.txt")
    assert "default-src 'none'" in fields["content-security-policy"]
    assert 'href="../"' in visit(web).get("/sub/")[2].decode()


NASTY = [
    "<script>alert(1)</script>",
    '"onmouseover="x',
    "a&b;c",
    "javascript:alert(1)",
    "'q'",
    "a?b#c",
    "%41",
    "a:b",
    "\nline",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_in_a_listing_are_text_and_their_links_work(web, root, visit, name):
    (root / "empty" / name.replace("/", "∕")).write_text("found")
    page = visit(web).get("/empty/")[2].decode()
    assert "<script>" not in page
    assert 'href="javascript' not in page
    href = next(part.split('"')[0] for part in page.split('href="')[2:])
    assert visit(web).get("/empty/" + href.removeprefix("./"))[2] == b"found"


def test_a_name_that_is_no_utf8_is_listed_and_served(web, root, visit):
    (root / "empty" / os.fsdecode(b"\xff\xfe.txt")).write_text("found")
    page = visit(web).get("/empty/")[2].decode()
    assert "./%FF%FE.txt" in page
    assert visit(web).get("/empty/%FF%FE.txt")[2] == b"found"


def test_a_listing_has_an_end(web, root, visit, monkeypatch):
    monkeypatch.setattr("zrokd_plugins.mode_web.listing._MOST_ENTRIES", 5)
    for number in range(20):
        (root / f"empty/{number}").write_text("")
    page = visit(web).get("/empty/")[2].decode()
    assert page.count("href=") == 6
    assert "only the first names" in page


def test_listings_can_be_switched_off(small_ctx, root, visit):
    web = make(small_ctx, root, listing=False)
    assert visit(web).get("/sub/")[0] == 403
    assert visit(web).get("/site/")[2] == b"<h1>index</h1>"
    assert visit(web).get("/sub/b.html")[0] == 200


# -- ranges and conditions ---

RANGES = [
    ("bytes=0-0", 206, "bytes 0-0/1024", BODY[:1]),
    ("bytes=0-9", 206, "bytes 0-9/1024", BODY[:10]),
    ("bytes=1000-", 206, "bytes 1000-1023/1024", BODY[1000:]),
    ("bytes=1000-9999", 206, "bytes 1000-1023/1024", BODY[1000:]),
    ("bytes=-10", 206, "bytes 1014-1023/1024", BODY[-10:]),
    ("bytes=-9999", 206, "bytes 0-1023/1024", BODY),
    ("BYTES=5-6", 206, "bytes 5-6/1024", BODY[5:7]),
    ("bytes=0-1023", 206, "bytes 0-1023/1024", BODY),
    ("bytes=1024-", 416, "bytes */1024", None),
    ("bytes=9999-10000", 416, "bytes */1024", None),
    ("bytes=-0", 416, "bytes */1024", None),
    ("bytes=9-5", 200, None, BODY),
    ("bytes=", 200, None, BODY),
    ("bytes=-", 200, None, BODY),
    ("bytes=a-b", 200, None, BODY),
    ("bytes=0-1,5-6", 200, None, BODY),
    ("lines=0-1", 200, None, BODY),
    ("bytes=0x1-5", 200, None, BODY),
    ("bytes=+1-5", 200, None, BODY),
    ("bytes=" + "9" * 30 + "-", 200, None, BODY),
]


@pytest.mark.parametrize(("asked", "status", "told", "body"), RANGES)
def test_ranges(web, visit, asked, status, told, body):
    got = visit(web).get("/file.bin", f"Range: {asked}")
    assert (got[0], got[1].get("content-range")) == (status, told)
    assert body is None or got[2] == body


def test_a_range_of_an_empty_file_and_one_at_head(web, visit):
    assert visit(web).get("/nothing", "Range: bytes=0-")[0] == 416
    assert visit(web).get("/file.bin", "Range: bytes=0-1", method="HEAD")[0] == 200


def test_conditions(web, visit):
    _, fields, _ = visit(web).get("/file.bin")
    etag, modified = fields["etag"], fields["last-modified"]
    assert modified == formatdate(1_700_000_000, usegmt=True)
    older, newer = formatdate(1_600_000_000, usegmt=True), formatdate(1_800_000_000, usegmt=True)
    for rows, status in [
        ([f"If-None-Match: {etag}"], 304),
        ([f"If-None-Match: W/{etag}"], 304),
        ([f'If-None-Match: "x", {etag}'], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "x"'], 200),
        ([f"If-Modified-Since: {modified}"], 304),
        ([f"If-Modified-Since: {newer}"], 304),
        ([f"If-Modified-Since: {older}"], 200),
        (["If-Modified-Since: yesterday"], 200),
        ([f"If-Modified-Since: {modified}", 'If-None-Match: "x"'], 200),
        ([f"If-Modified-Since: {older}", f"If-None-Match: {etag}"], 304),
        (["Range: bytes=0-1", f"If-Range: {etag}"], 206),
        (["Range: bytes=0-1", f"If-Range: {modified}"], 206),
        (["Range: bytes=0-1", 'If-Range: "x"'], 200),
        (["Range: bytes=0-1", f"If-Range: {older}"], 200),
    ]:
        got = visit(web).get("/file.bin", *rows)
        assert got[0] == status, rows
        assert got[1]["etag"] == etag


def test_a_changed_file_has_another_tag(web, root, visit):
    before = visit(web).get("/a.txt")[1]["etag"]
    (root / "a.txt").write_text("tex2")
    os.utime(root / "a.txt", (1, 1))
    assert visit(web).get("/a.txt")[1]["etag"] != before


# -- size, change, absence ---


def test_a_large_file_passes_in_flat_memory(web, root, visit):
    size = 100 << 20
    with (root / "large").open("wb") as file:
        file.truncate(size)
    visitor = visit(web)
    visitor.get("/a.txt")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    visitor.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    visitor.until(b"\r\n\r\n")
    received = len(visitor.data.partition(b"\r\n\r\n")[2])
    while received < size:
        received += len(visitor.near.recv(1 << 18, 10))
    assert received == size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10  # KiB


def test_a_file_that_shrinks_while_it_is_sent_breaks_the_connection(web, root, visit):
    with (root / "large").open("wb") as file:
        file.truncate(8 << 20)
    visitor = visit(web)
    visitor.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    visitor.until(b"\r\n\r\n")
    os.truncate(root / "large", 0)
    assert len(visitor.ended()) < 8 << 20


def test_a_visitor_who_leaves_midway_costs_nothing(web, root, visit, descriptors, patient):
    with (root / "large").open("wb") as file:
        file.truncate(8 << 20)
    before = descriptors()
    for _ in range(10):
        visitor = visit(web)
        visitor.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        visitor.until(b"\r\n\r\n")
        visitor.close()
    patient(lambda: descriptors() <= before)


def test_a_folder_that_is_not_there_is_told_and_works_when_it_comes(small_ctx, tmp_path, visit):
    web = make(small_ctx, tmp_path / "later")
    assert "there is no folder" in web.probe()
    assert visit(web).get("/")[0] == 404
    (tmp_path / "later").mkdir()
    assert web.probe() == ""
    assert visit(web).get("/")[0] == 200


def test_drain_ends_an_idle_connection(web, visit):
    visitor = visit(web)
    assert visitor.get("/a.txt")[0] == 200
    web.drain(1.0)
    assert visitor.ended() == b""


FLIPPER = """
import os, sys
os.chdir(sys.argv[1])
print("flipping", flush=True)
while True:
    os.rename("flip", "away")
    os.symlink("..", "flip")
    os.unlink("flip")
    os.rename("away", "flip")
"""


def test_folders_that_change_meanwhile_never_show_the_secret(root):
    """A name that flips between a folder and a link that leads out, while we walk: until both were met, and often."""
    (root / "flip").mkdir()
    (root / "flip/secret").write_text("mine")
    flipper = subprocess.Popen([sys.executable, "-c", FLIPPER, str(root)], stdout=subprocess.PIPE)
    assert flipper.stdout.readline()
    seen, until = Counter(), time.monotonic() + 30
    try:
        while (seen.total() < 2000 or len(seen) < 2) and time.monotonic() < until:
            try:
                found = find(root, [b"flip", b"secret"], hidden=False)
            except (Missing, Forbidden):
                seen[None] += 1
                continue
            descriptor = found.reopen()
            seen[os.pread(descriptor, 100, 0)] += 1
            os.close(descriptor)
            found.close()
    finally:
        flipper.kill()
        flipper.wait()
        flipper.stdout.close()
    assert set(seen) == {b"mine", None}


@pytest.mark.parametrize(
    "bad", [{}, {"target": ""}, {"target": 1}, {"target": "/x", "index": "a"}, {"target": "/x", "hidden": 1}]
)
def test_settings_are_strict(bad):
    with pytest.raises(ValidationError):
        WebSettings(**bad)
