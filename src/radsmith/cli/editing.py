"""Commands that edit an image: inpaint, outpaint, vary, change, interpolate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radsmith.cli.options import ENGINE, GUIDANCE, STEPS
from radsmith.errors import InvalidInput

if TYPE_CHECKING:
    from radsmith.editing.files import Opened
    from radsmith.editing.operations import Edited, Mask, Task

_FRAME, _MASK_AS = "radsmith.frame", "radsmith.mask-as"


def _kept_frame(context: click.Context, _: click.Parameter, value: int | None) -> None:
    context.meta[_FRAME] = value


def _kept_mask_as(context: click.Context, _: click.Parameter, value: str) -> None:
    context.meta[_MASK_AS] = value


def IMAGE(command: Callable[..., None]) -> Callable[..., None]:  # noqa: N802
    """The image to edit and which of its frames, for `_open`."""
    frame = click.option("--frame", type=int, expose_value=False, callback=_kept_frame,
                         help="DICOM: which of several frames, from 1.")  # fmt: skip
    return click.argument("image", type=click.Path(path_type=Path))(frame(command))


def _common(command: Callable[..., None]) -> Callable[..., None]:
    """Options of every edit."""
    for option in reversed(
        (
            click.option("--prompt", default="", help="What it shows; default: as the file says."),
            click.option("-n", "count", type=click.IntRange(1), default=1, help="Candidates."),
            click.option("--seed", type=int, default=0, help="Of the first; the rest count up."),
            STEPS,
            GUIDANCE,
            click.option("-o", "folder", type=click.Path(path_type=Path), default=Path("out")),
            click.option("--force", is_flag=True, help="Overwrite files that are there."),
            click.option("--keep-reference", is_flag=True, help="DICOM: name the source's UIDs."),
            click.option("--strict", is_flag=True, help="Refuse what was weakly learned."),
            ENGINE,
            click.option("--model", type=click.Path(path_type=Path), help="Another model."),
        )
    ):
        command = option(command)
    return command


def _region(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say where."""
    for option in reversed(
        (
            click.option("--mask", "mask_file", type=click.Path(path_type=Path),
                         help="Picture or NPY: white, 1, paint or a hole is drawn."),
            click.option("--mask-as", type=click.Choice(("auto", "paint", "hole")),
                         expose_value=False, callback=_kept_mask_as, default="auto",
                         help="What of a mask with transparency is drawn."),
            click.option("--box", help="x,y,width,height in pixels."),
            click.option("--polygon", help='Corners "x,y x,y x,y …" in pixels.'),
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.command()
@IMAGE
@_region
@_common
def inpaint(image: Path, **options: Any) -> None:
    """Draw a part of IMAGE anew; all other pixels stay as they are, bit for bit."""
    from radsmith.editing import operations as edit

    opened = _open(image)
    mask = _mask(opened, options)
    _run(opened, options, "inpaint", lambda task: edit.inpaint(opened.source, mask, task))


@click.command()
@IMAGE
@click.option("--left", default="0", help="Pixels, or millimetres as 30mm.")
@click.option("--right", default="0")
@click.option("--top", default="0")
@click.option("--bottom", default="0")
@click.option("--canvas", help="WIDTHxHEIGHT to centre the image in, instead of sides.")
@_common
def outpaint(
    image: Path, left: str, right: str, top: str, bottom: str, canvas: str | None, **options: Any
) -> None:
    """Continue IMAGE beyond its edges."""
    from radsmith.editing import operations as edit
    from radsmith.editing.wording import margins_of

    opened = _open(image)
    margins = margins_of(opened.source, (left, right, top, bottom), canvas)
    _run(opened, options, "outpaint", lambda task: edit.outpaint(opened.source, margins, task))


@click.command()
@IMAGE
@click.option("--strength", type=float, default=0.5, help="0 (hardly changed) to 1 (drawn anew).")
@_region
@_common
def vary(image: Path, strength: float, **options: Any) -> None:
    """Other versions of IMAGE, or of its masked part."""
    from radsmith.editing import operations as edit

    opened = _open(image)
    asked = options["mask_file"] or options["box"] or options["polygon"]
    mask = _mask(opened, options) if asked else None
    _run(opened, options, "vary", lambda task: edit.vary(opened.source, strength, task, mask))


@click.command()
@IMAGE
@click.option("--add", "add", help='FINDING or FINDING@SITE, such as "effusion@right lower lobe".')
@click.option("--remove", help="FINDING to take away.")
@click.option("--severity", help="mild, moderate, severe: of the finding named or shown.")
@click.option("--strength", type=float, default=0.85, help="How freely the region is redrawn, 0-1.")
@_region
@_common
def change(
    image: Path,
    add: str | None,
    remove: str | None,
    severity: str | None,
    strength: float,
    **options: Any,
) -> None:
    """Add, remove or grade a finding: a matched pair with the difference map and its label.

    Where is taken from --mask, --box or --polygon, else from the site and side that are named.
    """
    from radsmith.editing import operations as edit
    from radsmith.editing.body_map import ellipse_of
    from radsmith.editing.files import checked_mask
    from radsmith.editing.wording import changed_prompt, understood

    opened = _open(image)
    words = understood(options["prompt"]) or opened.source.words
    wanted = changed_prompt(words, add, remove, severity)
    asked = options["mask_file"] or options["box"] or options["polygon"]
    if asked:
        mask = _mask(opened, options)
    else:
        mask = ellipse_of(wanted.prompt, wanted.finding, opened.source.shape)
        checked_mask(mask, opened.source.shape, "the region of the finding")
    options["prompt"] = wanted.text
    _run(
        opened,
        options,
        f"{'remove' if remove else 'add'}-{wanted.label.replace(' ', '-')}",
        lambda task: edit.change(opened.source, mask, task, strength),
        label=wanted.label,
    )


@click.command()
@IMAGE
@click.argument("other", type=click.Path(path_type=Path))
@click.option("--strength", type=float, default=0.6, help="How freely the middle is redrawn, 0-1.")
@_common
def interpolate(image: Path, other: Path, strength: float, **options: Any) -> None:
    """Images on the way from IMAGE to OTHER, -n of them; both must have one size."""
    from radsmith.editing import operations as edit

    one, two = _open(image), _open(other)
    _check(one, options | {"seed": 1}, "interpolate")
    count, options["count"] = options["count"], 1
    task = _tasks(one, options)[0]
    edits = edit.interpolate(one.source, two.source, count, task, strength)
    _write(one, options, "interpolate", list(enumerate(edits, start=1)), "")


@click.command()
@IMAGE
@click.option("--to", "target", default="body", help="leg, arm, pelvis, trunk or body.")
@_common
def extend(image: Path, target: str, **options: Any) -> None:
    """Continue a radiograph of one region (a knee, a chest …) to more of the body.

    Writes a map of the distance from real pixels beside the image. Regions that the model never
    learned are drawn as their nearest neighbour and flagged; --strict leaves them black.
    """
    from rich.console import Console

    from radsmith.editing.extend import extend as continue_to
    from radsmith.editing.files import write_distances
    from radsmith.language.prompt import complete
    from radsmith.language.reading import read_prompt

    opened = _open(image)
    words = options["prompt"] or opened.source.words
    shown = complete(read_prompt(words or "image").prompt)[0]
    console = Console(stderr=True, highlight=False, markup=False)
    strict, options["strict"] = options["strict"], False
    _check(opened, options, target)
    edits = []
    for task in _tasks(opened, options):
        seed = task.request.seed
        with console.status("drawing") as status:
            found = continue_to(
                opened.source, shown, target, task, strict=strict, progress=status.update
            )
        stem = _stem(opened, options, target, seed)
        write_distances(found.distance, found.edited, opened, stem)
        edits.append((seed, found.edited))
    for flag in found.flags:
        console.print(f"  ! {flag}", style="yellow", soft_wrap=True)
    _write(opened, options, target, edits, "")


def _open(image: Path) -> Opened:
    """Read the image, and say once what of its reading must be said."""
    from radsmith.editing.files import open_source

    opened = open_source(image, click.get_current_context().meta.get(_FRAME))
    for note in opened.source.notes:
        click.echo(f"  ! {note}", err=True)
    return opened


def _mask(opened: Opened, options: dict[str, Any]) -> Mask:
    from radsmith.editing.files import box_mask, polygon_mask

    given = [options[name] for name in ("mask_file", "box", "polygon")]
    if sum(value is not None for value in given) != 1:
        raise InvalidInput("say where: one of --mask FILE, --box x,y,w,h and --polygon")
    shape = opened.source.shape
    if options["mask_file"] is not None:
        return _read_mask(options["mask_file"], shape)
    return box_mask(given[1], shape) if given[1] else polygon_mask(given[2], shape)


def _read_mask(path: Path, shape: tuple[int, int]) -> Mask:
    """Read the mask, and say how, where it can be read two ways."""
    from radsmith.editing.files import noted_mask

    mask, note = noted_mask(path, shape, click.get_current_context().meta[_MASK_AS])
    if note:
        click.echo(f"  ! {note}", err=True)
    return mask


def _tasks(opened: Opened, options: dict[str, Any]) -> list[Task]:
    """One task a candidate; says how the prompt was read."""
    from datetime import UTC, datetime

    from rich.console import Console

    from radsmith.cli.console import say_plan
    from radsmith.editing.operations import Task
    from radsmith.editing.wording import edit_plan
    from radsmith.engines.choice import chosen, load_engine, settings_for
    from radsmith.files import prepare_folder
    from radsmith.images.provenance import Request

    choice = chosen(options["engine"], options["model"])
    settings = settings_for(choice, options["steps"], options["guidance"])
    prepare_folder(options["folder"])
    engine = load_engine(choice)
    text, planned = edit_plan(
        options["prompt"], opened.source.words, engine.facts, strict=options["strict"]
    )
    if planned is not None:
        say_plan(Console(stderr=True, highlight=False, markup=False), planned)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return [
        Task(
            engine=engine,
            planned=planned,
            request=Request(prompt=text, seed=options["seed"] + k, settings=settings),
            created=created,
        )
        for k in range(options["count"])
    ]


def _run(
    opened: Opened,
    options: dict[str, Any],
    operation: str,
    make: Callable[[Task], Edited],
    label: str = "",
) -> None:
    """Make the candidates; a label names the finding that was changed ("" for none)."""
    _check(opened, options, operation)
    edits = [(task.request.seed, make(task)) for task in _tasks(opened, options)]
    _write(opened, options, operation, edits, label)


def _stem(opened: Opened, options: dict[str, Any], operation: str, number: int) -> Path:
    folder: Path = options["folder"]
    return folder / f"{opened.path.stem}-{operation}-{number}"


def _check(opened: Opened, options: dict[str, Any], operation: str) -> None:
    """Refuse before any work what would overwrite a file."""
    from radsmith.editing.files import refuse_present

    if options["force"]:
        return
    stems = [
        _stem(opened, options, operation, options["seed"] + k) for k in range(options["count"])
    ]
    endings = (opened.suffix, "-mask.png", "-difference.png", "-distance.png", "-coco.json")
    endings += (
        "-sheet.png",
        "-pair.json",
        "-distance.dcm",
        *((".json",) if opened.suffix == ".npy" else ()),
    )
    refuse_present([s.with_name(s.name + ending) for s in stems for ending in endings])


def _write(
    opened: Opened,
    options: dict[str, Any],
    operation: str,
    edits: list[tuple[int, Edited]],
    label: str,
) -> None:
    """The images, their masks and COCO boxes; a sheet of several; paths on stdout."""
    from radsmith.cli.sheets import write_edit_sheet
    from radsmith.editing.files import (
        write_coco,
        write_difference,
        write_edited,
        write_mask,
        write_pair,
    )

    written = []
    first = _stem(opened, options, operation, edits[0][0])
    for number, edited in edits:
        stem = _stem(opened, options, operation, number)
        path = stem.with_name(stem.name + opened.suffix)
        words = edited.record.canonical_prompt
        write_edited(edited, opened, path, words, keep_reference=options["keep_reference"])
        written.append((path, edited, label or "drawn"))
        if not edited.mask.all():
            write_mask(edited.mask, stem.with_name(f"{stem.name}-mask.png"))
        if label:
            write_difference(opened.source, edited, stem.with_name(f"{stem.name}-difference.png"))
            write_pair(opened, edited, path, label)
        click.echo(path)
    if not all(edited.mask.all() for _, edited in edits) and not operation.startswith("remove"):
        write_coco(written, first.with_name(f"{first.name}-coco.json"))
    if len(edits) > 1 or label:
        sheet = first.with_name(f"{first.name}-sheet.png")
        write_edit_sheet(sheet, opened.source, [edited for _, edited in edits], first.name)
        click.echo(sheet, err=True)
