"""The peers of ml-send that scripts/bench-send sends beside it: throwaway instances on loopback.

Each is made below `scratch` and is gone after its `with`. They need root where the real ones do.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import time

POST = "post@lists.example.net"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: waited {seconds} s in vain")
        time.sleep(0.02)


def answers(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", int(port))) == 0


def address(i):
    return f"user{i}@d{i % 2000}.example.com"


class Mlmmj:
    """A list that sends with a sender for each recipient, as the Debian package does it."""

    program = shutil.which("mlmmj-receive") or "/usr/bin/mlmmj-receive"

    def __init__(self, scratch, count):
        self.count = count
        self.home = home = pathlib.Path(scratch, f"mlmmj{count}")
        for name in ("incoming queue/discarded archive text subconf unsubconf bounce control moderation "
                     "subscribers.d digesters.d requeue nomailsubs.d").split():
            (home / name).mkdir(parents=True)
        (home / "index").touch()
        control = home / "control"
        for name, value in {"noarchive": "", "tocc": "", "owner": "owner@lists.example.net\n",
                            "listaddress": POST + "\n", "relayhost": "127.0.0.1\n"}.items():
            (control / name).write_text(value)
        files = {}
        for i in range(count):
            files.setdefault(address(i)[0], []).append(address(i) + "\n")
        for first, lines in files.items():
            (home / "subscribers.d" / first).write_text("".join(lines))

    @classmethod
    def missing(cls):
        return not os.access(cls.program, os.X_OK)

    def command(self, port):
        (self.home / "control" / "smtpport").write_text(f"{port}\n")
        return [self.program, "-F", "-L", str(self.home)]


class Postfix:
    """One that takes mail as it does by default and throws it away behind its queue."""

    def __init__(self, scratch):
        self.top, self.port = pathlib.Path(scratch, "postfix"), free_port()

    @staticmethod
    def missing():
        return not os.path.exists("/usr/sbin/postfix") or os.getuid() != 0

    def __enter__(self):
        etc, queue, data = (self.top / name for name in ("etc", "queue", "data"))
        for directory in (etc, queue, data):
            directory.mkdir(parents=True)
        os.chmod(self.top.parent, 0o755)
        shutil.chown(data, "postfix")
        (etc / "main.cf").write_text(f"""compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
maillog_file = {self.top}/mail.log
maillog_file_prefixes = {self.top}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example.net
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
in_flow_delay = 0
default_transport = discard:
""")
        services = [f"127.0.0.1:{self.port} inet n - n - 120 smtpd", "postlog unix-dgram n - n - 1 postlogd",
                    "pickup unix n - n 60 1 pickup", "qmgr unix n - n 300 1 qmgr",
                    "rewrite unix - - n - - trivial-rewrite", "proxymap unix - - n - - proxymap",
                    "cleanup unix n - n - 0 cleanup", "anvil unix - - n - 1 anvil"]
        services += [f"{name} unix - - n - 0 bounce" for name in ("bounce", "defer", "trace")]
        services += [f"{name} unix - - n - - {name}" for name in ("error", "discard")]
        services += ["retry unix - - n - - error"]
        (etc / "master.cf").write_text("\n".join(services) + "\n")
        subprocess.run(["postfix", "-c", etc, "start"], check=True, capture_output=True)
        wait_for("postfix", lambda: answers(self.port))
        return self

    def drain(self):
        """Until it has nothing left to deliver, which would take from the next one's time."""
        queues = [self.top / "queue" / name for name in ("incoming", "active", "maildrop")]
        wait_for("postfix", lambda: not any(file.is_file() for queue in queues
                                            for file in queue.rglob("*")), 120)

    def __exit__(self, *_):
        master = (self.top / "queue" / "pid" / "master.pid").read_text().strip()
        subprocess.run(["postfix", "-c", self.top / "etc", "stop"], capture_output=True, check=False)
        wait_for("postfix", lambda: not os.path.exists(f"/proc/{master}"))
