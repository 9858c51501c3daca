"""The kinds of engines that this package brings, as entry points of `radsmith.engines`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radsmith.engines import model_files
from radsmith.engines.kinds import EngineKind

if TYPE_CHECKING:
    from radsmith.engines.engine import Engine, ModelFacts


def _own_model(where: str) -> Engine:
    return model_files.load_engine(Path(where) if where else None)


def _own_facts(where: str) -> ModelFacts:
    return model_files.load_facts(Path(where) if where else None)


def _pipeline(where: str) -> Engine:
    from radsmith.engines.diffusers_engine import load_diffusers

    return load_diffusers(where)


def _pipeline_facts(where: str) -> ModelFacts:
    from radsmith.engines.diffusers_engine import facts_of

    return facts_of(where)


def _endpoint(where: str) -> Engine:
    from radsmith.engines.openai_engine import Endpoint, OpenAIEngine

    return OpenAIEngine(Endpoint.parse(where))


def _endpoint_facts(where: str) -> ModelFacts:
    from radsmith.engines.openai_engine import Endpoint

    return Endpoint.parse(where).facts


DEFAULT = EngineKind(load=_own_model, facts=_own_facts)
"""The model that ships, or a .radsmith file or model folder."""
DIFFUSERS = EngineKind(load=_pipeline, facts=_pipeline_facts, usual=(30, 7.0))
"""A diffusers pipeline, by folder or hub id."""
OPENAI = EngineKind(load=_endpoint, facts=_endpoint_facts)
"""An images endpoint, as MODEL@BASE_URL; it takes neither steps nor guidance."""
