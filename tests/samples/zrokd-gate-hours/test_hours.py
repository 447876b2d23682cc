from zrokd_gate_hours import HoursGate

from zrokd.testing.contracts import GateContract


class TestHoursGate(GateContract):
    Component = HoursGate
    settings = {"opens": 0, "closes": 24}  # noqa: RUF012
    passes = ()
    fails = None
