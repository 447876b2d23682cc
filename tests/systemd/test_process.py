"""The daemon as a process: signals, the state lock, the service manager."""

import signal
import socket
import sys
import threading

import pytest

# Makes the socket it was given descriptor 3 of the program; LISTEN_PID is only known after the fork.
HAND_OVER = """
import os, sys
given = int(sys.argv[1])
if given != 3:
    os.dup2(given, 3)
os.set_inheritable(3, True)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_it_tells_ready_when_it_answers(program, configuration, manager, port, ask):
    program(configuration(port=port), {"NOTIFY_SOCKET": manager.path})
    assert manager.wait_for("READY=1") == ["READY=1", "STATUS=desk"]
    assert ask(port) == "hello"


def test_sighup_takes_up_a_good_file(program, configuration, manager, port, ask):
    one = program(configuration(port=port), {"NOTIFY_SOCKET": manager.path})
    manager.wait_for("READY=1")
    configuration(port=port, text="changed")
    one.signal(signal.SIGHUP)
    assert manager.wait_for("RELOADING=1")[1].startswith("MONOTONIC_USEC=")
    manager.wait_for("READY=1")
    assert ask(port) == "changed"


def test_sighup_with_a_bad_file_keeps_the_old_state_and_logs_every_mistake(program, configuration, manager, port, ask):
    one = program(configuration(port=port), {"NOTIFY_SOCKET": manager.path})
    manager.wait_for("READY=1")
    configuration("dran: 5s\nlog: {level: loud}\n", port=port, text="changed")
    one.signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1")
    assert ask(port) == "hello"
    one.wait_for(r"reload refused, the old state stays: .*zrokd.yml:\d+:\d+: dran")
    configuration(port=port, text="mended")
    one.signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1")
    assert ask(port) == "mended"


def test_sigterm_lets_a_request_end_and_takes_nothing_new(program, configuration, manager, port, ask, tmp_path):
    one = program(configuration(port=port), {"NOTIFY_SOCKET": manager.path})
    manager.wait_for("READY=1")
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ask(port, "/slow")))
    asking.start()
    one.wait_for("slow began")
    one.signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    assert refused(ask, port)
    assert answers == []
    (tmp_path / "state/role-desk/go").touch()
    asking.join(20)
    assert one.ended() == 0
    assert answers == ["hello"]


def refused(ask, port):
    """Whether new connections are refused, at once or soon."""
    for _ in range(500):
        try:
            ask(port)
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            continue
    return False


def test_a_second_start_names_the_first_process(program, configuration):
    first = program(configuration())
    first.wait_for("serving desk")
    second = program(configuration())
    assert second.ended() == 1
    assert f"is in use by process {first.pid}; stop that daemon, or give this one a state_dir" in second.log
    assert "Traceback" not in second.log


def test_after_a_kill_the_state_directory_is_free_again(program, configuration):
    first = program(configuration())
    first.wait_for("serving desk")
    first.process.kill()
    first.ended()
    program(configuration()).wait_for("serving desk")


def test_a_wrong_file_exits_with_2(program, configuration):
    one = program(configuration("oops: 1\n"))
    assert one.ended() == 2
    assert "oops" in one.log
    assert "Traceback" not in one.log


def test_a_taken_port_exits_with_1(program, configuration):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        one = program(configuration(port=taken.getsockname()[1]))
        assert one.ended() == 1
        assert "another program listens there" in one.log
        assert "Traceback" not in one.log


def test_two_sigints_end_at_once(program, configuration, manager, port, ask):
    one = program(configuration(port=port), {"NOTIFY_SOCKET": manager.path})
    manager.wait_for("READY=1")
    asking = threading.Thread(target=lambda: ask_quietly(ask, port))
    asking.start()
    one.wait_for("slow began")
    one.signal(signal.SIGINT)
    manager.wait_for("STOPPING=1")
    one.signal(signal.SIGINT)
    assert one.ended() == 130
    asking.join(20)


def ask_quietly(ask, port):
    try:
        ask(port, "/slow")
    except OSError:
        return  # cut, as it should be


def test_a_socket_of_the_manager_is_used_for_its_address(program, configuration, manager, ask):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        environ = {"NOTIFY_SOCKET": manager.path, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}
        wrapper = [sys.executable, "-c", HAND_OVER, str(sock.fileno())]
        program(configuration(port=port), environ, wrapper, pass_fds=[sock.fileno()])
        manager.wait_for("READY=1")
        assert ask(port) == "hello"


@pytest.mark.slow
def test_the_watchdog_is_fed_while_the_hub_turns_and_silent_while_it_stands(program, configuration, manager, port, ask):
    program(configuration(port=port), {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "1000000"})
    manager.wait_for("READY=1")
    manager.wait_for("WATCHDOG=1")
    blocking = threading.Thread(target=lambda: ask(port, "/block"))
    blocking.start()
    with pytest.raises(TimeoutError):
        while True:
            manager.next(1.5)  # the hub stands for three seconds
    blocking.join(20)
    manager.wait_for("WATCHDOG=1")
