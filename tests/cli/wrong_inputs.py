"""Wrong inputs for every command: general ones by the kind of each parameter, and some of its own.

A command's own usage is `BASE`; one parameter at a time is then given something wrong.
"""

from __future__ import annotations

import io
import zipfile

import click
import numpy as np
from PIL import Image as Picture

from radsmith.cli import cli
from radsmith.review.design import Design
from radsmith.review.gathering import gather
from radsmith.review.study import NewStudy, create_study
from radsmith.teaching.compose import Labelled
from radsmith.teaching.sets import NewSet, create_set
from tests.release.making import MADE, bundled, key_in, source

LONG = "x" * 5000
NUMBERS = ("abc", "", "1.5.2", "--", "1e", "0x10", "½", "1,000", "nan", "1_0_")
WHOLE = (*NUMBERS, "1.5", "inf", "-99999999999999999999", "99999999999999999999")
REAL = (*NUMBERS, "-inf", "-1e308", "1e400")
CHOICES = ("nonsense", "", "PNG ", "0")
USAGE = (("--nonsense",), ("--nonsense=1", "x"), ("-Z",), ("--help-me", "now"))


def _flat(command, name=""):
    """(name with the group's, command) of every command; a group that does something by itself is
    a command too."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    if name and command.invoke_without_command:
        yield name, command
    for inner, below in command.commands.items():
        yield from _flat(below, f"{name} {inner}".strip())


COMMANDS = dict(_flat(cli))

# What the commands are given where nothing is wrong: {name} is a file or folder of `lay_out`.
BASE = {
    "generate": ["knee x-ray", "-o", "{out}", "--steps", "1"],
    "explain": ["knee x-ray"],
    "inspect": ["{pictures/image-0.png}"],
    "demo": ["-o", "{out}"],
    "inpaint": ["{gray.png}", "--box", "1,1,9,9", "-o", "{out}", "--steps", "1"],
    "outpaint": ["{gray.png}", "--left", "9", "-o", "{out}", "--steps", "1"],
    "vary": ["{gray.png}", "-o", "{out}", "--steps", "1"],
    "change": ["{gray.png}", "--add", "pneumonia", "--prompt", "chest x-ray", "-o", "{out}"],
    "interpolate": ["{gray.png}", "{gray.png}", "-o", "{out}", "--steps", "1"],
    "extend": ["{gray.png}", "--prompt", "knee x-ray", "-o", "{out}"],
    "report": ["{report.txt}"],
    "deidentify": ["{folder}", "-o", "{out}"],
    "import": ["{folder}", "-o", "{out}", "--modality", "x-ray"],
    "augment": ["{dataset}", "--target", "9", "-o", "{out}"],
    "finetune": ["{dataset}", "-o", "{out}.radsmith"],
    "evaluate": ["--data", "{dataset}", "-o", "{out}"],
    "probe": ["-o", "{out}"],
    "judge": ["{dataset}", "-o", "{out}"],
    "encoder": ["-o", "{out}.onnx"],
    "simulate": ["{folder}", "-o", "{out}"],
    "train": ["{config.toml}"],
    "serve": ["--port", "0", "--data", "{out}"],
    "work": ["--db", "postgresql://ann:x@127.0.0.1:9/radsmith", "--blobs", "{out}"],
    "key": ["--data", "{folder}"],
    "key release": ["--signer", "Dr Ann", "-o", "{out}.key"],
    "audit": [
        *("{pictures}", "--train", "{pictures}", "--held-out", "{pictures}"),
        *("-o", "{out}", "--features", "pixels"),
    ],
    "train-detector": ["{dataset}", "-o", "{out}"],
    "evaluate utility": [
        *("{dataset}", "--synthetic", "{pictures}", "-o", "{out}"),
        *("--features", "texture", "--no-network"),
    ],
    "release bundle": [
        *("{pictures}", "-o", "{out}", "--title", "a set", "--without-review", "--without-audit"),
        *("--no-judge", "--no-credentials", "--key", "{own.key}"),
    ],
    "release withdraw": [
        *("{bundle}", "image-0", "--reason", "a fault", "-o", "{out}", "--key", "{own.key}"),
    ],
    "release send": ["{bundle}", "dicomweb:http://127.0.0.1:9/dicom", "--report", "{out}"],
    "verify": ["{bundle}", "--key", "{own.pub}", "--sample", "0"],
    "review new": ["{out}", "--images", "{pictures}", "--reader", "ann", "--reader", "bob"],
    "review open": ["{study}", "--port", "0", "--data", "{out}"],
    "review person": ["ann", "--data", "{out}"],
    "review demo": ["-o", "{out}"],
    "review accepted": ["{study}"],
    "review admit": ["{study}", "-o", "{out}"],
    "review agreement": ["{ratings.csv}"],
    "review sampling": ["--lot", "1000", "--read", "50", "--rate", "0.1", "--good", "0.01"],
    "review report": ["{study}", "-o", "{out}"],
    "review gate": ["{study}", "-o", "{out}"],
    "review export": ["{study}", "-o", "{out}.csv"],
    "review import": ["{study}", "{ratings.csv}"],
    "teach new": ["fresh", "--images", "{labels.csv}", "--unreviewed", "--data", "{out}"],
    "teach accept": ["lungs", "{study}", "--data", "{school}"],
    "teach list": ["--data", "{school}"],
    "teach results": ["lungs", "--data", "{school}"],
    "teach forget": ["lungs", "ann", "--data", "{school}"],
    "teach export": ["lungs", "--as", "csv", "-o", "{out}.csv", "--data", "{school}"],
}
# Files that are wrong for whatever reads a file, an image, a list, a model or a folder.
WRONG_FILES = (
    "gone", "gone/deeper/still.png", "folder", "empty", "junk.bin", "junk.png", "text.dcm",
    "cut.dcm", "object.npy", "cut.npy", "junk.tif", "bad.json", "deep.json",
    "other.json", "bad.csv", "page.svg",
    "bare.xml", "many.xml",
    "text.png", "latin.txt", "cut.png", "zip.png", "dangling", "/dev/null", "nul.txt", "gray.png/x",
    LONG,
)  # fmt: skip
# What a parameter stands for: it takes its place.
INSTEAD = {
    "mask_file": ("--box",),
    "polygon": ("--box",),
    "accepted": ("--without-review",),
    "audit": ("--without-audit",),
    "fingerprint": ("--key",),
    "history": ("--images",),
}
FLAGS = ("--without-review", "--without-audit")
# Places where nothing can be written.
WRONG_PLACES = ("empty/out", "/dev/null/out", "/proc/nope/out", f"{LONG}/out", LONG)


def lay_out(folder):
    """The files that the wrong inputs name."""
    rng = np.random.default_rng(0)
    gray = Picture.fromarray(rng.integers(0, 255, (48, 40), np.uint8))
    stream = io.BytesIO()
    gray.save(stream, "PNG")
    array = io.BytesIO()
    np.save(array, np.array([{}, None], dtype=object), allow_pickle=True)
    (folder / "folder").mkdir()
    (folder / "dataset").mkdir()
    files = {
        "gray.png": stream.getvalue(),
        "empty": b"",
        "junk.bin": rng.bytes(3000),
        "junk.png": b"\x89PNG\r\n\x1a\n" + rng.bytes(3000),
        "text.dcm": b"not an image, but words\n" * 40,
        "text.png": b"not an image, but words\n" * 40,
        "cut.dcm": b"\0" * 128 + b"DICM" + rng.bytes(60),
        "object.npy": array.getvalue(),
        "cut.npy": array.getvalue()[:90],
        "junk.tif": b"II*\0" + rng.bytes(500),
        "bad.json": b'{"file": 1, ]',
        "other.json": b'{"a": [1]}',
        "deep.json": b"[" * 5000,
        "bad.csv": b'file,prompt\n"a,b\n',
        "page.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "bare.xml": b"<report><uId id='1'/></report>",
        "many.xml": b"<!DOCTYPE a [<!ENTITY b '" + b"c" * 99 + b"'>]><a>&b;&b;</a>",
        "types.toml": b"data = 3\nstate = 4\n",
        "stages.toml": b"data = 'gone'\nstate = 'gone'\nstages = ['nonsense']\n",
        "table.toml": b"[data]\nstate = 'gone'\n",
        "latin.txt": "Befund: keine Brüche.\n".encode("latin-1"),
        "cut.png": stream.getvalue()[:300],
        "nul.txt": b"\0" * 4096,
        "report.txt": b"IMPRESSION: no fracture.",
        "config.toml": b"data = 'gone'\n",
        "ratings.csv": b"case,reader,value\na,ann,1\na,bob,2\nb,ann,1\nb,bob,1\n",
        "folder/notes.doc": b"nothing to import",
        "labels.csv": b"file,source,finding\ngray.png,synthetic,nodule\n",
        "dataset/train.csv": (
            b"key,shard,modality,body_part,view,technique,findings,source,patient_id\n"
            b"a,train-00000.tar,x-ray,chest,PA,,pneumonia,own,p\n"
        ),
    }
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("a.txt", "a")
    files["zip.png"] = zipped.getvalue()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "dataset" / "test.csv").write_bytes(files["dataset/train.csv"])
    (folder / "dangling").symlink_to(folder / "nowhere")
    _lay_out_reviewed(folder)


def _lay_out_reviewed(folder):
    """Pictures, a key, a bundle and a study of them that nobody has read."""
    source(folder / "pictures", 2)
    key = key_in(folder, "own")
    bundled(folder / "pictures", folder / "bundle", key, formats=("dicom",))
    design = Design(controls=0, repeats=0, reads=2, phases=1)
    images = gather(folder / "pictures")
    asked = NewStudy(name="own", images=images, readers=("ann", "bob"), design=design)
    create_study(folder / "study", asked, MADE, lambda *_: None)
    image = Labelled(
        file=str(folder / "pictures" / "image-0.png"),
        sha256="0" * 64,
        synthetic=True,
        group="chest x-ray",
        findings=("nodule",),
    )
    new = NewSet(title="own", images=[image], learned={})
    create_set(folder / "school" / "teaching" / "lungs", new, MADE, lambda *_: None)


def cases(least=32):
    """(command, what is wrong, arguments, what the message must name): of each command its own, and
    of the others every n-th so that there are at least so many; 0: all of them."""
    for name in COMMANDS:
        whole = [case for case in _all() if case[0] == name]
        if least and len(whole) > least:
            whole = [whole[round(n * (len(whole) - 1) / (least - 1))] for n in range(least)]
        yield from whole


def _all():
    for name, command in COMMANDS.items():
        for extra in USAGE:
            yield name, extra[0], [*BASE[name], *extra], extra[0].split("=")[0]
        if any(isinstance(p, click.Argument) and p.required for p in command.params):
            yield name, "nothing at all", [], "Missing"
        if not any(isinstance(p, click.Argument) and p.nargs == -1 for p in command.params):
            yield name, "one word too many", [*BASE[name], "surplus", "surplus"], "surplus"
        for parameter in command.params:
            for value in values_of(name, parameter):
                what = f"{parameter.opts[0]} {value[:40]}"
                yield name, what, given(name, parameter, value), value


def values_of(name, parameter):
    """What is wrong for a parameter, by its kind."""
    kind = parameter.type
    if getattr(parameter, "is_flag", False):
        return ()
    if (name, parameter.name) in OWN:
        return OWN[name, parameter.name]
    if isinstance(kind, click.Choice):
        return CHOICES
    if isinstance(kind, (click.IntRange, click.types.IntParamType)):
        return WHOLE
    if isinstance(kind, (click.FloatRange, click.types.FloatParamType)):
        return REAL
    if isinstance(kind, click.Path):
        return WRONG_PLACES if "-o" in parameter.opts else WRONG_FILES
    return ()


def given(name, parameter, value):
    """The arguments of the base with this one in the parameter's place."""
    base = list(BASE[name])
    for option in INSTEAD.get(parameter.name, ()):
        if option in base:
            at = base.index(option)
            base = [*base[:at], *base[at + (1 if option in FLAGS else 2) :]]
    if parameter.nargs == 2:
        return [*base, parameter.opts[0], *value.split(" ")]
    if parameter.name == "list_file":
        base = base[1:]
    if isinstance(parameter, click.Argument):
        arguments = [p for p in COMMANDS[name].params if isinstance(p, click.Argument)]
        at = arguments.index(parameter)
        return [*base[:at], value, *base[at + 1 :]] if at < len(base) else [*base, value]
    for opt in parameter.opts:
        if opt in base:
            at = base.index(opt)
            return [*base[:at], opt, value, *base[at + 2 :]]
    return [*base, parameter.opts[0], value]


ENGINES = ("nonsense", "diffusers:", "openai:", "openai:model", "openai:m@ftp://x", "onnx:x", "")
MARGINS = ("-5", "30miles", "nan", "", "1e9mm", "9" * 30, "5 5")
BOXES = ("1,1", "a,b,c,d", "-1,0,5,5", "0,0,0,0", "0,0,999,999", "1,1,9,9,9", "nan,0,1,1", "")
POLYGONS = ("1,1 2,2", "x", "nan,nan 1,1 2,2", "1e9,0 0,1e9 5,5", "", "1;1 2;2 3;3")
FINDINGS = ("blorp", "", "@", "pneumonia@moon", "pneumonia, blorp", "no pneumonia")
PROMPTS = ("", "blorp", " ", "\N{GRINNING FACE}", LONG, "radiografia del torace con polmonite")
NAMES = ("blorp", "", "42", "\N{GRINNING FACE}")
SEEDS = ("-1", "9" * 30, "x", "1.5", "")
ADDRESSES = ("ftp://x", "x", "localhost", "//x")
DATABASES = ("mysql://x/y", "nonsense", "sqlite:////proc/nope/x.db", "://", "redis:x")
SETS = ("", " ", "Up", "a b", "../x", "x/y", "-", "x" * 61, LONG, "ü")
SCHOOLS = ("gone", "empty", "gray.png/x", LONG, "/dev/null", "junk.bin", "cut.dcm", "/proc/nope")
WORDS = ("text.dcm", "text.png", "latin.txt", "bad.json", "deep.json", "other.json", "bad.csv")
TEXTS = tuple(f for f in WRONG_FILES if f not in WORDS)
FOREIGN = (
    "Röntgenbild der Lunge mit Erguss", "radiographie du genou avec fracture", "胸部X線写真",
    "рентген грудной клетки", "radiografía de tórax con neumonía", "blorp blorp", "!!!", "12345",
)  # fmt: skip
ENDINGS = ("mine", "mine.pt", "mine.onnx.gz", "mine.ONN", "mine.json", ".onnx/mine", "x.", "onnx")
PATHS = ("gone", "gone/deeper/still.png", "dangling", "gray.png/x", "folder", LONG)
SPACES = ("blorp", "", "pixels,blorp", "gone.onnx", ",", "PIXELS")
FOLDERS = tuple(f for f in WRONG_FILES if f != "gray.png/x")
OWN = {
    ("report", "file"): (
        *TEXTS,
        "record.png",
        "none.txt",
        "gone.xml",
        "gone.dcm",
        "~",
        "folder/",
    ),  # words are a report, whatever the file is called
    ("deidentify", "sources"): TEXTS,
    ("deidentify", "secret"): ("folder", "empty", "gray.png/x", "/proc/nope/secret", f"{LONG}/x"),
    ("import", "secret"): ("folder", "empty", "gray.png/x", "/proc/nope/secret", f"{LONG}/x"),
    ("import", "sources"): ("gone", "empty", "junk.bin", "text.dcm", "dicomweb:", "pacs:x", LONG),
    ("import", "modality"): NAMES,
    ("import", "labels"): tuple(f for f in WRONG_FILES if f != "bad.csv"),  # one row is told
    ("import", "body_part"): NAMES[:1] + NAMES[2:],
    ("import", "windows"): NAMES,
    ("import", "source"): (),
    ("key", "data"): (
        "gone",
        "empty",
        "gray.png/x",
        LONG,
        "/dev/null",
        "junk.bin",
        "cut.dcm",
        "empty/a",
        "/proc/nope",
        "gone/deeper",
    ),
    ("key", "name"): ("", " ", LONG, "\t", "x" * 101),
    ("key", "key_id"): ("nonsense", "", LONG, "rsk-", "0", "-1", "'; drop table api_keys; --"),
    ("key", "db"): DATABASES,
    ("serve", "data"): WRONG_PLACES,
    ("serve", "db"): DATABASES,
    ("work", "db"): DATABASES,
    ("work", "engine"): ENGINES[:-1],
    ("serve", "engine"): ENGINES[:-1],
    ("serve", "public_url"): ADDRESSES,
    ("serve", "host"): ("0.0.0.0", "::", "192.0.2.1"),
    ("extend", "target"): ("moon", "", "LEG!"),
    ("change", "add"): FINDINGS,
    ("change", "remove"): ("pneumonia",),
    ("change", "severity"): ("terrible", "42", "blorp"),
    ("outpaint", "canvas"): ("10", "5x5", "axb", "99999x99999", "-1x50", ""),
    ("augment", "target"): ("0", "-1", "balance:2", "balance:nan", "abc", "", "1.5"),
    ("augment", "by"): (),  # told of a data set that is whole
    ("augment", "judge_file"): (),
    ("evaluate", "features"): ("nonsense", "gone.onnx", "judge,nonsense"),
    ("evaluate", "steps"): ("0", "a", "101", "", "8;9", "-1"),
    ("evaluate", "kinds"): ("blorp", "chest"),
    ("evaluate", "each"): ("60", "1", "x"),
    ("probe", "features"): (),
    ("generate", "sampler"): ("magic", "", "EULER"),
    ("generate", "size_text"): ("big", "2x2", "0x0", "-1x5", "99999x99999", "256", "256x", ""),
    ("finetune", "base"): ("gone.radsmith", "openai:m", "diffusers:", "folder", "junk.bin"),
    ("finetune", "preview_prompts"): ("blorp",),
    ("finetune", "out"): ("mine", "mine.onnx", "gray.png", "/proc/nope/mine.radsmith"),
    ("encoder", "file"): (
        *(f"{place}/mine.onnx" for place in WRONG_PLACES),
        *ENDINGS,
        *WRONG_FILES[5:15],
        "/proc/nope.onnx",
        "/dev/null/a.onnx",
        "empty/b.onnx",
    ),
    ("train", "config"): (*WRONG_FILES, "types.toml", "stages.toml", "table.toml"),
    ("demo", "folder"): (
        *WRONG_PLACES,
        "empty",
        "gray.png",
        "gray.png/x",
        "junk.bin",
        "cut.dcm",
        "/dev/null",
        "/proc/nope",
        "empty/a/b",
        "text.png",
    ),
    ("inspect", "file"): WRONG_FILES,
    ("judge", "data"): WRONG_FILES,
    ("audit", "train"): FOLDERS,
    ("audit", "held_out"): FOLDERS,
    ("audit", "synthetic"): FOLDERS,
    ("audit", "features"): SPACES,
    ("evaluate utility", "synthetic"): FOLDERS,
    ("evaluate utility", "dataset"): FOLDERS,
    ("evaluate utility", "features"): (*SPACES, "judge", "pixels,judge"),
    ("evaluate utility", "kind"): ("blorp", "chest", "", "x-ray", "chest x-ray, pneumonia"),
    ("evaluate utility", "findings"): ("blorp", "", "42", "chest"),
    ("key release", "signer"): ("", " ", LONG, "x" * 65, "\t", "\n"),
    ("key release", "path"): (
        *(f"{place}/mine.key" for place in WRONG_PLACES),
        *("gray.png", "folder", "own.key", "own.pub", "mine.pub", "empty/a/b", "gray.png/x"),
    ),
    ("release bundle", "title"): ("", " ", "\t", LONG),
    ("release bundle", "edition"): ("", " ", LONG),
    ("release bundle", "creators"): ("", " ", LONG),
    ("release bundle", "licence"): ("", " ", LONG),
    ("release bundle", "out"): (*WRONG_PLACES, "gray.png", "pictures", "bundle", "junk.bin"),
    ("release bundle", "licence_file"): PATHS,
    ("release withdraw", "images"): ("blorp", "", "image-9", "images.csv", "../own", LONG),
    ("release withdraw", "reason"): ("", " ", "\t", "\n"),
    ("release withdraw", "key_file"): (*WRONG_FILES[:16], "own.pub"),
    ("release send", "to"): (
        *("nonsense", "", "pacs:x", "pacs:@host:1", "pacs:A@localhost:99999", "pacs:A@localhost:x"),
        *("pacs:A@localhost", "dicomweb:", "dicomweb:ftp://x", "http://x", "dicomweb:http://:9"),
        *("dicomweb:http://localhost:99999/x", "pacs:" + "A" * 17 + "@localhost:9", LONG),
    ),
    ("release send", "report"): (
        *(*WRONG_PLACES, "folder", "gray.png/x"),
        *("gray.png", "report.txt", "deep.json", "other.json", "ratings.csv"),
    ),
    ("verify", "fingerprint"): ("", "nonsense", "sha256:", "sha256:12", "g" * 64, "1" * 63, LONG),
    ("verify", "key_file"): (*WRONG_FILES[:18], "own.key"),
    ("verify", "withdrawn"): tuple(p for p in PATHS if p != "folder"),
    ("review new", "study"): (*WRONG_PLACES, "study", "gray.png", "gray.png/x", "junk.bin"),
    ("review new", "readers"): ("", " ", "bob", LONG, "\t"),
    ("review new", "name"): (LONG, " "),
    ("review new", "rubric"): TEXTS,
    ("review open", "folder"): WRONG_FILES,
    ("review open", "data"): WRONG_PLACES,
    ("review person", "name"): ("", " ", "\t", "local", "x" * 61, LONG, "-x"),
    ("review person", "subject"): ("", " ", "nobody", "|", "https://x|", "|x", LONG),
    ("review person", "data"): WRONG_PLACES,
    ("review person", "db"): DATABASES,
    ("review demo", "folder"): (*WRONG_PLACES, "empty", "gray.png", "gray.png/x", "/dev/null"),
    ("review sampling", "planted"): ("5 0", "-1 5", "6 5", "a b", "1.5 2", "nan 1", "5 9" * 20),
    ("review export", "out"): (
        *(f"{place}/mine.csv" for place in WRONG_PLACES),
        *(e for e in ENDINGS if e != "mine.json"),
    ),
    ("teach new", "prompts"): PROMPTS,
    ("teach new", "pairs"): ("blorp blorp", "knee blorp", "blorp effusion"),
    ("teach new", "severities"): PROMPTS,
    ("teach new", "data"): WRONG_PLACES,
    **{
        (f"teach {name}", "name"): SETS for name in ("new", "accept", "results", "forget", "export")
    },
    **{
        (f"teach {name}", "data"): SCHOOLS
        for name in ("accept", "list", "results", "forget", "export")
    },
    **{(f"teach {name}", "db"): DATABASES for name in ("results", "forget", "export")},
    **{(name, "engine"): ENGINES[:-1] for name in BASE if name != "serve"},
    **{(name, "seed"): SEEDS for name in BASE},
    ("generate", "prompt"): PROMPTS,
    ("explain", "prompt"): PROMPTS + FOREIGN,
    **{(name, "prompt"): ("blorp", *PROMPTS[-2:]) for name in ("inpaint", "vary", "extend")},
    **{
        (name, "prompt"): ("blorp", *PROMPTS[-2:]) for name in ("outpaint", "change", "interpolate")
    },
    **{("outpaint", side): MARGINS for side in ("left", "right", "top", "bottom")},
    **{(name, "box"): BOXES for name in ("inpaint", "vary", "change")},
    **{(name, "polygon"): POLYGONS for name in ("inpaint", "vary", "change")},
}
"""Parameters whose wrong values are their own; what a general list has besides is right there."""
