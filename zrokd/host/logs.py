"""Logs: text for people on a terminal, one JSON object a line for machines; secrets hidden, lines kept lines."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable
from typing import IO, Any

from gevent.monkey import get_original

from zrokd.host.outlet import Outlet
from zrokd.host.ration import Ration
from zrokd.model.secrecy import mask_parameters
from zrokd.model.units import Secret

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x80-\x9f\u2028\u2029]")
_SHORTEST_SECRET = 6  # shorter ones would hide half of every line


def escape(text: str) -> str:
    """`text` without control characters, so that a line stays a line."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class Redactor:
    """Replaces known secrets in what is logged, and what parameters of URLs hold that are called like some."""

    def __init__(self) -> None:
        self._pattern: re.Pattern[str] | None = None
        self._latest: frozenset[str] = frozenset()
        self._before: frozenset[str] = frozenset()

    def set(self, secrets: Iterable[Secret]) -> None:
        """Hide these from now on, and still those before: what a reload retires works by them until it is drained."""
        given = frozenset(text for secret in secrets if len(text := secret.reveal()) >= _SHORTEST_SECRET)
        if given != self._latest:
            self._latest, self._before = given, self._latest
        texts = sorted({form for text in given | self._before for form in _forms(text)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, texts))) if texts else None

    def clean(self, text: str) -> str:
        """`text` with secrets as ***."""
        return mask_parameters(self._pattern.sub("***", text) if self._pattern else text)


def _forms(text: str) -> set[str]:
    """How a secret may stand in a line: as it is, in a repr of text or bytes, in JSON."""
    quoted = {repr(text), json.dumps(text), json.dumps(text, ensure_ascii=False)}
    return {text, escape(text), repr(text.encode(errors="replace"))[2:-1], *(form[1:-1] for form in quoted)}


class _Formatter(logging.Formatter):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def _message(self, record: logging.LogRecord) -> str:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # a plugin's arguments that do not fit
            text = f"{record.msg} {record.args!r}"
        if left_out := getattr(record, "left_out", 0):
            text += f" (and {left_out:,} more like it, left out here)"
        return escape(self._redactor.clean(text))

    def _traceback(self, record: logging.LogRecord) -> str:
        if not record.exc_info:
            return ""
        lines = self._redactor.clean(self.formatException(record.exc_info)).split("\n")
        return "\n".join(map(escape, lines))


class TextFormatter(_Formatter):
    """`12:01:02 warning role.frontend: text`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback below it."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{clock} {record.levelname.lower():7} {record.name.removeprefix('zrokd.')}: {self._message(record)}"
        trace = self._traceback(record)
        return f"{line}\n{trace}" if trace else line


class SpokenFormatter(_Formatter):
    """`zrokd: text`, for a person who started one thing and reads no log. `words` puts it into theirs."""

    def __init__(self, redactor: Redactor, words: Callable[[str], str]) -> None:
        super().__init__(redactor)
        self._words = words

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback below it."""
        line = f"zrokd: {self._words(self._message(record))}"
        trace = self._traceback(record)
        return f"{line}\n{trace}" if trace else line


class JsonFormatter(_Formatter):
    """One object a line: time, level, component, message, and traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "component": record.name.removeprefix("zrokd."),
            "message": self._message(record),
        }
        if trace := self._traceback(record):
            entry["traceback"] = trace
        return json.dumps(entry, ensure_ascii=False)


class _Handler(logging.Handler):
    """Writes under a lock of the thread library's own; lines that nobody takes are counted, and told of later.

    gevent's lock, shared by the hub and pool threads that log at once, can lose a wake-up and stop both for good.
    Nothing switches greenlets while this one is held.
    """

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._outlet = Outlet(stream)
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line. Never raises."""
        try:
            if self._lost and self._outlet.write(self.format(_lost(self._lost))):
                self._lost = 0
            if self._lost or not self._outlet.write(self.format(record)):
                self._lost += 1
        except OSError:
            self._lost += 1  # whoever read it is gone
        except Exception:  # as handlers do: what cannot be logged harms nobody
            self.handleError(record)

    def createLock(self) -> None:  # noqa: N802
        """The lock; named by the base class."""
        self.lock = _real_lock()


def _lost(count: int) -> logging.LogRecord:
    text = "%d lines of this log are lost: its reader did not take them"
    return logging.LogRecord("zrokd.log", logging.WARNING, __file__, 0, text, (count,), None)


def _real_lock() -> Any:
    return get_original("_thread", "RLock")()


def _is_news(record: logging.LogRecord) -> bool:
    """Whether it is not about an exchange that a screen shows with its outcome."""
    return not getattr(record, "exchange", False)


class Logs:
    """The handler of this process's log.

    With `words` text is sentences for a person, put so by that. `shown`: each exchange is shown elsewhere, so what is
    logged of one (with `extra={"exchange": True}`) is left out.
    """

    def __init__(
        self, stream: IO[str] | None = None, *, words: Callable[[str], str] | None = None, shown: bool = False
    ) -> None:
        self._stream, self._words, self._shown = stream or sys.stderr, words, shown
        self._redactor = Redactor()
        self._handler: logging.Handler | None = None

    def apply(self, level: str, style: str, secrets: Iterable[Secret]) -> None:
        """Log by these settings from now on. `style` is text, json, or auto: text on a terminal."""
        self._redactor.set(secrets)
        self.close()
        logging._lock = _real_lock()  # type: ignore[attr-defined]  # noqa: SLF001 - loggers take it to look up their level
        self._handler = _Handler(self._stream)
        if self._shown:
            self._handler.addFilter(_is_news)
        self._handler.addFilter(Ration())
        self._handler.setFormatter(self._formatter(style))
        root = logging.getLogger("zrokd")
        root.addHandler(self._handler)
        root.setLevel(level.upper())
        root.propagate = False

    def _formatter(self, style: str) -> logging.Formatter:
        if style == "json" or (style == "auto" and not self._stream.isatty()):
            return JsonFormatter(self._redactor)
        return SpokenFormatter(self._redactor, self._words) if self._words else TextFormatter(self._redactor)

    def close(self) -> None:
        """Take the handler away. Idempotent."""
        if self._handler is not None:
            root = logging.getLogger("zrokd")
            root.removeHandler(self._handler)
            root.propagate = True
            self._handler = None
