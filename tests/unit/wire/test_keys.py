import pytest

from zrokd.wire.keys import camel


@pytest.mark.parametrize(
    ("ours", "zroks"),
    [
        ("env_z_id", "envZId"),
        ("share_token", "shareToken"),
        ("bind_address", "bindAddress"),
        ("open_set", "openSet"),
        ("identity", "identity"),
    ],
)
def test_our_names_of_fields_become_zroks(ours, zroks):
    assert camel(ours) == zroks
