"""A worker process: loads the model once, then makes the images it is sent, one at a time.

It touches neither database nor disk beyond the model: what it makes goes back through the pipe,
so that a worker killed at any moment leaves nothing half done.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from radsmith.adapters.model_files import load_engine
from radsmith.adapters.server.blobs import npy_of
from radsmith.adapters.server.edit_work import EDITS, edited_of
from radsmith.adapters.server.jobs import Made
from radsmith.engine import Engine
from radsmith.errors import RadsmithError
from radsmith.generate import make, plan
from radsmith.generation import Generation, Request, Settings
from radsmith.image import Image
from radsmith.resize import enlarge

NATIVE = 256
"""Longer side that the model draws, pixels."""


def work(connection: Connection, model: Path | None) -> None:
    """Serve until the pipe closes. Sends ("ready", None), then ("made" | "failed", …) a job."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)  # the parent says when
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            engine = load_engine(model)
        except RadsmithError as error:
            connection.send(("broken", str(error)))
            return
        connection.send(("ready", None))
        while True:
            payload, parts = connection.recv()
            try:
                if payload["operation"] in EDITS:
                    made = edited_of(engine, payload, parts)
                else:
                    made = made_of(engine, payload)
                connection.send(("made", made))
            except RadsmithError as error:
                connection.send(("failed", (str(error), error.http_status)))


def made_of(engine: Engine, payload: Mapping[str, Any]) -> Made:
    """Make the image of a payload (see `payload_of`)."""
    side = payload["side"]
    size = (NATIVE, NATIVE) if side else None
    settings = Settings(num_steps=payload["steps"], guidance_scale=payload["guidance"], size=size)
    request = Request(prompt=payload["prompt"], seed=payload["seed"], settings=settings)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    image, record = make(engine, plan(payload["prompt"], engine.facts), request, created)
    if side and side != NATIVE:
        image, record = enlarged(image, record, side // NATIVE)
    return handed_over(image, record)


def enlarged(image: Image, record: Generation, scale: int) -> tuple[Image, Generation]:
    """A square image with `scale` times the pixels and no more detail, as its record says."""
    pixels = np.clip(enlarge(image.pixels.astype(np.float32), scale), 0, 1)
    row, column = image.spacing or (0.0, 0.0)
    spacing = (row / scale, column / scale) if image.spacing else None
    large = replace(image, pixels=pixels, spacing=spacing)
    width, height = large.size
    note = f"drawn at {record.width}x{record.height} and enlarged to {width}x{height}"
    return large, replace(
        record,
        width=width,
        height=height,
        pixels_sha256=large.digest(),
        warnings=(*record.warnings, note),
    )


def handed_over(image: Image, record: Generation) -> Made:
    """An image as it goes through the pipe."""
    width, height = image.size
    return Made(
        data=npy_of(image.pixels),
        unit=image.unit,
        width=width,
        height=height,
        spacing=image.spacing[0] if image.spacing else None,
        window=(image.window.center, image.window.width) if image.window else None,
        record=record.to_json(),
    )


def payload_of(prompt: str, seed: int, settings: Settings, side: int) -> dict[str, Any]:
    """The JSON values of a job that draws a prompt. side: of a square in pixels, 0 as natural."""
    return {
        "operation": "generate",
        "prompt": prompt,
        "seed": seed,
        "steps": settings.num_steps,
        "guidance": settings.guidance_scale,
        "side": side,
    }
