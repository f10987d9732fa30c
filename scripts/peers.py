"""The peers of ml-send that scripts/bench-send sends beside it: throwaway instances on loopback.

Each is made below `scratch` and is gone after its `with`. They need root where the real ones do.
"""
import os
import pathlib
import shutil
import smtplib
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


class Stuck(Exception):
    """A peer that did not do what it was asked for, in the time it was given."""


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


class Mailman:
    """Mailman 3 with a sender for each recipient, on SQLite, one out runner, LMTP in."""

    program = "/usr/lib/mailman3/bin/mailman"

    def __init__(self, scratch, count):
        self.top, self.count, self.lmtp = pathlib.Path(scratch, "mailman"), count, free_port()
        self.top.mkdir()
        self.config, self.master = self.top / "mailman.cfg", None
        self.user = {"user": "list", "group": "list", "extra_groups": []} if os.getuid() == 0 else {}
        self.environment = {**os.environ, "MAILMAN_CONFIG_FILE": str(self.config), "PYTHONPATH": str(self.top),
                            "PEOPLE": str(self.top / "people")}
        if self.user:
            os.chmod(scratch, 0o755)
            shutil.chown(self.top, "list", "list")
        # What its API does for each subscriber takes 0.3 s; so their rows are made at once.
        (self.top / "fill.py").write_text("""import datetime, os, uuid
from mailman.config import config
from mailman.interfaces.action import Action
from mailman.interfaces.archiver import ArchivePolicy
from mailman.interfaces.member import MemberRole
from mailman.model.address import Address
from mailman.model.member import Member
from mailman.model.preferences import Preferences

def fill(mlist):
    mlist.archive_policy = ArchivePolicy.never
    mlist.default_nonmember_action = Action.accept
    mlist.digests_enabled = mlist.process_bounces = False
    store, now = config.db.store, datetime.datetime.now()
    rows = list(enumerate(open(os.environ["PEOPLE"]).read().split(), 100))
    store.bulk_insert_mappings(Preferences, [{"id": n} for n in range(100, 100 + 2 * len(rows))])
    store.bulk_insert_mappings(Address, [
        {"id": i, "email": who, "display_name": "", "_verified_on": now, "registered_on": now,
         "preferences_id": 2 * i - 100} for i, who in rows])
    store.bulk_insert_mappings(Member, [
        {"_member_id": uuid.UUID(int=i), "role": MemberRole.member, "list_id": mlist.list_id,
         "address_id": i, "preferences_id": 2 * i - 99, "bounce_score": 0, "total_warnings_sent": 0}
        for i, who in rows])
    store.commit()
""")
        (self.top / "people").write_text("".join(address(i) + "\n" for i in range(count)))
        self._configure(1)
        self._run("create", POST)
        self._run("withlist", "-r", "fill.fill", "-l", POST)

    @classmethod
    def missing(cls):
        return not os.access(cls.program, os.X_OK)

    def _configure(self, port):
        off = "rest archive nntp digest bounces command retry task virgin".split()
        self.config.write_text(f"""[mailman]
site_owner: owner@lists.example.net
layout: bench
[paths.bench]
var_dir: {self.top}/var
bin_dir: /usr/lib/mailman3/bin
log_dir: {self.top}/var/logs
pid_file: {self.top}/var/master.pid
lock_dir: {self.top}/var/locks
lock_file: {self.top}/var/locks/master.lck
etc_dir: {self.top}
[database]
class: mailman.database.sqlite.SQLiteDatabase
url: sqlite:///{self.top}/var/mailman.db
[mta]
incoming: mailman.mta.null.NullMTA
outgoing: mailman.mta.deliver.deliver
smtp_host: 127.0.0.1
smtp_port: {port}
lmtp_host: 127.0.0.1
lmtp_port: {self.lmtp}
max_recipients: 500
verp_personalized_deliveries: yes
verp_delivery_interval: 1
""" + "".join(f"[runner.{name}]\nstart: no\n" for name in off))

    def _run(self, *words):
        subprocess.run([self.program, "-C", str(self.config), *words], check=True, cwd=self.top,
                       env=self.environment, stdout=subprocess.DEVNULL, timeout=60, **self.user)

    def start(self, port):
        self._configure(port)
        self.master = subprocess.Popen(["/usr/lib/mailman3/bin/master", "-C", str(self.config), "--force"],
                                       cwd=self.top, env=self.environment, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, **self.user)
        wait_for("mailman3", lambda: answers(self.lmtp), 30)

    def post(self, text, done, seconds=60):
        """Posts, and waits until done() says that all is sent."""
        with smtplib.LMTP("127.0.0.1", self.lmtp) as lmtp:
            lmtp.sendmail("poster@example.org", [POST], text.decode())
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise Stuck(f"Mailman had not sent to its {self.count} in {seconds} s")
            time.sleep(0.01)

    def stop(self):
        self.master.terminate()
        self.master.wait()


class Postfix:
    """One that takes mail as it does by default and throws it away behind its queue."""

    def __init__(self, scratch):
        self.top, self.port = pathlib.Path(scratch, "postfix"), free_port()
        self.port_without_chunking = free_port()

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
        services = [f"127.0.0.1:{self.port} inet n - n - 120 smtpd",
                    f"127.0.0.1:{self.port_without_chunking} inet n - n - 120 smtpd\n"
                    "  -o smtpd_discard_ehlo_keywords=chunking", "postlog unix-dgram n - n - 1 postlogd",
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
