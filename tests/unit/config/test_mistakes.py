"""Mistakes, each with the place and the sentence that an operator reads."""

# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zrokd.errors import Problem

# title: (text, what is said about it); DIR is the folder of the file
MISTAKES = {
    "an unknown key at the top": (
        """\
version: 1
rolse: {controller: }
roles: {controller: }
""",
        [
            "2:1: rolse: unknown key 'rolse'; did you mean 'roles'?",
        ],
    ),
    "an unknown key in a section": (
        """\
version: 1
log: {levle: info}
roles: {controller: }
""",
        [
            "2:7: log.levle: unknown key 'levle'; did you mean 'level'?",
        ],
    ),
    "an unknown key that looks like nothing": (
        """\
version: 1
colour: red
roles: {controller: }
""",
        [
            "2:1: colour: unknown key 'colour'",
        ],
    ),
    "a doubled key": (
        """\
version: 1
drain: 1s
roles: {controller: }
drain: 2s
""",
        [
            "4:1: drain: the key stands twice; the first is in line 2",
        ],
    ),
    "a doubled role": (
        """\
version: 1
roles:
  controller: {}
  controller: {}
""",
        [
            "4:3: roles.controller: the key stands twice; the first is in line 3",
        ],
    ),
    "no version": (
        """\
roles: {controller: }
""",
        [
            "1:1: version: the key 'version' is missing",
        ],
    ),
    "another version": (
        """\
version: 2
roles: {controller: }
""",
        [
            "1:10: version: 2 is not 1",
        ],
    ),
    "a quoted version": (
        """\
version: "1"
roles: {controller: }
""",
        [
            "1:10: version: '1' is not 1",
        ],
    ),
    "no roles": (
        """\
version: 1
""",
        [
            "1:1: roles: the key 'roles' is missing",
        ],
    ),
    "empty roles": (
        """\
version: 1
roles: {}
""",
        [
            "2:8: roles: nothing is in it; at least 1 is needed",
        ],
    ),
    "a role nobody provides": (
        """\
version: 1
roles: {fronted: {}}
""",
        [
            "2:9: roles.fronted: no role plugin is named 'fronted'; did you mean 'frontend'?",
        ],
    ),
    "an unknown role under its own name": (
        """\
version: 1
roles: {public: {use: fronted}}
""",
        [
            "2:23: roles.public.use: no role plugin is named 'fronted'; did you mean 'frontend'?",
        ],
    ),
    "use is no text": (
        """\
version: 1
roles: {public: {use: 5}}
""",
        [
            "2:23: roles.public.use: 5 is not a text; put it in quotes",
        ],
    ),
    "a wrong choice": (
        """\
version: 1
log: {level: inof}
roles: {controller: }
""",
        [
            "2:14: log.level: 'inof' is not one of 'debug', 'info', 'warning' or 'error'; did you mean 'info'?",
        ],
    ),
    "no duration": (
        """\
version: 1
drain: soon
roles: {controller: }
""",
        [
            "2:8: drain: 'soon' is not a duration; write it like 250ms, 30s, 5m or 1h30m",
        ],
    ),
    "a duration below zero": (
        """\
version: 1
drain: -1
roles: {controller: }
""",
        [
            "2:8: drain: a duration cannot be negative or endless",
        ],
    ),
    "a list for a duration": (
        """\
version: 1
drain: [30s]
roles: {controller: }
""",
        [
            "2:8: drain: write a duration like 250ms, 30s, 5m or 1h30m",
        ],
    ),
    "a map where a list belongs": (
        """\
version: 1
auth: {use: token}
roles: {controller: }
""",
        [
            "2:7: auth: a map of keys is not a list",
        ],
    ),
    "an authenticator without use": (
        """\
version: 1
auth:
  - secrets: [a]
roles: {controller: }
""",
        [
            "3:5: auth[0].use: the key 'use' is missing",
        ],
    ),
    "an authenticator nobody provides": (
        """\
version: 1
auth: [tokne]
roles: {controller: }
""",
        [
            "2:8: auth[0]: no auth plugin is named 'tokne'; did you mean 'token'?",
        ],
    ),
    "an empty list of secrets": (
        """\
version: 1
auth: [{use: secret, secrets: []}]
roles: {controller: }
""",
        [
            "2:31: auth[0].secrets: nothing is in it; at least 1 is needed",
        ],
    ),
    "a number for a secret": (
        """\
version: 1
auth: [{use: secret, secrets: [12345]}]
roles: {controller: }
""",
        [
            "2:32: auth[0].secrets[0]: write a text, or better a reference: !file PATH, !cred NAME, !env NAME, !secret NAME",
        ],
    ),
    "a missing key of a component": (
        """\
version: 1
auth:
  - use: secret
roles: {controller: }
""",
        [
            "3:5: auth[0].secrets: the key 'secrets' is missing",
        ],
    ),
    "no address": (
        """\
version: 1
roles:
  frontend: {listen: localhost, controller: http://x}
""",
        [
            "3:22: roles.frontend.listen: 'localhost' is not an address; write it like 127.0.0.1:8080, [::1]:8080 or unix:/run/x.sock",
        ],
    ),
    "a port too high": (
        """\
version: 1
roles:
  frontend: {listen: "127.0.0.1:99999", controller: http://x}
""",
        [
            "3:22: roles.frontend.listen: '127.0.0.1:99999' is not an address; write it like 127.0.0.1:8080, [::1]:8080 or unix:/run/x.sock",
        ],
    ),
    "a relative socket": (
        """\
version: 1
roles:
  frontend: {listen: "unix:run/x.sock", controller: http://x}
""",
        [
            "3:22: roles.frontend.listen: 'unix:run/x.sock': the path of a UNIX socket starts with /",
        ],
    ),
    "a bare IPv6 address": (
        """\
version: 1
roles:
  frontend: {listen: "::1:80", controller: http://x}
""",
        [
            "3:22: roles.frontend.listen: '::1:80': write an IPv6 address in brackets, like [::1]:8080",
        ],
    ),
    "a truth for an address": (
        """\
version: 1
roles:
  frontend: {listen: yes, controller: http://x}
""",
        [
            "3:22: roles.frontend.listen: write an address like 127.0.0.1:8080 or unix:/run/x.sock",
        ],
    ),
    "a text for a number": (
        """\
version: 1
roles:
  frontend: {workers: two}
""",
        [
            "3:23: roles.frontend.workers: 'two' is not a whole number",
        ],
    ),
    "a fraction for a whole number": (
        """\
version: 1
roles:
  frontend: {workers: 1.5}
""",
        [
            "3:23: roles.frontend.workers: 1.5 is not a whole number",
        ],
    ),
    "a number out of bounds": (
        """\
version: 1
roles:
  frontend:
    limits: {fields: 0, ratio: 1.0, step: 7}
""",
        [
            "4:22: roles.frontend.limits.fields: 0 is too small: write more than 0",
            "4:32: roles.frontend.limits.ratio: 1.0 is too large: write less than 1.0",
            "4:43: roles.frontend.limits.step: 7 is no multiple of 5",
        ],
    ),
    "a number too large": (
        """\
version: 1
roles:
  frontend:
    limits:
      fields: 2000
""",
        [
            "5:15: roles.frontend.limits.fields: 2000 is too large: write at most 1000",
        ],
    ),
    "no size": (
        """\
version: 1
roles:
  frontend: {limits: {body: 10 potatoes}}
""",
        [
            "3:29: roles.frontend.limits.body: '10 potatoes' is not a size; write it like 64KiB, 10MiB or 1GB",
        ],
    ),
    "a text for a truth": (
        """\
version: 1
roles:
  frontend: {strict: maybe}
""",
        [
            "3:22: roles.frontend.strict: 'maybe' is not true or false",
        ],
    ),
    "a truth for a text": (
        """\
version: 1
roles:
  backend: {description: no}
""",
        [
            "3:26: roles.backend.description: false is not a text; put it in quotes",
        ],
    ),
    "a number for a text in a map": (
        """\
version: 1
roles:
  frontend: {labels: {room: 12}}
""",
        [
            "3:29: roles.frontend.labels.room: 12 is not a text; put it in quotes",
        ],
    ),
    "a list for a number or word": (
        """\
version: 1
roles:
  frontend: {key: [1]}
""",
        [
            "3:19: roles.frontend.key: a list is not a whole number or a text",
        ],
    ),
    "a pattern not met": (
        """\
version: 1
roles:
  frontend: {controller: ftp://x}
""",
        [
            "3:26: roles.frontend.controller: 'ftp://x' does not match the pattern ^(https?://.+)?$",
        ],
    ),
    "too short and too long": (
        """\
version: 1
roles:
  frontend:
    accesses:
      - {share: ab, listen: 1}
      - {share: abcdefghijklm, listen: 2}
""",
        [
            "5:17: roles.frontend.accesses[0].share: 'ab' is too short: at least 3 characters",
            "6:17: roles.frontend.accesses[1].share: 'abcdefghijklm' is too long: at most 12 characters",
        ],
    ),
    "too many": (
        """\
version: 1
roles:
  frontend:
    accesses: [{share: abc, listen: 1}, {share: abd, listen: 2}, {share: abe, listen: 3}, {share: abf, listen: 4}]
""",
        [
            "4:15: roles.frontend.accesses: a list with too much in it; at most 3 may stand here",
        ],
    ),
    "keys that need each other": (
        """\
version: 1
roles:
  frontend:
    listen: 8080
""",
        [
            "4:5: roles.frontend: `listen` needs the `controller`",
        ],
    ),
    "a nested component nobody provides": (
        """\
version: 1
roles:
  frontend:
    gates: {staff: {use: basci}}
""",
        [
            "4:26: roles.frontend.gates.staff.use: no gate plugin is named 'basci'; did you mean 'basic'?",
        ],
    ),
    "a gate named after nothing": (
        """\
version: 1
roles:
  frontend:
    gates: {staff: }
""",
        [
            "4:13: roles.frontend.gates.staff: no gate plugin is named 'staff'",
        ],
    ),
    "an unknown key of a nested component": (
        """\
version: 1
roles:
  frontend:
    gates:
      staff: {use: basic, user: []}
""",
        [
            "5:27: roles.frontend.gates.staff.user: unknown key 'user'; did you mean 'users'?",
        ],
    ),
    "a mistake three components deep": (
        """\
version: 1
roles:
  frontend:
    gates:
      staff: {use: basic, then: {use: basic, users: [{username: bob, hash: x}]}}
""",
        [
            "5:65: roles.frontend.gates.staff.then.users[0].username: nobody is called bob",
        ],
    ),
    "a filter nobody provides": (
        """\
version: 1
roles:
  frontend: {filters: [forwarded, forward]}
""",
        [
            "3:35: roles.frontend.filters[1]: no filter plugin is named 'forward'; did you mean 'forwarded'?",
        ],
    ),
    "a blank that is missing": (
        """\
version: 1
roles: {frontend: {controller:http://a}}
""",
        [
            "2:20: roles.frontend.controller:...: unknown key 'controller:...'; put a blank behind the colon",
        ],
    ),
    "a misspelt key of a share's mode": (
        """\
version: 1
roles:
  backend:
    shares:
      - {mode: web, traget: /srv}
""",
        [
            "5:21: roles.backend.shares[0].traget: unknown key 'traget'; did you mean 'target'?",
        ],
    ),
    "a misspelt key of a share": (
        """\
version: 1
roles:
  backend:
    shares:
      - {target: 3000, privat: yes}
""",
        [
            "5:24: roles.backend.shares[0].privat: unknown key 'privat'; did you mean 'private'?",
        ],
    ),
    "a mode nobody provides": (
        """\
version: 1
roles:
  backend:
    shares:
      - {mode: wbe, target: /srv}
""",
        [
            "5:16: roles.backend.shares[0].mode: no mode plugin is named 'wbe'; did you mean 'web'?",
        ],
    ),
    "a key in a mode and beside it": (
        """\
version: 1
roles:
  backend:
    shares:
      - mode: {use: web, target: /srv}
        target: /home
""",
        [
            "6:9: roles.backend.shares[0].target: the key stands both in `mode` and beside it",
        ],
    ),
    "a share that is no map": (
        """\
version: 1
roles:
  backend:
    shares: [/srv]
""",
        [
            "4:14: roles.backend.shares[0]: '/srv' is not a map of keys",
        ],
    ),
    "nothing where keys belong": (
        """\
version: 1
log:
roles: {controller: }
""",
        [
            "2:5: log: nothing stands here; write keys below it, or take it away",
        ],
    ),
    "a variable that is not set": (
        """\
version: 1
state_dir: ${NOWHERE}/x
roles: {controller: }
""",
        [
            "2:12: state_dir: the environment variable NOWHERE is empty or not set; ${NOWHERE:-...} has a default",
        ],
    ),
    "an env reference to nothing": (
        """\
version: 1
roles: {backend: {token: !env NOWHERE}}
""",
        [
            "2:26: roles.backend.token: the environment variable NOWHERE is empty or not set; !env NOWHERE:-... has a default",
        ],
    ),
    "an env reference to an empty variable": (
        """\
version: 1
roles: {backend: {token: !env EMPTY}}
""",
        [
            "2:26: roles.backend.token: the environment variable EMPTY is empty or not set; !env EMPTY:-... has a default",
        ],
    ),
    "a file that is not there": (
        """\
version: 1
roles: {backend: {token: !file nowhere}}
""",
        [
            "2:26: roles.backend.token: cannot read DIR/nowhere: no such file or directory",
        ],
    ),
    "a credential without systemd": (
        """\
version: 1
roles: {backend: {token: !cred account}}
""",
        [
            "2:26: roles.backend.token: !cred account: CREDENTIALS_DIRECTORY is not set; use LoadCredential= in the unit, or !file",
        ],
    ),
    "a secret with a path in its name": (
        """\
version: 1
roles: {backend: {token: !secret ../x}}
""",
        [
            "2:26: roles.backend.token: !secret ../x: a name has letters, digits, _, . and - only, and at most 64 of them",
        ],
    ),
    "a reference without a name": (
        """\
version: 1
roles: {backend: {token: !env }}
""",
        [
            "2:26: roles.backend.token: !env takes one word or path",
        ],
    ),
    "a reference to a list": (
        """\
version: 1
roles: {backend: {token: !env [A, B]}}
""",
        [
            "2:26: roles.backend.token: !env takes one word or path",
        ],
    ),
    "a referenced value that does not fit": (
        """\
version: 1
roles: {frontend: {workers: !env WORD, listen: !env WORD, controller: "${WORD}/x"}}
""",
        [
            "2:29: roles.frontend.workers: the value of !env WORD is not a whole number",
            "2:48: roles.frontend.listen: the value of !env WORD is not an address; write it like 127.0.0.1:8080, [::1]:8080 or unix:/run/x.sock",
            "2:71: roles.frontend.controller: the value of ${WORD}/x does not match the pattern ^(https?://.+)?$",
        ],
    ),
    "an unknown tag": (
        """\
version: 1
roles: {backend: {token: !vault account}}
""",
        [
            "2:26: roles.backend.token: the tag '!vault' is not known here; references are !env, !file, !cred, !secret",
        ],
    ),
    "a tag of Python's": (
        """\
version: 1
roles: {backend: {token: !!python/object:os.system x}}
""",
        [
            "2:26: roles.backend.token: the tag '!!python/object:os.system' is not known here; references are !env, !file, !cred, !secret",
        ],
    ),
    "a merge key": (
        """\
version: 1
roles: {backend: {<<: {a: b}}}
""",
        [
            "2:19: roles.backend: `<<` is not known here; write the keys out",
        ],
    ),
    "a list for a key": (
        """\
version: 1
roles: {[a, b]: {}}
""",
        [
            "2:8: roles: nothing is in it; at least 1 is needed",
            "2:9: roles: a key must be a word",
        ],
    ),
    "a number that is none": (
        """\
version: 1
drain: !!int ten
roles: {controller: }
""",
        [
            "2:8: drain: this cannot be read as the number it seems to be",
        ],
    ),
    "a second colon": (
        """\
version: 1
roles: frontend: x
""",
        [
            "2:16: a second `:` in this line, or wrong indentation; put a value that holds `: ` in quotes",
        ],
    ),
    "an open bracket": (
        """\
version: 1
roles: [controller
""",
        [
            "3:1: a `[` is not closed, or a comma is missing; it opens at 2:8",
        ],
    ),
    "an open quote": (
        """\
version: 1
drain: "30s
roles: {controller: }
""",
        [
            "4:1: a quote is never closed; it opens at 2:8",
        ],
    ),
    "an unknown alias": (
        """\
version: 1
drain: *thirty
roles: {controller: }
""",
        [
            "2:8: this alias stands for nothing; put a value that begins with `*` in quotes",
        ],
    ),
    "an at sign": (
        """\
version: 1
drain: @30s
roles: {controller: }
""",
        [
            "2:8: a value cannot begin with '@'; put it in quotes",
        ],
    ),
    "a tab": (
        """\
version: 1
roles:
\tcontroller: {}
""",
        [
            "3:1: a tab stands here; YAML wants blanks for indenting",
        ],
    ),
    "a second document": (
        """\
version: 1
---
roles: {controller: }
""",
        [
            "2:1: a second document begins here; take the `---` away",
        ],
    ),
    "wrong indentation": (
        """\
version: 1
roles:
    controller: {}
  frontend: {}
""",
        [
            "4:3: wrong indentation, or a quote or bracket before this is not closed",
        ],
    ),
    "a list at the top": (
        """\
- version: 1
""",
        [
            "the file must hold keys and values, like `version: 1`",
        ],
    ),
    "one word": (
        """\
zrokd
""",
        [
            "the file must hold keys and values, like `version: 1`",
        ],
    ),
    "only a comment": (
        """\
# nothing here
""",
        [
            "the file is empty; begin with `version: 1` and `roles:`",
        ],
    ),
    "several at once, in the order of the file": (
        """\
version: 1
drain: soon
log: {level: loud}
roles:
  frontend: {workers: two, wrokers: 3}
  backend: {shares: [{mode: web}]}
extra: 1
""",
        [
            "2:8: drain: 'soon' is not a duration; write it like 250ms, 30s, 5m or 1h30m",
            "3:14: log.level: 'loud' is not one of 'debug', 'info', 'warning' or 'error'",
            "5:23: roles.frontend.workers: 'two' is not a whole number",
            "5:28: roles.frontend.wrokers: unknown key 'wrokers'; did you mean 'workers'?",
            "6:22: roles.backend.shares[0].target: the key 'target' is missing",
            "7:1: extra: unknown key 'extra'",
        ],
    ),
}


@pytest.mark.parametrize("title", MISTAKES)
def test_each_mistake_is_told_at_its_place_in_an_operators_words(
    title: str, mistakes: Callable[..., tuple[Problem, ...]], tmp_path: Path
) -> None:
    text, expected = MISTAKES[title]
    environ = {"HOME": "/nonexistent", "WORD": "s3cret-word", "EMPTY": ""}
    found = mistakes(text, environ=environ)
    assert [_one_line(problem).replace(str(tmp_path), "DIR") for problem in found] == expected
    assert {problem.file for problem in found} == {str(tmp_path / "zrokd.yml")}


@pytest.mark.parametrize("title", MISTAKES)
def test_each_place_is_shown_with_the_line_as_it_was_written(
    title: str, mistakes: Callable[..., tuple[Problem, ...]]
) -> None:
    text, _ = MISTAKES[title]
    lines = [*text.split("\n"), ""]
    for problem in mistakes(text, environ={"WORD": "s3cret-word"}):
        line = lines[problem.line - 1] if problem.line else ""
        assert len(problem.source) == len(line)
        assert all(shown in (written, "*") for shown, written in zip(problem.source, line, strict=True))
        assert "s3cret" not in problem.message + problem.source + problem.hint


def _one_line(problem: Problem) -> str:
    place = f"{problem.line}:{problem.column}: " if problem.line else ""
    path = f"{problem.path}: " if problem.path else ""
    return f"{place}{path}{problem.message}" + (f"; {problem.hint}" if problem.hint else "")
