"""The folders and files of the embedded server."""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from .programs import Account, EmbeddedPostgresError, account_for

CLUSTER = "postgres"
PORT = 5432  # only a part of the Unix socket's name
# sockaddr_un holds 104 bytes on macOS and 108 on Linux, the final NUL included.
MAX_SOCKET_BYTES = 100
# Names that the data folder may contain before there is a cluster: files of an interrupted start,
# the service's secret key, and lost+found of a new file system.
KNOWN = re.compile(r"postgres(ql-.*|\.new|\.log.*)?|socket|\w+\.lock|secret_key.*|lost\+found")


@dataclass(frozen=True)
class Place:
    """The folders and files of one server. Creating a `Place` changes nothing on disk."""

    home: Path
    account: Account | None
    socket_folder: Path

    @property
    def cluster(self) -> Path:
        return self.home / CLUSTER

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def uid(self) -> int:
        """The user id that the server runs as."""
        return self.account.uid if self.account else os.geteuid()

    def check(self) -> None:
        """Check that the folder can be used, before anything is changed.

        Raises:
            EmbeddedPostgresError: The folder holds other files, the cluster belongs to another
                user, or the server's account cannot enter the path.
        """
        if self.account and (blocked := self.account.blocked_at(self.home)):
            raise EmbeddedPostgresError(
                f"PostgreSQL refuses to run as root, and account {self.account.name!r} cannot "
                f"enter {blocked}: set TUNER_DATA_DIR to a folder outside of it, such as "
                "/var/lib/tuner"
            )
        if self.cluster.is_dir():
            self._check_owner()
        # In this order, because another process may be renaming a new cluster at this moment.
        if (strange := self._strange()) and not (self.cluster / "PG_VERSION").is_file():
            raise EmbeddedPostgresError(
                f"{self.home} is not an embedded database and not empty (it holds {strange}): "
                "set TUNER_DATA_DIR to a new folder"
            )

    def make_home(self) -> None:
        """Create the home folder and its parents so that the server's account can enter them."""
        mode = 0o755 if self.account else 0o700
        for folder in [*reversed(self.home.parents), self.home]:
            if not folder.exists():
                folder.mkdir(mode, exist_ok=True)
                folder.chmod(mode)

    def make_private_folder(self, folder: Path) -> None:
        """Create a folder of mode 0700 for the server's account; reject another owner or mode."""
        try:
            folder.mkdir(0o700)
        except FileExistsError:
            pass
        else:
            if self.account:
                os.chown(folder, self.account.uid, self.account.gid, follow_symlinks=False)
        info = folder.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != self.uid or info.st_mode & 0o077:
            raise EmbeddedPostgresError(
                f"{folder} must be a folder of mode 0700 owned by user id {self.uid}: remove it "
                "or correct its owner and mode"
            )

    def _check_owner(self) -> None:
        owner = self.cluster.stat().st_uid
        if owner == 0 or owner != self.uid:
            raise EmbeddedPostgresError(
                f"{self.cluster} belongs to user id {owner}, and PostgreSQL would run as "
                f"{self.uid}: correct its owner, or set TUNER_DATA_DIR to a new folder"
            )

    def _strange(self) -> str | None:
        """Return the name of a file that is not part of an embedded server, or None."""
        if not os.path.lexists(self.home):
            return None
        if not self.home.is_dir():
            return "a file"
        names = sorted(name for name in os.listdir(self.home) if not KNOWN.fullmatch(name))
        if self.cluster.is_dir():
            names += [f"{CLUSTER}/{name}" for name in os.listdir(self.cluster)]
        return names[0] if names else None


def find_place(data_dir: Path, *, fallback: bool) -> Place:
    """Return the place for a data folder, which depends on that folder and on existing files."""
    home = data_dir.absolute().resolve()
    if fallback and os.geteuid() == 0:
        home = _home_for_root(home)
    account = account_for(home / CLUSTER)
    return Place(home, account, _socket_folder(home, account.uid if account else os.geteuid()))


def _home_for_root(data_dir: Path) -> Path:
    """Return the data folder, or one in /var/lib if the server's account cannot enter it.

    An existing cluster is used even if permissions have changed since; otherwise its data would
    appear to be lost.
    """
    elsewhere = Path("/var/lib") / f"tuner-{_digest(data_dir)}"
    if (data_dir / CLUSTER).is_dir():
        return data_dir
    account = account_for(data_dir / CLUSTER)
    blocked = account is not None and account.blocked_at(data_dir) is not None
    return elsewhere if blocked or (elsewhere / CLUSTER).is_dir() else data_dir


def _socket_folder(home: Path, uid: int) -> Path:
    """Return the socket's folder: beside the cluster, or in /tmp.

    /tmp is used if the path is too long for a socket, or has characters that libpq cannot take.
    """
    folder = home / "socket"
    length = len(os.fsencode(folder / f".s.PGSQL.{PORT}"))
    if length <= MAX_SOCKET_BYTES and re.fullmatch(r"[\w/. +-]+", str(folder)):
        return folder
    # Not tempfile.gettempdir(): it depends on TMPDIR, and every process must find this folder.
    return Path("/tmp") / f"tuner-{uid}-{_digest(home)}"  # noqa: S108


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
