"""Three daemons on one machine."""
def test_smoke(three):
    assert three.status() == 200
    print(three.logs(), three.tokens(), three.sockets(), three.frontend.ready(), three.backend.ready(), three.controller.ready())
    for p in three.processes.values():
        print(p.name, p.person, open(f"/proc/{p.pid}/status").read().split("Uid:")[1].split("\n")[0])
