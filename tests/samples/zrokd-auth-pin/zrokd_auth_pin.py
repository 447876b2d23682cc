"""An administrator's PIN, which works from this machine only."""

import hmac

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import Authenticator, Directory, SecretSetting, Settings
from zrokd.model.account import Credentials, Principal


class PinSettings(Settings):
    pin: SecretSetting = Field(description="The PIN.")


class PinAuthenticator(Authenticator):
    name = "pin"
    Settings = PinSettings

    def authenticate(self, credentials: Credentials, directory: Directory) -> Principal | None:
        same = hmac.compare_digest(credentials.token.encode(), self.settings.pin.reveal().encode())
        return Principal(admin=True, method=self.name) if same and credentials.peer.startswith("127.") else None


@hookimpl
def zrokd_provide_auths() -> list[type[Authenticator]]:
    return [PinAuthenticator]
