"""The map: a module imports only from groups above its own, and there are no cycles."""

import ast
from pathlib import Path

import radsmith

ROOT = Path(radsmith.__file__).parent
GROUPS = (
    {"__init__", "errors"},
    {
        "image",
        "vocabulary",
        "body_map",
        "prompt",
        "quantities",
        "signs",
        "cues",
        "words",
        "mentions",
        "denial",
        "rows",
        "language",
        "reading",
        "contradiction",
        "own_words",
        "report",
        "report_cues",
        "report_sentences",
        "scrub",
        "identity",
        "person_names",
        "spaceless_names",
        "endings",
        "spelling",
        "common_words",
        "dataset",
        "generation",
    },
    {
        "prior",
        "conditional",
        "evidence",
        "completion",
        "letterbox",
        "resize",
        "sampling",
        "engine",
        "components",
        "stages",
        "enlarging",
        "editing",
        "moving",
        "onnx_engine",
        "metrics",
        "projection",
        "judge",
        "features",
        "texture",
        "privacy",
        "real_set",
    },
    {
        "generate",
        "edit",
        "extend",
        "evaluate",
        "octaves",
        "probe",
        "rebuild",
        "label_classes",
        "augment",
    },
    {"adapters"},
    {"training"},
    {"cli", "__main__"},
)
ORDER = {name: level for level, names in enumerate(GROUPS) for name in names}
OUTSIDE = {
    0: set(),
    1: {"numpy"},
    2: {"numpy", "onnxruntime", "threadpoolctl", "scipy"},
    3: {"numpy"},
}
FILES_AND_CLOCK = {"pathlib", "os", "time", "datetime", "socket", "urllib", "subprocess", "shutil"}


def imports(path):
    """Names of all modules a file imports, lazy and typing imports included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module == "radsmith":
                yield from (f"radsmith.{alias.name}" for alias in node.names)


def modules():
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")
    }


def test_imports_point_up():
    for name, path in modules().items():
        level = ORDER[name.split(".")[0]]
        for target in imports(path):
            if target.startswith("radsmith."):
                part = target.split(".")[1]
                if part != "__version__":
                    assert ORDER[part] <= level, f"{name} imports {target}"


def test_domain_and_numerics_stay_light():
    import sys

    for name, path in modules().items():
        level = ORDER[name.split(".")[0]]
        for target in imports(path):
            root = target.split(".")[0]
            if level in OUTSIDE and root not in sys.stdlib_module_names | {"radsmith"}:
                assert root in OUTSIDE[level], f"{name} imports {target}"
            if level in OUTSIDE:
                assert root not in FILES_AND_CLOCK, f"{name} imports {target}"


def test_there_are_no_cycles():
    graph = {
        name: {t.removeprefix("radsmith.") for t in imports(path) if t.startswith("radsmith.")}
        for name, path in modules().items()
    }
    done, open_ = set(), set()

    def visit(name):
        assert name not in open_, f"import cycle through {name}"
        if name in done or name not in graph:
            return
        open_.add(name)
        for target in graph[name]:
            visit(target)
        open_.discard(name)
        done.add(name)

    for name in graph:
        visit(name)


def test_only_training_and_the_diffusers_engine_import_torch():
    for name, path in modules().items():
        if not name.startswith("training") and name != "adapters.diffusers_engine":
            assert "torch" not in {t.split(".")[0] for t in imports(path)}, name


def test_only_the_server_imports_its_libraries():
    served = {"fastapi", "starlette", "uvicorn", "sqlalchemy", "jinja2", "prometheus_client"}
    for name, path in modules().items():
        if not name.startswith("adapters.server"):
            assert not served & {t.split(".")[0] for t in imports(path)}, name
