"""Commands of releases: release (bundle, withdraw, send), verify, key release."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radsmith.cli.numbers import Real
from radsmith.cli.options import ENGINE, SEEDS
from radsmith.cli.serving import key
from radsmith.errors import NotFound

if TYPE_CHECKING:
    from rich.console import Console

    from radsmith.release.run import Released
    from radsmith.release.verify import Verdict

FILE = click.Path(path_type=Path)
KEY = click.option(
    "--key", "key_file", type=FILE, help="Signing key; default: that of key release."
)
_MOST_SHOWN = 40


class _Release(click.Group):
    """`release SOURCE` is `release bundle SOURCE`; names of subcommands keep their meaning."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = args and (args[0] in self.commands or args[0] in ("--help", "-h"))
        if args and not named:
            args = ["bundle", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Release, no_args_is_help=True)
def release() -> None:
    """Make a signed bundle of images for another institution.

    radsmith release SOURCE -o bundle/ --title TITLE: SOURCE is a review study, a data set or a
    folder of generated images. All options: radsmith release bundle --help.
    """


@release.command()
@click.argument("source", type=FILE)
@click.option("-o", "out", type=FILE, default=Path("bundle"), help="A folder that is not there.")
@click.option("--title", required=True, help="What the bundle is called.")
@click.option("--edition", default="1", help="Its version.")
@click.option("--creator", "creators", multiple=True, help="Whom to cite; default: the signer.")
@click.option("--licence", default="CC-BY-4.0", help="SPDX name, or the name of your own.")
@click.option("--licence-file", type=FILE, help="Its text.")
@click.option("--format", "formats", multiple=True, type=click.Choice(
    ("dicom", "nifti", "webdataset", "coco")), help="Beside PNG with metadata.")  # fmt: skip
@click.option("--bits", type=click.Choice(("8", "16")), default="8", help="Of the PNGs.")
@click.option("--test-share", type=Real(0, 0.9), default=0.2, help="Of the images.")
@click.option("--accepted", type=FILE, help="JSON of verdicts, where SOURCE is no study.")
@click.option("--rule", type=click.Choice(("all", "majority", "adjudicated")),
              default="majority", help="Of a study: who must accept an image.")  # fmt: skip
@click.option("--audit", type=FILE, help="Report folder of the privacy audit.")
@click.option("--without-review", is_flag=True, help="Waive review; the bundle says so.")
@click.option("--without-audit", is_flag=True, help="Waive the audit; the bundle says so.")
@click.option("--with-source-pixels", "source_pixels", is_flag=True,
              help="Let edits leave whose source, perhaps a patient's, stays.")  # fmt: skip
@click.option("--real", type=FILE, help="Data set whose test images the scorecard compares with.")
@click.option("--judge/--no-judge", "judged", default=True, help="Ask the judge for the scorecard.")
@click.option("--credentials/--no-credentials", default=True, help="Sign each image (C2PA).")
@click.option("--watermark", is_flag=True, help="Mark the pixels; not for training sets.")
@click.option("--log/--no-log", default=True, help="Take the review log along: it names readers.")
@KEY
def bundle(key_file: Path | None, bits: str, **options: Any) -> None:
    """Make a bundle of SOURCE: only images that readers accepted and an audit looked at."""

    from radsmith.cli.terminal import terminal
    from radsmith.marks.keys import load_key
    from radsmith.release.request import ReleaseRequest
    from radsmith.release.run import release as make

    version = options.pop("edition")
    request = ReleaseRequest(bits=int(bits), version=version, **options)
    if not request.source.exists():
        raise NotFound(f"nothing at {request.source}: a study, a data set or a folder of images")
    signing = load_key(key_file)
    judge = real = None
    if request.judged:
        from radsmith.evaluation.judge_files import load_judge

        judge = load_judge()
    if request.real is not None:
        from radsmith.evaluation.real_files import real_images

        real = real_images(request.real, "test")
    from radsmith.clock import now

    made = now()
    console = terminal()
    with console.status("reading") as status:

        def tell(what: str, done: int, of: int) -> None:
            status.update(f"{what}: {done} of {of}" if of > 1 else what)

        done = make(request, signing, made, tell, judge, real)
    click.echo(done.folder)
    say_released(console, done)


def say_released(console: Console, done: Released) -> None:
    """What is in a bundle, what is not, and by what it is known."""
    facts = done.facts
    splits = ", ".join(f"{n:,} {split}" for split, n in sorted(facts.splits.items()))
    lines = [f"{len(facts.items):,} images ({splits}) in {', '.join(done.said['formats'])}"]
    lines += [f"  left out {n:,}: {why}" for why, n in facts.left_out.items()]
    lines += [f"  ! waived: {text}" for text in facts.waived]
    lines += [f"  ! {text}" for text in facts.remarks]
    if "nifti" in facts.request.formats and not done.stacks:
        lines.append("  ! no NIfTI: none of these images is a slice of a stack")
    lines.append(f"signed by {facts.signer}; tell receivers this fingerprint another way:")
    lines.append(f"  {facts.fingerprint}")
    for line in lines:
        console.print(line, soft_wrap=True)


@release.command()
@click.argument("bundle", type=FILE)
@click.argument("images", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, for everyone who has them.")
@click.option("-o", "out", type=FILE, help="The list; default: BUNDLE.withdrawn.dsse.json.")
@KEY
def withdraw(
    bundle: Path, images: tuple[str, ...], reason: str, out: Path | None, key_file: Path | None
) -> None:
    """Recall IMAGES of a bundle: a signed list that `radsmith verify` warns by."""

    from radsmith.marks.keys import load_key
    from radsmith.release.withdrawal import list_path
    from radsmith.release.withdrawal import withdraw as recall

    path = out or list_path(bundle)
    from radsmith.clock import now

    made = now()
    found = recall(bundle, images, reason, load_key(key_file), made, path)
    click.echo(path)
    click.echo(
        f"{len(found.files)} files are withdrawn; send the list to everyone who has the bundle,"
        " to lie beside it",
        err=True,
    )


@release.command()
@click.argument("bundle", type=FILE)
@click.argument("to")
@click.option("--report", type=FILE, help="Default: BUNDLE.delivered.jsonl.")
def send(bundle: Path, to: str, report: Path | None) -> None:
    """Send a bundle's DICOM TO an archive; run it again to go on after a stop.

    TO: pacs:CALLED@host:port?aet=OURS (C-STORE) or dicomweb:http://host/path (STOW-RS).
    """

    from radsmith.cli.terminal import terminal
    from radsmith.clock import now
    from radsmith.release.delivery import deliver, report_path

    path = report or report_path(bundle)
    console = terminal()
    with console.status("sending") as status:
        done = deliver(
            bundle,
            to,
            path,
            now,
            lambda number, of: status.update(f"sending {number + 1} of {of}"),
        )
    click.echo(path)
    lines = [f"{done.sent:,} objects stored, {done.before:,} were there before"]
    if done.withdrawn:
        lines.append(f"! {done.withdrawn:,} are withdrawn and were not sent")
    lines += [f"✗ {name}: {said}" for name, said in list(done.refused.items())[:_MOST_SHOWN]]
    for line in lines:
        console.print(line, soft_wrap=True)
    if done.refused:
        console.print(f"{len(done.refused):,} were refused: see {path}", soft_wrap=True)
        sys.exit(1)


@key.command("release")
@click.option("--signer", required=True, help="Who signs: name and institution, shown to all.")
@click.option("-o", "path", type=FILE, help="Default: ~/.config/radsmith.")
def key_release(signer: str, path: Path | None) -> None:
    """Make the key that signs releases and content credentials; show its fingerprint."""
    from radsmith.marks.keys import default_key, make_key, public_path

    path = path or default_key()
    made = make_key(path, signer)
    click.echo(f"{path}: keep it secret; it has no password")
    click.echo(f"{public_path(path)}: give it to whoever gets bundles")
    click.echo(f"{made.public.fingerprint}  {made.public.signer}")


@click.command()
@click.argument("bundle", type=FILE)
@click.option("--key", "key_file", type=FILE, help="The signer's .pub file.")
@click.option("--fingerprint", help="Or its fingerprint, as the signer told it.")
@click.option("--any-signer", is_flag=True, help="Check that it is whole, not whose it is.")
@click.option("--sample", type=click.IntRange(0, 10**6), default=3, help="Images to draw again.")
@click.option("--seed", type=SEEDS, help="Of the sample; default: another one each time.")
@click.option("--withdrawn", type=FILE, help="List of withdrawn images; default: beside BUNDLE.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@ENGINE
@click.option("--model", type=FILE, help="A .radsmith file or model folder to draw with.")
def verify(
    bundle: Path,
    key_file: Path | None,
    fingerprint: str | None,
    any_signer: bool,
    sample: int,
    seed: int | None,
    withdrawn: Path | None,
    as_json: bool,
    engine: str | None,
    model: Path | None,
) -> None:
    """Check a BUNDLE offline: whole, by whom, and what it says. Exit 1 where it is not."""
    from radsmith.cli.terminal import terminal
    from radsmith.engines.choice import chosen, load_engine
    from radsmith.errors import InvalidInput
    from radsmith.files import read_bytes
    from radsmith.marks.keys import checked_fingerprint, load_public
    from radsmith.release.integrity import Trust
    from radsmith.release.verify import VerifyRequest
    from radsmith.release.verify import verify as check

    if sum((key_file is not None, fingerprint is not None, any_signer)) != 1:
        raise InvalidInput(
            "say whom you expect: --key FILE.pub or --fingerprint sha256:…, as the signer told you"
            " another way; --any-signer checks only that the bundle is whole"
        )
    trust = Trust(
        key=load_public(key_file) if key_file else None,
        fingerprint=checked_fingerprint(fingerprint) if fingerprint is not None else "",
    )
    choice = chosen(engine, model)
    if choice is not None:
        load_engine(choice)  # one that was asked for must be there
    if withdrawn is not None:
        read_bytes(withdrawn)  # and so must a list be
    request = VerifyRequest(
        bundle=bundle,
        trust=trust,
        sample=sample,
        seed=seed,
        choice=choice,
        withdrawn=withdrawn,
    )
    console = terminal()
    with console.status("hashing files") as status:
        verdict = check(request, status.update)
    if as_json:
        _as_json(verdict)
    else:
        say_verdict(verdict)
    if not verdict.holds:
        sys.exit(1)


def _as_json(verdict: Verdict) -> None:
    import json

    said = {
        "holds": verdict.holds,
        "signer": verdict.signer,
        "fingerprint": verdict.fingerprint,
        "findings": [{"kind": f.kind, "path": f.path, "text": f.text} for f in verdict.findings],
        "warnings": verdict.warnings,
        "checked": verdict.checked,
        "unchecked": verdict.unchecked,
        "statement": dict(verdict.said),
    }
    click.echo(json.dumps(said, indent=1, ensure_ascii=False))


def say_verdict(verdict: Verdict) -> None:
    """What was found, what was looked at and what was not."""
    from radsmith.cli.terminal import terminal

    console = terminal(results=True)
    for finding in verdict.findings[:_MOST_SHOWN]:
        console.print(f"✗ {finding}", soft_wrap=True, style="red")
    if len(verdict.findings) > _MOST_SHOWN:
        console.print(f"… and {len(verdict.findings) - _MOST_SHOWN} more: --json has them all")
    for text in verdict.checked:
        console.print(f"  checked: {text}", soft_wrap=True)
    for text in verdict.unchecked:
        console.print(f"  not checked: {text}", soft_wrap=True)
    for text in verdict.warnings:
        console.print(f"! {text}", soft_wrap=True, style="yellow")
    if verdict.said:
        title, made = verdict.said.get("title", ""), str(verdict.said.get("made", ""))[:10]
        console.print(f"“{title}” of {made}, signed by {verdict.signer}", soft_wrap=True)
        console.print(f"  {verdict.fingerprint}", soft_wrap=True)
    ending = "the bundle holds" if verdict.holds else "the bundle does NOT hold"
    console.print(ending, style="bold green" if verdict.holds else "bold red")
