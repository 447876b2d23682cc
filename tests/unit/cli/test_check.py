import json

GOOD = """\
version: 1
state_dir: s
roles:
  controller:
    listen: 127.0.0.1:0
    frontends: {a: {token: !secret front}}
"""


def test_a_good_file_is_said_to_be_fine_and_makes_no_secret(shell, tmp_path):
    (tmp_path / "z.yml").write_text(GOOD)
    out, err = shell("check", tmp_path / "z.yml")
    assert (out, err) == (f"{tmp_path / 'z.yml'}: fine; roles: controller\n", "")
    assert not (tmp_path / "s").exists()


def test_every_mistake_is_named_with_its_place(shell, tmp_path):
    (tmp_path / "z.yml").write_text("version: 1\nlogg: {}\nroles:\n  controler: {}\n")
    out, err = shell("check", tmp_path / "z.yml", code=2)
    assert out == ""
    assert f"{tmp_path / 'z.yml'}:2:1" in err
    assert f"{tmp_path / 'z.yml'}:4:" in err
    assert "did you mean" in err


def test_effective_shows_what_is_in_force_and_hides_secrets(shell, tmp_path):
    (tmp_path / "z.yml").write_text(GOOD.replace("!secret front", "front-token-123"))
    out, _ = shell("check", "--effective", "--set", "drain=7s", tmp_path / "z.yml")
    assert "front-token-123" not in out
    assert "***" in out
    assert "7" in out.partition("drain")[2][:10]


def test_the_schema_is_one_for_editors(shell):
    schema = json.loads(shell("check", "--schema")[0])
    assert {"roles", "state_dir", "version"} <= schema["properties"].keys()


def test_no_file_and_a_missing_one_are_mistakes_of_usage(shell, tmp_path):
    assert "FILE" in shell("check", code=2)[1]
    assert "nothing.yml" in shell("check", tmp_path / "nothing.yml", code=2)[1]
    (tmp_path / "z.yml").write_text(GOOD)
    assert "KEY=VALUE" in shell("check", tmp_path / "z.yml", "--set", "drain", code=2)[1]


def test_plugins_are_listed_with_hooks_and_what_a_file_uses(shell, tmp_path):
    (tmp_path / "z.yml").write_text(GOOD)
    rows = {(row["slot"], row["name"]): row for row in shell.lines("plugins", tmp_path / "z.yml")}
    assert rows["role", "controller"]["state"] == "enabled"
    assert rows["storage", "sqlite"]["state"] == "enabled"
    assert rows["role", "frontend"]["state"] == "not used"
    assert rows["command", "db"]["state"] == "enabled"
    assert rows["role", "controller"]["distribution"] == "zrokd"
    assert "zrokd_on_exchange" in rows["observer", "access_log"]["hooks"]
    out, _ = shell("plugins")
    assert max(map(len, out.splitlines())) <= 100
    assert next(line.strip() for line in out.splitlines() if line.startswith(" ")).startswith("zrokd_")
    assert out.splitlines()[0].split() == ["SLOT", "NAME", "DISTRIBUTION", "VERSION", "STATE", "HOOKS"]
    assert "installed" in out
