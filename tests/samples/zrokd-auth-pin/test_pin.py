from zrokd_auth_pin import PinAuthenticator

from zrokd.model.account import Credentials
from zrokd.model.units import Secret
from zrokd.testing.contracts import AuthenticatorContract


class TestPinAuthenticator(AuthenticatorContract):
    Component = PinAuthenticator
    settings = {"pin": Secret("271828")}  # noqa: RUF012
    good = Credentials(token="271828", peer="127.0.0.1")
