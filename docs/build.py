"""Writes docs/commands.md from the command line and docs/model-card.md from the model's sidecar.

`python docs/build.py` writes; a test checks that what is there is what would be written.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from radsmith.cli import cli
from radsmith.engines.model_files import SIDECAR, default_folder
from radsmith.evaluation.audit.page import audit_tables
from radsmith.evaluation.rebuild_page import rebuild_tables
from radsmith.evaluation.report_page import evaluation_tables
from radsmith.generation.plan import WEAK
from radsmith.images.contact_sheet import Table
from radsmith.language.vocabulary import default_vocabulary

HERE = Path(__file__).parent


def commands() -> str:
    """Every command's help."""
    parts = ["# Commands\n\nWritten by `make docs` from the commands themselves."]
    for name, command in sorted(cli.commands.items()):
        parts += _helps(name, command)
    return "\n\n".join(parts) + "\n"


def _helps(name: str, command: click.Command) -> list[str]:
    """A command's help, then that of its own commands."""
    context = click.Context(command, info_name=f"radsmith {name}", max_content_width=88)
    parts = [f"## {name}\n\n```text\n{command.get_help(context)}\n```"]
    for own, part in sorted(getattr(command, "commands", {}).items()):
        parts += _helps(f"{name} {own}", part)
    return parts


def model_card() -> str:
    """Data, licences, coverage and figures of the shipped model."""
    facts = json.loads((default_folder() / SIDECAR).read_text(encoding="utf-8"))
    parts = [(HERE / "model-card-text.md").read_text(encoding="utf-8").strip()]
    parts.append(f"## Identity\n\n`{facts['name']}`, digest `{facts['digest']}`")
    rows = "\n".join(
        f"| {stage} | {e['step']:,} | {e['samples']:,} | {e['seconds'] / 3600:.1f} | {e['phase']} "
        f"| {e['held_out']:.3f} | {', '.join(f'{k}: {v:.3f}' for k, v in e['kid'].items())} "
        f"| {e['copies']:.1%} |"
        for stage, e in facts["training"].items()
    )
    parts.append(
        "## Training\n\nOn held-out patients of the training split. Held-out loss: squared error "
        "over that of the closed-form prior (base), in units of the residual's spread (finer "
        "stages, which the second phase lets rise: a drawing is not a mean). Texture: kernel "
        "distance to real images in the closed-form space that checkpoints are chosen by, by "
        "octave, each finer stage on real input. Near-copies: nearer to a training image than "
        "99 % of held-out ones are.\n\n| stage | steps | samples | core-hours | phase "
        "| held-out loss | texture "
        f"| near-copies |\n|---|---|---|---|---|---|---|---|\n{rows}"
    )
    parts.append(_measured())
    parts += _audited(facts["digest"])
    parts.append(_coverage(facts))
    parts.append(_sources(facts))
    return "\n\n".join(parts) + "\n"


def measured() -> tuple[dict, dict, dict]:
    """The reports of `radsmith evaluate` and `radsmith probe --erase` that the card quotes."""
    names = ("evaluation", "probe", "rebuild")
    one, two, three = (
        json.loads((HERE / f"{name}.json").read_text(encoding="utf-8")) for name in names
    )
    return one, two, three


def _measured() -> str:
    evaluation, probe, rebuilt = measured()
    settings = evaluation["settings"]
    parts = [
        "## Measured\n\n"
        f"On the {evaluation['split']} split, which nobody trained on, {evaluation['date']}, "
        f"{settings['num_steps']} steps, guidance {settings['guidance_scale']}, seed "
        f"{settings['seed']}: `radsmith evaluate --data DATA --steps "
        f"{settings['num_steps']} --guidance {settings['guidance_scale']}` and "
        f"`radsmith probe -n {probe['prompts'][0]['images']}`.\n\n"
        "![Best and worst images by the judge](samples.png)"
    ]
    rows = "\n".join(
        f"| {p['prompt']} | {p['training_images']:,} | {p['standing']} | "
        + (f"{p['right']} of {p['images']} |" if p["judge_knows"] else "the judge cannot tell |")
        for p in probe["prompts"]
    )
    parts.append(
        "### The 17 plain prompts\n\nRight: the judge names modality and body part as asked.\n\n"
        f"| prompt | training images | standing | right |\n|---|---|---|---|\n{rows}"
    )
    parts += [_table(table) for table in evaluation_tables(evaluation)]
    parts.append(
        "## Editing\n\n`radsmith probe -n 4 --erase DATA` on radiographs of the test split."
    )
    parts += [_table(table) for table in rebuild_tables(rebuilt)]
    return "\n\n".join(parts)


def _audited(digest: str) -> list[str]:
    """The privacy audit of the shipped model, where one was kept; with a word where it is of
    another model."""
    path = HERE / "audit.json"
    if not path.is_file():
        return []
    report = json.loads(path.read_text(encoding="utf-8"))
    other = "" if report["model"] == digest else f" (of an earlier model, `{report['model'][:12]}`)"
    parts = [
        f"## Privacy audit\n\n**{report['verdict']['sentence']}**\n\n`radsmith audit`"
        f" {report['made'][:10]}{other}: {report['synthetic']['images']} synthetic images against"
        f" {report['training']['images']:,} training images; {report['verdict']['rule']}"
        " See [audit](audit.md)."
    ]
    return parts + [_table(table) for table in audit_tables(report)]


def _table(table: Table) -> str:
    head = "| " + " | ".join(table.columns) + " |\n" + "|---" * len(table.columns) + "|"
    body = "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in table.rows)
    note = f"{table.note}\n\n" if table.note else ""
    return f"### {table.title}\n\n{note}{head}\n{body}"


def _coverage(facts: dict) -> str:
    vocabulary = default_vocabulary()
    images = {c: n for c, n in facts["images_per_concept"].items() if not c.startswith("style:")}
    rows = "\n".join(
        f"| {vocabulary[c].kind.replace('_', ' ')} | {vocabulary[c].name} | {n:,}"
        f"{' (weak)' if n < WEAK else ''} |"
        for c, n in sorted(images.items(), key=lambda item: (item[0].partition(":")[0], -item[1]))
    )
    return (
        f"## Training images per concept\n\nBelow {WEAK} is weak: radsmith warns, and strict mode "
        f"refuses. Concepts not listed were never learned.\n\n| kind | concept | images |\n"
        f"|---|---|---|\n{rows}"
    )


def _sources(facts: dict) -> str:
    rows = "\n".join(
        f"| {name} | {s['images']:,} | {s['licence_class']} | {s['licence'].replace('|', '/')} "
        f"| {s['repository'].replace('|', '/')} |"
        for name, s in sorted(facts["sources"].items(), key=lambda item: -item[1]["images"])
    )
    return (
        "## Sources\n\n“permissive” was read at the origin or its documentation; “check” is what "
        "the publisher states.\n\n| source | images | class | licence | repository |\n"
        f"|---|---|---|---|---|\n{rows}"
    )


if __name__ == "__main__":
    (HERE / "commands.md").write_text(commands(), encoding="utf-8")
    (HERE / "model-card.md").write_text(model_card(), encoding="utf-8")
