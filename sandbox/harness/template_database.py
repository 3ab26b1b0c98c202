"""A migrated database that the tests' databases are copied from, so that a run need not migrate again.

Its name is a digest of the migrations and packages, so that other ones create another database.
"""

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from sandbox.harness.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
PREFIX, UNFINISHED = "migrated_", "migrated_unfinished"


def get_template_name() -> str:
    """Its name, from every migration of ours and the versions of everybody else's."""
    found = hashlib.sha256()
    for path in [*sorted(ROOT.glob("*/migrations/*.py")), ROOT / "requirements-dev.lock"]:
        found.update(path.name.encode() + path.read_bytes())
    return PREFIX + found.hexdigest()[:16]


def ensure_template(postgres: Postgres, environment: Mapping[str, str]) -> str:
    """The name of a database in which everything is migrated, and nobody is connected to. Raises CalledProcessError."""
    name = get_template_name()
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        existing = {row[0] for row in admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'migrated_%'")}
        if name in existing:
            return name
        for old in sorted(existing):
            admin.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(old)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(UNFINISHED)))
        command = [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"]
        aim = {**environment, "DATABASE_URL": postgres.url_of(UNFINISHED)}
        subprocess.run(command, cwd=ROOT, env=aim, check=True)
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        admin.execute(rename.format(sql.Identifier(UNFINISHED), sql.Identifier(name)))
    return name
