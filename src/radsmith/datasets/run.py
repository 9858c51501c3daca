"""A whole import: scan, plan, shards in processes of their own, manifests. Goes on after any stop.

What the sources tell of patients lies in the state folder beside the data set, never in it, and is
removed when the import is complete.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

from radsmith.compute.tasks import one_process_each, over_tasks
from radsmith.datasets.entry import VOCABULARY
from radsmith.datasets.listed import Listed
from radsmith.datasets.manifest import SUMMARY, Folders, Summary, finish
from radsmith.datasets.matching import Matched, matched
from radsmith.datasets.remote import fetch
from radsmith.datasets.scan import PICTURES, scan_file, shard_folders, walk
from radsmith.datasets.shards import FAILED, ShardPlace, ShardTask, blame, make_shard_apart
from radsmith.datasets.state import State
from radsmith.datasets.units import UnitOptions
from radsmith.errors import InvalidInput, Unavailable
from radsmith.files import prepare_folder, write_atomically
from radsmith.language.vocabulary import learn_concepts

STUCK = 900.0
"""Seconds after which a file that is still being read is given up."""
_COMMIT = 500
_POLL = 0.02


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What to import and where to.

    remote: archives, as `remote.fetch` reads them.  test_share: of patients.  shard_size: units.
    ray: a cluster whose actors make the shards, as `over_tasks` has it; all its machines see the
    sources and the data set at these paths.  listed: what is known of the files; its rows become
    the options' labels by path.
    """

    sources: tuple[Path, ...]
    out: Path
    options: UnitOptions
    workers: int = 1
    test_share: float = 0.1
    shard_size: int = 500
    remote: tuple[str, ...] = ()
    listed: Listed | None = None
    ray: str = ""

    @property
    def state(self) -> Path:
        """The private folder beside the data set."""
        return self.out.with_name(f"{self.out.name}-import-state")

    @property
    def problems(self) -> Path:
        """The listing of what was left out; beside the data set, for paths may tell names."""
        return self.out.with_name(f"{self.out.name}-problems.csv")

    def digest(self) -> str:
        """Tells imports apart that may not share a folder."""
        o = self.options
        said = (self.sources, self.remote, o.source, o.modality, o.body_part, o.text, o.windows,
                o.slices, o.keep_doubtful, self.test_share, self.shard_size, self.listed,
                hashlib.sha256(o.policy.secret).hexdigest(), o.vocabulary)  # fmt: skip
        return hashlib.sha256(repr(said).encode("utf-8", "replace")).hexdigest()


Progress = Callable[[str, int, int], None]
"""Called with a stage, done and total (0: not known)."""


def run_import(request: ImportRequest, progress: Progress) -> Summary:
    """Import, or go on where a killed import stopped; the same command gives the same data set.

    Raises InvalidInput where the folder holds another import or nothing could be imported, and
    Unavailable for a full disk or a missing extra.
    """
    learn_concepts(request.options.vocabulary)
    out, work = prepare_folder(request.out), request.state
    if (out / SUMMARY).exists() and not work.exists():
        raise InvalidInput(f"{out} holds a complete import; choose another folder with -o")
    work.mkdir(mode=0o700, exist_ok=True)
    state = State(work / "state.db")
    try:
        if state.fact("request") not in ("", request.digest()):
            raise InvalidInput(
                f"{out} holds an import begun with other options or sources: give the same ones to"
                f" go on, or remove {work} and {out}"
            )
        state.fact("request", request.digest())
        if not state.fact("planned"):
            for archive in request.remote:
                fetch(archive, work / "fetched", progress)
        request, found = _with_list(request)
        if not state.fact("planned"):
            _scan(request, state, progress, found.refused)
            state.join_reports()
            state.plan(request.options.slices, request.test_share, request.shard_size)
            state.fact("planned", "yes")
        _make_shards(request, state, progress)
        if request.options.vocabulary:
            write_atomically(out / VOCABULARY, request.options.vocabulary.encode())
        noted = [*found.noted, *state.doubtful_reports()]
        summary = finish(state, Folders(out, work, request.problems), request.options.source, noted)
    finally:
        state.close()
    shutil.rmtree(work)
    return summary


def _with_list(request: ImportRequest) -> tuple[ImportRequest, Matched]:
    """The request with the list's rows by path, and what the list says that is of no file."""
    listed = request.listed
    if listed is None:
        return request, Matched(rows={}, refused={}, noted=())
    files = [str(path) for path in _paths(request)]
    bases = [str(p.absolute()) for p in (listed.path.parent, *request.sources) if p.is_dir()]
    found = matched(listed, files, bases)
    without = [
        (file, f"picture without a row: {listed.path.name} says nothing of it")
        for file in files
        if file.lower().endswith(PICTURES) and file not in found.rows.keys() | found.refused.keys()
    ]
    options = replace(request.options, labels=found.rows, label_columns=listed.labels)
    return replace(request, options=options), replace(found, noted=[*found.noted, *without])


def _scan(
    request: ImportRequest, state: State, progress: Progress, refused: Mapping[str, str]
) -> None:
    folders = [s for s in request.sources if s.is_dir()]
    shards = [found for folder in folders for found in shard_folders(folder)]
    for found in shards:
        state.add(found)
    for number, path in enumerate(_paths(request)):
        if state.knows(str(path)):
            continue
        found, report = scan_file(path, request.options.modality)
        row = request.options.labels.get(str(path))
        listed = row.cells.get("patient_id", "") if row else ""
        if found.kind == "image" and found.patient == f"file:{path}" and listed:
            found = replace(found, patient=f"listed:{listed}")
        if found.kind and not found.reason and str(path) in refused:
            found = replace(found, reason=refused[str(path)])
        state.add(found)
        if report:
            state.add_report(report)
        if number % _COMMIT == 0:
            state.commit()
            progress("scanning", number, 0)
    state.commit()


def _paths(request: ImportRequest) -> Iterator[Path]:
    """Files of the sources, without what this import itself writes, then what was fetched."""
    inside = (request.out.resolve(), request.state.resolve())
    for path in walk(list(request.sources)):
        if not any(folder in path.resolve().parents for folder in inside):
            yield path
    for path in walk([request.state / "fetched"]) if request.remote else ():
        if path.suffix == ".dcm":
            yield path


def _make_shards(request: ImportRequest, state: State, progress: Progress) -> None:
    """Keep `workers` processes busy until every shard has its part."""
    names = state.names()
    done = sum((request.state / f"{name}.json").exists() for name in names)
    shards = _unfinished(request, state)
    if request.ray:
        for _ in over_tasks(make_guarded, shards, request.workers, ray=request.ray):
            done += 1
            progress("importing", done, len(names))
        return
    apart = one_process_each(make_shard_apart, shards, request.workers, _ended, _POLL)
    with closing(apart) as ends:
        for made in ends:
            done += len(made)
            progress("importing", done, len(names))


def make_guarded(task: ShardTask) -> None:
    """Make one shard in a process of its own, whose crash or hang costs one file."""
    with closing(one_process_each(make_shard_apart, [task], 1, _ended, _POLL)) as ends:
        for _ in ends:
            pass


def _unfinished(request: ImportRequest, state: State) -> Iterator[ShardTask]:
    for name in state.names():
        place = ShardPlace(out=request.out, state=request.state, name=name)
        if not place.part.exists():
            job = state.job(name)
            reports = {u.path: state.report(u.study, u.path) for u in job.units}
            kept = {path: text for path, text in reports.items() if text}
            rows = request.options.labels
            own = {u.path: rows[u.path] for u in job.units if u.path in rows}
            options = replace(request.options, labels=own)
            yield ShardTask(place=place, job=job, reports=kept, options=options)


def _ended(task: ShardTask, process: BaseProcess) -> bool | None:
    """None while a shard's process runs, then whether it is made; a file that hung or crashed it
    is blamed.

    Raises Unavailable where it gave up for another reason.
    """
    place = task.place
    if process.is_alive():
        try:
            stuck = time.time() - place.now.stat().st_mtime > STUCK
        except OSError:
            return None
        if not stuck:
            return None
        process.kill()
        process.join()
        blame(place, f"took more than {STUCK:.0f} seconds to read")
        return place.part.exists()
    process.join()
    if place.part.exists():
        return True
    if process.exitcode == FAILED and place.error.exists():
        raise Unavailable(place.error.read_text(encoding="utf-8"))
    if not blame(place, f"brought its reader down (exit status {process.exitcode})"):
        raise Unavailable(f"the process for {place.name} ended with status {process.exitcode}")
    return False
