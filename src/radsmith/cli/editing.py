"""Commands that edit an image: inpaint, outpaint, vary, change, interpolate, extend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radsmith.cli.options import ENGINE, GUIDANCE, MODEL, SIGN, STEPS, WATERMARK, model_of, out
from radsmith.errors import InvalidInput

if TYPE_CHECKING:
    from radsmith.api.model import Model
    from radsmith.editing.files import Opened
    from radsmith.editing.mask_reading import MaskAs
    from radsmith.editing.operations import Edited
    from radsmith.editing.request import EditRequest
    from radsmith.images.image import Mask

IMAGE = click.argument("image", type=click.Path(path_type=Path))


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """Options of every edit."""

    prompt: str
    count: int
    seed: int
    steps: int | None
    guidance: float | None
    folder: Path
    force: bool
    keep_reference: bool
    strict: bool
    sign: Path | None
    watermark: bool
    engine: str | None
    model: Path | None
    frame: int | None


@dataclass(frozen=True, kw_only=True)
class _Where:
    """Options that say where."""

    mask_file: Path | None
    mask_as: MaskAs
    box: str | None
    polygon: str | None

    @property
    def said(self) -> bool:
        """Whether one of them is given."""
        return any(value is not None for value in (self.mask_file, self.box, self.polygon))

    def mask(self, shape: tuple[int, int]) -> Mask:
        """Of an image of (height, width); says how a mask was read that can be read two ways.

        Raises InvalidInput unless just one is given.
        """
        from radsmith.editing.files import box_mask, noted_mask, polygon_mask

        given = (self.mask_file, self.box, self.polygon)
        names = ("--mask", "--box", "--polygon")
        said = [f"{n} {v}" for n, v in zip(names, given, strict=True) if v is not None]
        if len(said) > 1:
            raise InvalidInput(f"say where once: leave out one of {' and '.join(said)}")
        if self.mask_file is not None:
            mask, note = noted_mask(self.mask_file, shape, self.mask_as)
            if note:
                click.echo(f"  ! {note}", err=True)
            return mask
        if self.box is not None:
            return box_mask(self.box, shape)
        if self.polygon is not None:
            return polygon_mask(self.polygon, shape)
        raise InvalidInput("say where: one of --mask FILE, --box x,y,w,h and --polygon")


def _gathered(
    command: Callable[..., None], name: str, kind: type, options: Sequence[Any]
) -> Callable[..., None]:
    """The command with these options, which it is given as one value of this kind."""

    @wraps(command)
    def run(**given: Any) -> None:
        own = {field: given.pop(field) for field in kind.__annotations__}
        command(**given, **{name: kind(**own)})

    for option in reversed(options):
        option(run)
    return run


def _common(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option("--prompt", default="", help="What it shows; default: as the file says."),
        click.option("-n", "count", type=click.IntRange(1, 1000), default=1, help="Candidates."),
        click.option("--seed", type=int, default=0, help="Of the first; the rest count up."),
        STEPS,
        GUIDANCE,
        out("out"),
        click.option("--force", is_flag=True, help="Overwrite files that are there."),
        click.option("--keep-reference", is_flag=True, help="DICOM: name the source's UIDs."),
        click.option("--strict", is_flag=True, help="Refuse what was weakly learned."),
        SIGN,
        WATERMARK,
        ENGINE,
        MODEL,
        click.option("--frame", type=int, help="DICOM: which of several frames, from 1."),
    )
    return _gathered(command, "shared", _Shared, options)


def _region(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option("--mask", "mask_file", type=click.Path(path_type=Path),
                     help="Picture or NPY: white, 1, paint or a hole is drawn."),
        click.option("--mask-as", type=click.Choice(("auto", "paint", "hole")), default="auto",
                     help="What of a mask with transparency is drawn."),
        click.option("--box", help="x,y,width,height in pixels."),
        click.option("--polygon", help='Corners "x,y x,y x,y …" in pixels.'),
    )  # fmt: skip
    return _gathered(command, "where", _Where, options)


@click.command()
@IMAGE
@_region
@_common
def inpaint(image: Path, where: _Where, shared: _Shared) -> None:
    """Draw a part of IMAGE anew; all other pixels stay as they are, bit for bit."""
    opened = _open(image, shared)
    mask = where.mask(opened.source.shape)
    _run(opened, shared, "inpaint", _asked(shared, "inpaint", mask=mask))


@click.command()
@IMAGE
@click.option("--left", default="0", help="Pixels, or millimetres as 30mm.")
@click.option("--right", default="0")
@click.option("--top", default="0")
@click.option("--bottom", default="0")
@click.option("--canvas", help="WIDTHxHEIGHT to centre the image in, instead of sides.")
@_common
def outpaint(image: Path, canvas: str | None, shared: _Shared, **sides: str) -> None:
    """Continue IMAGE beyond its edges."""
    from radsmith.editing.wording import margins_of

    opened = _open(image, shared)
    lengths = (sides["left"], sides["right"], sides["top"], sides["bottom"])
    margins = margins_of(opened.source, lengths, canvas)
    _run(opened, shared, "outpaint", _asked(shared, "outpaint", margins=margins))


@click.command()
@IMAGE
@click.option("--strength", type=float, default=0.5, help="0 (hardly changed) to 1 (drawn anew).")
@_region
@_common
def vary(image: Path, strength: float, where: _Where, shared: _Shared) -> None:
    """Other versions of IMAGE, or of its masked part."""
    opened = _open(image, shared)
    mask = where.mask(opened.source.shape) if where.said else None
    _run(opened, shared, "vary", _asked(shared, "vary", mask=mask, strength=strength))


@click.command()
@IMAGE
@click.option("--add", "add", help='FINDING or FINDING@SITE, such as "effusion@right lower lobe".')
@click.option("--remove", help="FINDING to take away.")
@click.option("--severity", help="mild, moderate, severe: of the finding named or shown.")
@click.option(
    "--strength",
    type=float,
    help="How freely the region is redrawn, 0-1; default 0.85, or what the finding needs.",
)
@_region
@_common
def change(
    image: Path, strength: float | None, where: _Where, shared: _Shared, **wanted: str | None
) -> None:
    """Add, remove or grade a finding: a matched pair with the difference map and its label.

    Where is taken from --mask, --box or --polygon, else from the site and side that are named.
    """
    from radsmith.editing.files import checked_mask
    from radsmith.editing.request import FindingChange

    opened = _open(image, shared)
    shape = opened.source.shape
    mask, finding = where.mask(shape) if where.said else None, FindingChange(**wanted)
    asked = _asked(shared, "change", strength=strength, finding=finding, mask=mask)
    asked = asked.worded(opened.source)
    if mask is None and asked.mask is not None:
        checked_mask(asked.mask, shape, "the region of the finding")
    name = f"{'remove' if wanted['remove'] else 'add'}-{asked.label.replace(' ', '-')}"
    _run(opened, shared, name, asked)


@click.command()
@IMAGE
@click.argument("other", type=click.Path(path_type=Path))
@click.option("--strength", type=float, default=0.6, help="How freely the middle is redrawn, 0-1.")
@_common
def interpolate(image: Path, other: Path, strength: float, shared: _Shared) -> None:
    """Images on the way from IMAGE to OTHER, -n of them; both must have one size."""
    from radsmith.editing.operations import shares

    one, two = _open(image, shared), _open(other, shared)
    asked = _asked(shared, "interpolate", other=two.source, strength=strength)
    _run(one, shared, "interpolate", asked, shares(shared.count))


@click.command()
@IMAGE
@click.option("--to", "target", default="body", help="leg, arm, pelvis, trunk or body.")
@_common
def extend(image: Path, target: str, shared: _Shared) -> None:
    """Continue a radiograph of one region (a knee, a chest …) to more of the body.

    Writes a map of the distance from real pixels beside the image. Regions that the model never
    learned are drawn as their nearest neighbour and flagged; --strict leaves them black.
    """
    _run(_open(image, shared), shared, target, _asked(shared, "extend", target=target))


def _open(image: Path, shared: _Shared) -> Opened:
    """Read the image, and say once what of its reading must be said."""
    from radsmith.editing.files import open_source

    opened = open_source(image, shared.frame)
    for note in opened.source.notes:
        click.echo(f"  ! {note}", err=True)
    return opened


def _model(shared: _Shared) -> Model:
    from radsmith.engines.choice import chosen

    return model_of(chosen(shared.engine, shared.model))


def _asked(shared: _Shared, operation: str, **parts: Any) -> EditRequest:
    from radsmith.editing.request import EditRequest

    return EditRequest(
        operation=operation,
        prompt=shared.prompt,
        seed=shared.seed,
        settings=_model(shared).settings(steps=shared.steps, guidance=shared.guidance),
        strict=shared.strict,
        **parts,
    )


def _run(
    opened: Opened, shared: _Shared, name: str, asked: EditRequest, shares: Sequence[float] = ()
) -> None:
    """Plan once, say how the prompt was read, make the candidates and write them.

    name: of the files, beside that of the image.  The candidates are of one seed each or, where
    shares are given, of one share each.
    """
    from radsmith.cli.console import say_plan
    from radsmith.cli.edit_names import marked
    from radsmith.cli.terminal import terminal
    from radsmith.files import prepare_folder
    from radsmith.marks.signing import Marks

    numbers = (
        range(1, len(shares) + 1) if shares else range(shared.seed, shared.seed + shared.count)
    )
    Marks(key=shared.sign).check()
    stems, mark = _named(opened, shared, name, numbers)
    prepare_folder(shared.folder)
    model = _model(shared)
    plan = model.plan_edit(asked, opened)
    console = terminal()
    if plan.planned is not None:
        say_plan(console, plan.planned)
    plans = [plan.varied(share=share) for share in shares]
    plans = plans or [plan.varied(seed=seed) for seed in numbers]
    with console.status("drawing") as status:
        made = [model.edit(p, opened, progress=status.update).edited for p in plans]
    edits = [(stem, marked(edit, mark)) for stem, edit in zip(stems, made, strict=True) if edit]
    for flag in edits[-1][1].flags:
        console.print(f"  ! {flag}", style="yellow", soft_wrap=True)
    _write(opened, shared, edits, plan.request.label)


def _named(
    opened: Opened, shared: _Shared, name: str, numbers: Sequence[int]
) -> tuple[list[Path], str]:
    """Files of the candidates without suffix, and the mark of what is asked.

    Where the short name is that of another request, the name says what differs.  Refuses before
    any work what would overwrite a file.
    """
    from radsmith.cli.edit_names import asked_for, made_otherwise, what_differs

    context = click.get_current_context()
    mark = asked_for(context, opened.source.image.digest())

    def stems(*differs: str) -> list[Path]:
        what = "-".join(word for word in (opened.path.stem, name, *differs) if word)
        return [shared.folder / f"{what}-{number}" for number in numbers]

    found = stems()
    if shared.force:
        return found, mark
    if made_otherwise([s.with_name(s.name + opened.suffix) for s in found], mark):
        found = stems(what_differs(context) or mark)
    _refuse_present(opened, found)
    return found, mark


def _refuse_present(opened: Opened, stems: Sequence[Path]) -> None:
    """Refuse before any work what would overwrite a file."""
    from radsmith.editing.files import refuse_present

    endings = [opened.suffix, "-mask.png", "-difference.png", "-distance.png", "-coco.json"]
    endings += ["-sheet.png", "-pair.json", "-distance.dcm"]
    endings += [".json"] if opened.suffix == ".npy" else []
    refuse_present([stem.with_name(stem.name + end) for stem in stems for end in endings])


def _write(
    opened: Opened, shared: _Shared, edits: Sequence[tuple[Path, Edited]], label: str
) -> None:
    """The images, their masks and COCO boxes; a sheet of several; paths on stdout.

    edits: each with its file, but for the suffix.  label: the finding that was changed, or "".
    """
    from radsmith.cli.sheets import write_edit_sheet
    from radsmith.editing.files import (
        write_coco,
        write_difference,
        write_distances,
        write_edited,
        write_mask,
        write_pair,
    )

    if shared.watermark:
        from radsmith.editing.marking import watermarked

        edits = [(stem, watermarked(edited, opened.source)) for stem, edited in edits]
    written = []
    first = edits[0][0]
    for stem, edited in edits:
        path = stem.with_name(stem.name + opened.suffix)
        write_edited(edited, opened, path, keep_reference=shared.keep_reference)
        if shared.sign is not None:
            from radsmith.marks.signing import sign_file

            sign_file(path, edited.record, shared.sign, opened.path.read_bytes())
        written.append((path, edited, label or "drawn"))
        if not edited.mask.all():
            write_mask(edited.mask, stem.with_name(f"{stem.name}-mask.png"))
        if edited.distance is not None:
            write_distances(edited.distance, edited, opened, stem)
        if label:
            write_difference(opened.source, edited, stem.with_name(f"{stem.name}-difference.png"))
            write_pair(opened, edited, path, label)
        click.echo(path)
    removed = first.name.startswith(f"{opened.path.stem}-remove-")
    if not removed and not all(edited.mask.all() for _, edited in edits):
        write_coco(written, first.with_name(f"{first.name}-coco.json"))
    if len(edits) > 1 or label:
        sheet = first.with_name(f"{first.name}-sheet.png")
        write_edit_sheet(sheet, opened.source, [edited for _, edited in edits], first.name)
        click.echo(sheet, err=True)
