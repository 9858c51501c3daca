"""Features of an audit made by workers, here or on a cluster, before the search reads them.

A task is one chunk in one space; its file is the one that `search.Store` looks for, so what is
there is not made again, and a search whose workers died makes the rest itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from radsmith.compute.tasks import over_tasks
from radsmith.evaluation.audit.files import load_audit_spaces
from radsmith.evaluation.audit.search import CHUNK, VIEWS, AuditSpace, Store, Tell
from radsmith.evaluation.audit.sets import ImageSet, Role, read_set
from radsmith.files import cache_folder


@dataclass(frozen=True, kw_only=True)
class FeatureTask:
    """names: of the images of one chunk.  features, space: as the command names them, and which."""

    where: Path
    role: Role
    names: tuple[str, ...]
    features: str
    space: str
    views: int
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Apart:
    """Workers for features. places: of the three sets.  ray: as `over_tasks` has it."""

    places: dict[Role, Path]
    features: str
    workers: int
    ray: str = ""

    def fill(
        self, folder: Path, sets: dict[Role, ImageSet], spaces: Sequence[AuditSpace], tell: Tell
    ) -> None:
        """Make every chunk that the search will ask for."""
        tasks = list(self._tasks(folder, sets, spaces))
        done = over_tasks(make_features, tasks, self.workers, ray=self.ray)
        for number, _ in enumerate(done):
            tell("features", number + 1, len(tasks))

    def _tasks(
        self, folder: Path, sets: dict[Role, ImageSet], spaces: Sequence[AuditSpace]
    ) -> Iterator[FeatureTask]:
        for role, images in sets.items():
            for space in spaces:
                for first in range(0, len(images), CHUNK):
                    names = tuple(item.name for item in images.items[first : first + CHUNK])
                    yield FeatureTask(
                        where=self.places[role],
                        role=role,
                        names=names,
                        features=self.features,
                        space=space.name,
                        views=1 if role == "train" else VIEWS,
                        folder=folder.absolute(),
                    )


def make_features(task: FeatureTask) -> None:
    """Write the features of one chunk, if they are not there."""
    images = _set(task.where, task.role)
    numbers = {item.name: i for i, item in enumerate(images.items)}
    space = next(s for s in _spaces(task.features) if s.name == task.space)
    chunk = images.take([numbers[name] for name in task.names])
    for _ in Store(task.folder).chunks(chunk, space, task.views, None):
        pass


@cache
def _set(where: Path, role: Role) -> ImageSet:
    return read_set(where, role, cache_folder())


@cache
def _spaces(features: str) -> list[AuditSpace]:
    return load_audit_spaces(features)
