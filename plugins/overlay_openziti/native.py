"""The vendor's library, as far as we call it: contexts, connections and listeners on a libuv loop of ours.

Everything here runs on the loop's thread, which is the worker's main one; only `Loop.later` may be called from others.
The layouts are those of the one version that is let in.
Source: openziti/ziti-sdk-c 0.29.3 `includes/ziti/ziti.h`, `ziti_events.h`.
"""

from __future__ import annotations

import ctypes as c
import importlib.util
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

VERSION = "0.29.3"
OK = 0
CONTEXT_EVENT, ROUTER_EVENT = 1, 2
ROUTER_CONNECTED = 1
_UV_ASYNC = 1  # enum uv_handle_type
_REFRESH_S = 30


class LibraryError(Exception):
    """The library is not there, or not one that we know."""


class Options(c.Structure):
    """`ziti_options`. The library keeps the pointer for ever."""

    _fields_ = (
        ("config", c.c_char_p),
        ("controller", c.c_char_p),
        ("tls", c.c_void_p),
        ("disabled", c.c_bool),
        ("config_types", c.c_void_p),
        ("api_page_size", c.c_uint),
        ("refresh_interval", c.c_long),
        ("metrics_type", c.c_int),
        ("router_keepalive", c.c_int),
        ("posture", c.c_void_p * 4),
        ("app_ctx", c.c_void_p),
        ("events", c.c_uint),
        ("event_cb", c.c_void_p),
    )


class Event(c.Structure):
    """`ziti_event_t`, with what context and router events say in common."""

    _fields_ = (("type", c.c_int), ("_gap", c.c_int), ("status", c.c_int), ("text", c.c_char_p))


class DialOptions(c.Structure):
    """`ziti_dial_opts`."""

    _fields_ = (("timeout_s", c.c_int), ("identity", c.c_char_p), ("data", c.c_char_p), ("size", c.c_size_t))


class ListenOptions(c.Structure):
    """`ziti_listen_opts`."""

    _fields_ = (
        ("cost", c.c_uint16),
        ("precedence", c.c_uint8),
        ("timeout_s", c.c_int),
        ("identity", c.c_char_p),
        ("by_identity", c.c_bool),
    )


class ClientContext(c.Structure):
    """`ziti_client_ctx`: who dials; valid inside of the callback only."""

    _fields_ = (("caller", c.c_char_p), ("data", c.c_void_p), ("size", c.c_size_t))


class _Version(c.Structure):
    _fields_ = (("version", c.c_char_p), ("revision", c.c_char_p))


EventCallback = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(Event), c.c_void_p)
StatusCallback = c.CFUNCTYPE(None, c.c_void_p, c.c_int)
ClientCallback = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_int, c.POINTER(ClientContext))
_DataCallback = c.CFUNCTYPE(c.c_ssize_t, c.c_void_p, c.c_void_p, c.c_ssize_t)
_AsyncCallback = c.CFUNCTYPE(None, c.c_void_p)

_P = c.c_void_p
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "uv_loop_new": (_P, []),
    "uv_run": (c.c_int, [_P, c.c_int]),
    "uv_handle_size": (c.c_size_t, [c.c_int]),
    "uv_async_init": (c.c_int, [_P, _P, _AsyncCallback]),
    "uv_async_send": (c.c_int, [_P]),
    "ziti_get_version": (c.POINTER(_Version), []),
    "ziti_errorstr": (c.c_char_p, [c.c_int]),
    "ziti_init_opts": (c.c_int, [c.POINTER(Options), _P]),
    "ziti_conn_init": (c.c_int, [_P, c.POINTER(_P), _P]),
    "ziti_dial_with_options": (c.c_int, [_P, c.c_char_p, c.POINTER(DialOptions), StatusCallback, _DataCallback]),
    "ziti_listen_with_options": (
        c.c_int,
        [_P, c.c_char_p, c.POINTER(ListenOptions), StatusCallback, ClientCallback],
    ),
    "ziti_accept": (c.c_int, [_P, StatusCallback, _DataCallback]),
    "ziti_conn_bridge_fds": (c.c_int, [_P, c.c_int, c.c_int, _P, _P]),
    "ziti_close": (c.c_int, [_P, _P]),
    "ziti_services_refresh": (c.c_int, [_P, c.c_bool]),
}


def path_of_library() -> Path:
    """Where the `openziti` distribution keeps it; the distribution is not imported. :raises LibraryError:"""
    found = importlib.util.find_spec("openziti")
    if found is None or not found.submodule_search_locations:
        raise LibraryError("the package openziti is not installed; install zrokd[openziti]")
    path = Path(found.submodule_search_locations[0]) / "lib" / "libziti.so"
    if not path.exists():
        raise LibraryError(f"the package openziti here has no {path.name}; only 0.6.0 for Linux on x86-64 is known")
    return path


class Library:
    """The functions. :raises LibraryError: another version, or a function is missing."""

    def __init__(self) -> None:
        self._library = c.CDLL(str(path_of_library()), use_errno=True)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(self._library, name, None)
            if function is None:
                raise LibraryError(f"libziti has no {name}")
            function.restype, function.argtypes = result, arguments
        version = self._library.ziti_get_version().contents.version.decode()
        if version.partition("-")[0] != VERSION:
            raise LibraryError(f"libziti is {version}; only {VERSION} is known here")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def text_of(self, status: int) -> str:
        """What the library calls a status."""
        return str(self._library.ziti_errorstr(status).decode(errors="replace"))


class Loop:
    """The libuv loop, and a way into it for other threads."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.handle = library.uv_loop_new()
        self._async = c.create_string_buffer(library.uv_handle_size(_UV_ASYNC))
        self._callback = _AsyncCallback(self._drain)  # kept: the library has only its address
        self._waiting: deque[Callable[[], None]] = deque()
        library.uv_async_init(self.handle, self._async, self._callback)

    def later(self, what: Callable[[], None]) -> None:
        """Have `what` called on the loop. For every thread."""
        self._waiting.append(what)
        self._library.uv_async_send(self._async)

    def run(self) -> None:
        """Serve for ever."""
        self._library.uv_run(self.handle, 0)

    def _drain(self, _handle: int) -> None:
        while self._waiting:
            what = self._waiting.popleft()
            try:
                what()
            except Exception:  # noqa: BLE001  a callback from C has nobody to raise to
                sys.excepthook(*sys.exc_info())


def _take_nothing(_connection: int, _data: int, size: int) -> int:
    """Until the bridge takes over; nothing may be lost before."""
    return min(size, 0)


_no_data = _DataCallback(_take_nothing)


class Identity:
    """One context: an identity in the network. `on_ready()` once it can dial, `on_failed(text)` when it never will."""

    def __init__(
        self,
        library: Library,
        loop: Loop,
        config: str,
        on_ready: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._library, self._on_ready, self._on_failed = library, on_ready, on_failed
        self._context = 0
        self._let_in = self._ready = False
        self._event_callback = EventCallback(self._on_event)
        self._options = Options(
            config=config.encode(),
            refresh_interval=_REFRESH_S,
            events=CONTEXT_EVENT | ROUTER_EVENT,
            event_cb=c.cast(self._event_callback, c.c_void_p),
        )
        self._kept: dict[int, tuple[Any, ...]] = {}  # by connection: what the library has addresses of
        self._loop = loop
        if status := library.ziti_init_opts(c.byref(self._options), loop.handle):
            on_failed(library.text_of(status))

    def _on_event(self, context: int, event: Any, _data: int) -> None:
        kind, status = event.contents.type, event.contents.status
        if kind == CONTEXT_EVENT:
            self._context = context
            self._let_in = status == OK
            if status != OK and not self._ready:
                self._on_failed(self._library.text_of(status))
        if not self._ready and self._let_in and kind == ROUTER_EVENT and status == ROUTER_CONNECTED:
            self._ready = True
            self._on_ready()

    def refresh(self) -> None:
        """Ask for the services now: one was made a moment ago."""
        self._library.ziti_services_refresh(self._context, True)

    def dial(self, service: str, options: DialOptions, done: Callable[[int, int], None]) -> None:
        """`done(connection, status)` once; a failed connection is closed already."""
        connection = self._connection()

        def answered(_connection: int, status: int) -> None:
            self._release(connection)
            if status != OK:
                self._library.ziti_close(connection, None)
            done(connection, status)

        callback = StatusCallback(answered)
        self._kept[connection] = (callback, options)
        status = self._library.ziti_dial_with_options(
            connection, service.encode(), c.byref(options), callback, _no_data
        )
        if status != OK:
            self._loop.later(lambda: answered(connection, status))

    def listen(
        self,
        service: str,
        options: ListenOptions,
        on_status: Callable[[int], None],
        on_client: Callable[[int, str, bytes], None],
    ) -> None:
        """`on_status` whenever it is bound or lost; `on_client(connection, caller, app data)`."""
        connection = self._connection()

        def client(_server: int, made: int, status: int, context: Any) -> None:
            if status != OK:
                on_status(status)
                return
            said = context.contents
            data = c.string_at(said.data, said.size) if said.data and said.size else b""
            on_client(made, (said.caller or b"").decode(errors="replace"), data)

        callbacks = (StatusCallback(lambda _connection, status: on_status(status)), ClientCallback(client))
        self._kept[connection] = (*callbacks, options)
        status = self._library.ziti_listen_with_options(connection, service.encode(), c.byref(options), *callbacks)
        if status != OK:
            self._loop.later(lambda: on_status(status))

    def accept(self, connection: int, done: Callable[[int], None]) -> None:
        """Answer one who dials; `done(status)`."""

        def answered(_connection: int, status: int) -> None:
            self._release(connection)
            done(status)

        callback = StatusCallback(answered)
        self._kept[connection] = (callback,)
        if (status := self._library.ziti_accept(connection, callback, _no_data)) != OK:
            self._loop.later(lambda: answered(connection, status))

    def bridge(self, connection: int, descriptor: int) -> None:
        """Move bytes between a connection and a socket, which the library owns from now on."""
        self._library.ziti_conn_bridge_fds(connection, descriptor, descriptor, None, None)

    def close(self, connection: int) -> None:
        """End a connection that has no bridge."""
        self._library.ziti_close(connection, None)

    def _connection(self) -> int:
        made = c.c_void_p()
        self._library.ziti_conn_init(self._context, c.byref(made), None)
        return int(made.value or 0)

    def _release(self, connection: int) -> None:
        """Not inside of the callback that it keeps alive."""
        kept = self._kept.pop(connection, None)
        self._loop.later([kept].clear)
