"""The bundle's pages for people: data card (the first page), model card, citation. Pure text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from radsmith.images.provenance import NOTICE
from radsmith.release.catalogue import cite
from radsmith.release.facts import Facts

_MOST_SOURCES = 60
_PASSED = (
    "Nothing was waived: readers accepted every image, and a privacy audit no older than the images"
    " looked for copies."
)
_SAID = {
    "dataLimitations": "What it is not good for",
    "dataBiases": "Biases",
    "personalSensitiveInformation": "Privacy",
    "dataUseCases": "What it is for",
    "dataSocialImpact": "Effects on others",
}


def data_card(facts: Facts, counts: Mapping[str, int], limits: Mapping[str, str]) -> str:
    """README.md of the payload, with the head that Hugging Face's hub reads."""
    request = facts.request
    notes = "".join(f"> **Waived:** {text}\n>\n" for text in facts.waived)
    notes += "".join(f"> **Note:** {text}\n>\n" for text in facts.remarks)
    rows = "\n".join(f"| {name} | {n:,} |" for name, n in counts.items())
    left = "\n".join(f"- {n:,} {why}" for why, n in facts.left_out.items()) or "- nothing"
    parts = [
        _head(facts),
        f"# {request.title}",
        f"{len(facts.items):,} synthetic radiology images, version {request.version}. {NOTICE}",
        notes.rstrip("\n>") if notes else _PASSED,
        _gates(facts),
        f"Signed by {facts.signer}, key `{facts.fingerprint}`. Check it against a fingerprint"
        " that came another way: `radsmith verify BUNDLE --fingerprint sha256:…`.",
        f"## Images\n\n| what | how many |\n|---|---|\n{rows}",
        f"Left out of what was offered for release:\n\n{left}",
        "## Loading\n\n```python\nfrom datasets import load_dataset\n\n"
        'images = load_dataset("imagefolder", data_dir="data/images")\n```\n\n'
        "`images.csv` has a line an image, `provenance.jsonl` the whole record: model, digest,"
        " seed, settings. `croissant.json` and `ro-crate-metadata.json` say the same to machines."
        f"{_formats(facts, counts.get('stacks', 0))}",
        "## Limits\n\n"
        + "\n\n".join(f"**{_SAID[name]}.** {text}" for name, text in limits.items()),
        "## Measured\n\n`scorecard.html` has the figures, and says what was not measured.",
        f"## Citation\n\n{cite(facts)} Licence: {request.licence}.",
    ]
    return "\n\n".join(parts) + "\n"


def rai(facts: Facts) -> dict[str, str]:
    """Properties of Croissant's RAI vocabulary, by their names there."""
    models = ", ".join(sorted({name for name, _ in facts.models}))
    privacy = "Synthetic images; no patient was imaged for them."
    if facts.edited_sources:
        privacy += (
            f" {facts.edited_sources} of them are edits that hold pixels of images outside this"
            " bundle, which may be patients'."
        )
    privacy += (
        f" Audit: {facts.audit.sentence}" if facts.audit else " No privacy audit was made (waived)."
    )
    return {
        "dataLimitations": "Drawn by a generative model from a prompt: findings, anatomy and"
        " physics may be wrong in ways no check here finds. Not for diagnosis, and no evidence of"
        " a device's performance on patients.",
        "dataBiases": f"Those of the training data of {models}, and of the prompts that were"
        " chosen; model-card.md counts the former, images.csv the latter.",
        "personalSensitiveInformation": privacy,
        "dataUseCases": "Teaching, software tests, and research on training with synthetic images,"
        " measured on real ones.",
        "dataSocialImpact": "Images of diseases that nobody had can mislead where their origin is"
        " lost; every file says that it is synthetic.",
    }


def model_card(facts: Facts, sidecars: Mapping[str, Mapping[str, Any]]) -> str:
    """What is known of the models. sidecars: by digest, the model's own description."""
    parts = ["# Models"]
    for (name, digest), n in sorted(facts.models.items()):
        lines = [f"## {name}", f"Digest `{digest}`; {n:,} images of this bundle."]
        said = sidecars.get(digest)
        if said is None:
            lines.append("Its own description did not lie with the machine that made the bundle.")
        else:
            sources = said.get("sources", {})
            listed = list(sources.items())[:_MOST_SOURCES]
            rows = "\n".join(
                f"| {key} | {s.get('images', '')} | {_cell(s.get('licence', ''))} |"
                for key, s in listed
            )
            lines.append(f"| source | images | licence as found |\n|---|---|---|\n{rows}")
            if len(sources) > len(listed):
                lines.append(f"… and {len(sources) - len(listed)} more.")
            together = said.get("images_per_concept", {})
            lines.append(f"Trained on images of {len(together)} concepts.")
        parts += lines
    return "\n\n".join(parts) + "\n"


def citation(facts: Facts) -> str:
    """CITATION.cff 1.2.0."""
    request = facts.request
    names = request.creators or (facts.signer,)
    lines = [
        "cff-version: 1.2.0",
        "message: Please cite this data set as below.",
        "type: dataset",
        f"title: {_quoted(request.title)}",
        f"version: {_quoted(request.version)}",
        f"date-released: {facts.made[:10]}",
        f"license: {request.licence}"
        if facts.licence_url != "LICENSE"
        else f"license-url: {_quoted('LICENSE')}",
        "authors:",
        *(f"  - name: {_quoted(name)}" for name in names),
    ]
    return "\n".join(lines) + "\n"


def licence(facts: Facts, text: str) -> str:
    """LICENSE: the text that was given, else the licence's name and where its text is."""
    if text:
        return text
    request = facts.request
    if facts.licence_url == "LICENSE":
        return f"{request.licence}\n\nThe text of this licence was not given with the bundle.\n"
    return f"{request.title} is licensed under {request.licence}: {facts.licence_url}\n"


def bag_info(facts: Facts) -> dict[str, str]:
    """bag-info.txt, but for the size that the bag itself adds."""
    said = {
        "Source-Organization": facts.signer,
        "Bagging-Date": facts.made[:10],
        "External-Description": f"{facts.request.title}: {len(facts.items)} synthetic radiology"
        f" images. {NOTICE}",
        "Bag-Software-Agent": "radsmith",
    }
    if facts.waived:
        said["Waived"] = "; ".join(facts.waived)
    return said


def _head(facts: Facts) -> str:
    """The YAML head of a data card; strings as JSON, which is YAML."""
    known = facts.licence_url != "LICENSE"
    files = [
        {"split": split, "path": f"images/{split}/**"}
        for split in sorted(facts.splits, reverse=True)
    ]
    lines = [
        "---",
        f"pretty_name: {_quoted(facts.request.title)}",
        f"license: {facts.request.licence.lower() if known else 'other'}",
        "tags: [synthetic, radiology]",
        "configs:",
        "  - config_name: default",
        f"    data_files: {json.dumps(files)}",
        "---",
    ]
    return "\n".join(lines)


def _gates(facts: Facts) -> str:
    said = []
    if facts.review is not None:
        said.append(
            f"Review: {len(facts.items):,} of the images that readers accepted, by the rule"
            f" “{facts.review.rule}”; {facts.review.rejected:,} were rejected and"
            f" {facts.review.undecided:,} left undecided. Study {facts.review.study}, head of its"
            f" log `{facts.review.log_head}`."
        )
    if facts.audit is not None:
        made = facts.audit.made.isoformat(timespec="minutes")
        said.append(f"Privacy audit of {made}: {facts.audit.sentence}")
    return "\n\n".join(said) or "No gate was passed: see what was waived above."


def _formats(facts: Facts, stacks: int) -> str:
    where = {
        "dicom": "`dicom/`: an object an image, with new UIDs and Synthetic Data (0008,001C) = YES."
        " Some de-identification tables remove that attribute; tell your archive to keep it.",
        "nifti": f"`nifti/`: {stacks} stacks as volumes; single images are no stacks and lie in"
        " `images/` alone.",
        "webdataset": "`shards/`: the same PNGs as WebDataset.",
        "coco": "`annotations/coco.json`: boxes and masks of what edits drew.",
    }
    said = [where[name] for name in facts.request.formats]
    return "".join(f"\n\n{text}" for text in said)


def _quoted(text: str) -> str:
    return json.dumps(" ".join(text.split()), ensure_ascii=False)


def _cell(text: object) -> str:
    return " ".join(str(text).replace("|", "/").split())
