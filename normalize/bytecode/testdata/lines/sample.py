# Statements of several lines, for tests of where a rendering came from.
import os
from socket import (
    AF_INET,
    socket,
)

limit = 3
if (limit and
        os.environ):
    os.system(
        "echo " +
        "%s" % limit
    )


class Kept(
        object):
    def run(
            self, first=1):
        if first:
            return [
                first,
                len(self.all),
            ]
        for part in (first,
                     self):
            os.system(part)
        else:
            os.remove(
                first)
        try:
            os.mkdir(first)
        except OSError:
            raise ValueError(
                first)
        finally:
            os.rmdir(first)


target = dict(
    host="192.0.2.1",
    port=len(
        os.environ),
)
os.kill(target, (lambda n:
                 n + limit)(
    limit))
