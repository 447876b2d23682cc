"""The same mistake has the same exit code with every command: 2 what the command line shows, 1 what else goes wrong."""

import click
import pytest

from zrokd.cli.main import program

FAILED, MISUSED = 1, 2
AWAY = "http://127.0.0.1:9"
#: Every command, with what it needs at least; FILE is a configuration.
_TEXT = """
enable tok1
disable
status
overview
share public 3000
share private 3000
access private tok1
agent enroll
agent unenroll
agent start
agent status
create name abc
modify name abc --reserved
delete name abc
delete share tok1
delete access tok1
delete environment e1
list names
list namespaces
list shares
list accesses
list environments
login ann@example.com --password-file SECRET
token create abc
token list
token revoke abc
run FILE
check FILE
plugins
completion bash
version
db status FILE
db upgrade FILE
db downgrade FILE 1 --yes
db backup FILE /nowhere/at/all
db restore FILE FILE --yes
admin audit
admin bootstrap FILE
admin unbootstrap FILE --yes
admin import-zrok FILE --config FILE
admin reconcile
admin create account ann@example.com
admin create namespace share.example.com
admin create limit-class small
admin create applied-limit-classes ann@example.com 1
admin create skip-interstitial-grant ann@example.com
admin delete account ann@example.com
admin delete namespace public
admin delete limit-class 1
admin delete applied-limit-classes ann@example.com 1
admin delete skip-interstitial-grant ann@example.com
admin list accounts
admin list namespaces
admin list frontends
admin list limit-classes
admin list applied-limit-classes ann@example.com
admin list skip-interstitial-grant ann@example.com
admin grant public ann@example.com
admin revoke public ann@example.com
admin regenerate token ann@example.com
"""
LINES = _TEXT.strip().splitlines()
CONFIGURED = [line for line in LINES if "FILE" in line]
_PERSONAL = ("disable", "overview", "share", "access", "agent", "create", "modify", "delete", "list", "token")
OF_ENVIRONMENT = [line for line in LINES if line.startswith(_PERSONAL)]
OF_CONTROLLER = [
    line for line in LINES if line.split()[0] in ("enable", "login", "admin") and line not in CONFIGURED
]  # and the others by an environment
READ = ("--token-file", "--password-file", "--secret-file", "--basic-auth-file", "--ca")


def leaves(command, path=(), above=None):
    """Every command that does something, as it is typed."""
    context = click.Context(command, info_name=path[-1] if path else "zrokd", parent=above)
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    for name in command.list_commands(context):
        yield from leaves(command.get_command(context, name), (*path, name), context)


VERBS = dict(leaves(program))


def verb_of(line):
    return max((verb for verb in VERBS if f"{line} ".startswith(f"{verb} ")), key=len)


def with_option(option):
    """Lines of commands that have it and heed it."""
    return [
        line
        for line in LINES
        if any(option in one.opts for one in VERBS[verb_of(line)].params)
        and not (line.startswith("admin ") and line in CONFIGURED)
    ]


@pytest.fixture
def say(shell, tmp_path, monkeypatch):
    """say(line, code, *more): standard error of a command line that prints nothing else."""
    monkeypatch.setenv("ZROKD_CONTROLLER", AWAY)
    monkeypatch.setenv("ZROKD_ADMIN_TOKEN", "an-administrators-secret")
    file, secret = tmp_path / "zrokd.yml", tmp_path / "secret"
    file.write_text("version: 1\nrolse: {}\n")
    secret.write_text("something\n")
    known = {"FILE": str(file), "SECRET": str(secret)}

    def run(line, code, *more):
        out, err = shell(*(known.get(word, word) for word in [*line.split(), *more]), code=code)
        assert "Traceback" not in err
        assert out == ""
        return err

    return run


def test_every_command_is_in_the_table():
    assert {verb_of(line) for line in LINES} == set(VERBS)
    assert len(LINES) == len(VERBS)


def test_an_unknown_option(say):
    for line in LINES:
        [sentence, where] = say(line, MISUSED, "--no-such-option").splitlines()
        assert sentence.startswith("zrokd: No such option")
        assert where == f"help: zrokd {verb_of(line)} --help"


def test_what_is_left_out(say):
    for verb, command in VERBS.items():
        if any(one.required for one in command.params):
            assert say(verb, MISUSED).startswith("zrokd: Missing "), verb


def asking(line, option):
    """What else it needs, to read that file."""
    if line.startswith("enable"):
        return "enable" if option == "--token-file" else "enable --token-file SECRET"
    return f"{line} --token-file SECRET" if line.startswith("token ") and option == "--ca" else line


@pytest.mark.parametrize("option", READ)
@pytest.mark.parametrize("named", ["/nowhere/at/all", "/"])
def test_a_file_that_cannot_be_read(say, option, named):
    lines = [asking(line, option) for line in with_option(option)]
    assert lines
    for line in lines:
        assert f"{named} cannot be read: " in say(line, MISUSED, option, named), line


@pytest.mark.parametrize("option", ["--token-file", "--password-file", "--secret-file"])
def test_a_file_with_nothing_in_it(say, option):
    for line in with_option(option):
        assert "is empty" in say(asking(line, option), MISUSED, option, "/dev/null"), line


def test_a_configuration_that_is_not_there(say):
    for line in CONFIGURED:
        assert "/nowhere.yml" in say(line.replace("FILE", "/nowhere.yml"), MISUSED), line


def test_a_configuration_with_a_mistake(say):
    for line in CONFIGURED:
        if "import-zrok" not in line:  # it reads the database of zrok before
            assert "zrokd.yml:2:1: rolse: unknown key" in say(line, MISUSED), line


def test_a_name_that_can_be_none(say):
    for line in LINES:
        if " name abc" in line:
            assert "'No_Name' is not a valid name" in say(line.replace("abc", "No_Name"), MISUSED), line


def test_an_address_of_no_controller(say, monkeypatch):
    monkeypatch.setenv("ZROKD_CONTROLLER", "nonsense")
    for line in OF_CONTROLLER:
        assert "'nonsense' is not the URL of a controller" in say(line, MISUSED), line


def test_a_machine_that_is_not_enabled(say):
    for line in OF_ENVIRONMENT:
        assert "run: zrokd enable" in say(line, FAILED), line


def test_a_controller_that_is_away(say):
    for line in OF_CONTROLLER:
        assert f"the controller at {AWAY} does not answer" in say(line, FAILED), line
