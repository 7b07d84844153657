"""The database of the queue: a row for each job, what it has to do, and what became of it.

SQLite in WAL mode; a row is on the disk when `add` and `change` return. What runs is told by the folders of the jobs,
not by the rows, so that a row may be behind what happened.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from caffe_fcn.errors import FileError
from caffe_fcn.workspace.jobs.job import Job, Kind, Resources, State, Task

FILE = "queue.sqlite"
_VERSION = 1
_SCHEMA = """
create table if not exists jobs (
    number integer primary key autoincrement,
    task text not null,
    kind text not null,
    makes text not null,
    state text not null,
    created real not null,
    started real,
    ended real,
    step integer not null default 0,
    status integer,
    message text not null default '',
    gpu integer,
    resumes integer,
    resources text
);
create index if not exists jobs_by_state on jobs (state);
create index if not exists jobs_by_folder on jobs (makes);
"""
_COLUMNS = (
    *("number", "task", "kind", "makes", "state", "created", "started", "ended", "step", "status", "message"),
    *("gpu", "resumes", "resources"),
)


class Store:
    """The rows of all jobs. Any thread may use it.

    Raises `FileError` where the database cannot be opened, or is of a later version.
    """

    def __init__(self, path: Path, least: int = 0) -> None:
        self._path = path
        self._lock = threading.RLock()
        with self._naming_errors():
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = full")
            version = self._database.execute("pragma user_version").fetchone()[0]
            if version > _VERSION:
                raise FileError(path, "is a queue of a later version", "update caffe_fcn")
            self._database.executescript(_SCHEMA)
            self._database.execute(f"pragma user_version = {_VERSION}")
        self._least = least

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def add(self, task: Task, created: float, resumes: int | None = None) -> int:
        """Add a job that waits; return its number."""
        values = (json.dumps(asdict(task)), task.kind.value, task.makes, State.WAITING.value, created, resumes)
        with self._lock, self._naming_errors():
            found = self._database.execute("select seq from sqlite_sequence where name = 'jobs'").fetchone()
            number = max(found[0] if found else 0, self._least) + 1
            self._database.execute(
                "insert into jobs (number, task, kind, makes, state, created, resumes) values (?, ?, ?, ?, ?, ?, ?)",
                (number, *values),
            )
        return number

    def change(self, number: int, **values: Any) -> None:
        """Change columns of a row."""
        if isinstance(values.get("state"), State):
            values["state"] = values["state"].value
        if isinstance(values.get("resources"), Resources):
            values["resources"] = json.dumps(asdict(values["resources"]))
        names = ", ".join(f"{name} = :{name}" for name in values)
        with self._lock, self._naming_errors():
            self._database.execute(f"update jobs set {names} where number = :number", {**values, "number": number})

    def read(self, number: int) -> Job | None:
        """Return a job; None where there is none of that number."""
        found = self._query("number = ?", [number], "")
        return found[0] if found else None

    def select(
        self,
        makes: str = "",
        states: Iterable[State] = (),
        kind: Kind | None = None,
        most: int = 0,
        skip: int = 0,
        oldest_first: bool = False,
    ) -> list[Job]:
        """Return jobs, the newest first; see `Jobs.list`."""
        condition, values = _make_condition(makes, states, kind)
        order = "asc" if oldest_first else "desc"
        return self._query(condition, [*values, most or -1, skip], f"order by number {order} limit ? offset ?")

    def count(self, makes: str = "", states: Iterable[State] = (), kind: Kind | None = None) -> int:
        """Return how many jobs `select` would return."""
        condition, values = _make_condition(makes, states, kind)
        with self._lock, self._naming_errors():
            return int(self._database.execute(f"select count(*) from jobs where {condition}", values).fetchone()[0])

    def find_continuation(self, number: int) -> Job | None:
        """Return the newest job that goes on with a job; None where there is none."""
        found = self._query("resumes = ?", [number], "order by number desc limit 1")
        return found[0] if found else None

    def _query(self, condition: str, values: Iterable[Any], rest: str) -> list[Job]:
        query = f"select {', '.join(_COLUMNS)} from jobs where {condition} {rest}"
        with self._lock, self._naming_errors():
            return [_to_job(dict(zip(_COLUMNS, row, strict=True))) for row in self._database.execute(query, [*values])]

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise FileError(self._path, f"the queue cannot be used: {error}", "move it away to begin anew") from error


def _make_condition(makes: str, states: Iterable[State], kind: Kind | None) -> tuple[str, list[Any]]:
    parts, values = ["1"], []
    if makes:
        parts.append("makes = ?")
        values.append(makes)
    if wanted := [each.value for each in states]:
        parts.append(f"state in ({', '.join('?' * len(wanted))})")
        values += wanted
    if kind:
        parts.append("kind = ?")
        values.append(kind.value)
    return " and ".join(parts), values


def _to_job(row: dict[str, Any]) -> Job:
    task = json.loads(row.pop("task"))
    del row["kind"], row["makes"]
    commands = tuple(map(tuple, task.pop("commands")))
    resources = row.pop("resources")
    return Job(
        task=Task(**{**task, "kind": Kind(task["kind"]), "commands": commands, "outputs": tuple(task["outputs"])}),
        state=State(row.pop("state")),
        resources=Resources(**json.loads(resources)) if resources else None,
        **row,
    )
