"""A real OpenLDAP server in a scratch folder, at two ports of loopback, under a user without rights if we are root."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.certificates import issue

SUFFIX = "dc=example,dc=com"
PEOPLE = f"ou=people,{SUFFIX}"
ADMINS = f"cn=zrokd-admins,ou=groups,{SUFFIX}"
SERVICE, SERVICE_PASSWORD = f"cn=zrokd,{SUFFIX}", "service's-own-password"
_NOBODY = 65534
_READY_S = 20.0
_CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCertificateFile {folder}/own.crt
TLSCertificateKeyFile {folder}/own.key
{further}
database mdb
suffix "{suffix}"
directory {folder}/data
rootdn "cn=root,{suffix}"
rootpw root
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by users none by anonymous {anonymous}
"""
_TOP = f"""
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{SUFFIX}
objectClass: organizationalUnit
ou: groups

dn: {SERVICE}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: zrokd
userPassword: {SERVICE_PASSWORD}

dn: {ADMINS}
objectClass: groupOfNames
cn: zrokd-admins
member: uid=root,{PEOPLE}

dn: ou=elsewhere,{PEOPLE}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:9/ou=people,dc=elsewhere
"""


class NoSlapd(Exception):
    """There is no server's program on this machine; the text says what to install."""


def person(uid: str, *mails: str, password: str = "") -> str:
    """One of the people, as LDIF."""
    rows = [f"dn: uid={uid},{PEOPLE}", "objectClass: inetOrgPerson", f"uid: {uid}", f"cn: {uid}", f"sn: {uid}"]
    rows += [f"mail: {mail}" for mail in mails] + ([f"userPassword: {password}"] if password else [])
    return "\n".join(rows)


class Slapd:
    """One server. `start` and `stop` may be repeated; `pause` lets it live and not answer."""

    def __init__(self, *people: str, further: str = "", anonymous: str = "none", names: tuple[str, ...] = ()) -> None:
        """`names`: of its certificate; left out: localhost and 127.0.0.1."""
        self.program = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))
        if self.program is None:
            raise NoSlapd("there is no OpenLDAP server here; apt-get install slapd ldap-utils")
        self.folder = Path(tempfile.mkdtemp(prefix="zrokd-slapd-"))
        (self.folder / "data").mkdir()
        chain, key = issue(*(names or ("localhost", "127.0.0.1"))).write(self.folder)
        self.ca = str(chain)
        config = _CONFIG.format(
            folder=self.folder, suffix=SUFFIX, service=SERVICE, anonymous=anonymous, further=further
        )
        (self.folder / "slapd.conf").write_text(config)
        for path in (self.folder, self.folder / "data", key):
            if os.getuid() == 0:
                os.chown(path, _NOBODY, _NOBODY)
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self.tls_port = _free_port(), _free_port()
        self._run("slapadd", "-q", text="\n\n".join([_TOP.strip(), *people]))

    @property
    def url(self) -> str:
        """Where StartTLS, or nothing, begins."""
        return f"ldap://localhost:{self.port}"

    @property
    def tls_url(self) -> str:
        """Where TLS comes first."""
        return f"ldaps://localhost:{self.tls_port}"

    def start(self) -> Slapd:
        """Returns when it answers."""
        places = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"
        command = [str(self.program), "-d", "0", "-h", places, "-f", str(self.folder / "slapd.conf")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._user)
        until = time.monotonic() + _READY_S
        while not (_answers(self.port) and _answers(self.tls_port)):
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"slapd does not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """Ended when this returns."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)
        self._process = None

    def pause(self) -> None:
        """It accepts connections, and stands still until `resume`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """The end of `pause`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop it, and remove its folder."""
        self.resume()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def modify(self, ldif: str) -> None:
        """Change entries, as the directory's own administrator."""
        command = ["ldapmodify", "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", f"cn=root,{SUFFIX}", "-w", "root"]
        subprocess.run(command, input=ldif, text=True, check=True, capture_output=True, timeout=20)

    @property
    def _user(self) -> dict[str, Any]:
        return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}

    def _run(self, program: str, *arguments: str, text: str) -> None:
        command = [str(Path(str(self.program)).parent / program), "-f", str(self.folder / "slapd.conf"), *arguments]
        done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=30, **self._user)
        assert done.returncode == 0, done.stderr


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
