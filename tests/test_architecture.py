"""The house rules that a program can check: sizes, one-way imports, the exact public list, named places."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cape import errors

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "cape").rglob("*.py"))
MAX_FILE, MAX_MEDIAN, MAX_FUNCTION, MAX_NESTING = 350, 180, 60, 4

PARTS = {f"models.{folder}" for folder in ("encoders", "energies", "fusion", "graphs", "heads", "lifters", "readers")}
# Lowest first. A module may import its own layer's folder-mates and anything below, nothing above.
LAYERS = [
    {"structures", "skeleton", "errors", "registry", "compat", "files", "codecs", "ablations", "cameras", "foreign"},
    {f"evaluation.{name}" for name in ("aggregation", "calibration", "checking", "spreads", "targets")},
    {
        "data",
        "losses",
        "evaluation.pck",
        "evaluation.aggregation",
        "evaluation.calibration",
        "evaluation.checking",
        "evaluation.pose3d",
        "evaluation.structure",
        "evaluation.comparison",
        "evaluation.confidence",
        "evaluation.interventions",
        "evaluation.protocol",
        "evaluation.ranking",
        "evaluation.recalibration",
        "evaluation.reliability",
        "evaluation.robustness",
        "evaluation.seeds",
        "evaluation.spreads",
        "evaluation.supports",
        "evaluation.targets",
        "models.layers",
        "models.affine",
        "models.turning",
        *PARTS,
    },
    {
        "models",
        "models.baselines",
        "models.calibration",
        "models.fewshot",
        "models.lifting",
        "models.wholebody",
        "evaluation",
        "evaluation.report",
        "evaluation.fewshot",
    },
    {"checkpoints", "counting", "released", "visualize", "formats", "runs", "prompting", "weights"},
    {"features", "figures", "loading", "prediction", "released_lifters"},
    {
        "inference",
        "export",
        "complexity",
        "complexity_lifting",
        "complexity_wholebody",
        "diagrams",
        "tracks",
        "human",
        "maps",
        "search",
    },
    {"loops", "observations", "spatial"},
    {"averaging", "finishing", "scenes"},
    {"hooks"},
    {"configuration"},
    {"runner"},
    {"loaders"},
    {"engine"},
    {"judging"},
    {"predictor", "persons", "lifters"},
    {"shipped"},
    {"analyses", "trials"},
    {"contenders"},
    {"annotator"},
    {"commands"},
]
FORBIDDEN_NAMES = {"utils", "util", "misc", "common", "core", "apis", "helpers"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "cape").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int:
    """The layer of the longest prefix of a module's name that is listed."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        for level, names in enumerate(LAYERS):
            if ".".join(parts[:length]) in names:
                return level
    raise AssertionError(f"{module} has no layer: add it to LAYERS")


def imports_of(path: Path) -> set[str]:
    """Modules of cape that a file imports, at top level or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cape":
            base = node.module.removeprefix("cape").lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                known = (ROOT / "cape" / inner.replace(".", "/")).with_suffix(".py")
                found.add(inner if known.exists() or known.with_suffix("").is_dir() else base)
        if isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("cape.") for alias in node.names if alias.name.startswith("cape.")}
    return found - {""}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    module = name_of(path)
    if not module:
        return  # what it imports at once is the subject of test_import_is_light
    own = layer_of(module)
    folder = module.split(".")[0]
    for other in imports_of(path):
        level = layer_of(other)
        assert level <= own, f"{module} imports {other}, which lies above it"
        if level == own and own > 0:
            assert other.split(".")[0] == folder, f"{module} and {other} are neighbours: neither may import the other"


def test_model_parts_import_no_page_and_no_other_folder() -> None:
    pages = {f"models.{page}" for page in ("baselines", "calibration", "fewshot", "lifting", "wholebody")}
    for path in MODULES:
        module = name_of(path)
        if not module.startswith("models.") or path.name == "__init__.py":
            continue
        inner = {other for other in imports_of(path) if other.startswith("models.")}
        if module in pages:
            assert not inner & (pages - {module}), f"{module}: a page imports no page"
        else:
            assert not inner & pages, f"{module}: a part imports no page"
            folder = module.rsplit(".", 1)[0]
            elsewhere = {other for other in inner if other.count(".") > 1 and not other.startswith(folder)}
            assert not elsewhere, f"{module}: a part imports no other folder's part, got {elsewhere}"


def test_no_import_cycle() -> None:
    graph = {name_of(path): imports_of(path) for path in MODULES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"cycle: {' → '.join((*trail, module))}"
        if module in done:
            return
        for other in graph.get(module, ()):
            # `from cape.data import x` runs the folder's __init__, whose own imports are its members.
            if not module.startswith(f"{other}.") and other != module:
                visit(other, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_sizes(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = body_length(node)
            assert length <= MAX_FUNCTION, f"{path.name}:{node.name} has {length} lines"
            assert nesting(node) <= MAX_NESTING, f"{path.name}:{node.name} is nested too deeply"


def body_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the end: a long signature of flags is not long code."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1


def nesting(node: ast.AST, depth: int = 0) -> int:
    blocks = ast.If | ast.For | ast.While | ast.With | ast.Try
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            continue
        # `elif` is an If inside an else: not deeper for a reader.
        deeper = isinstance(child, blocks) and not (isinstance(node, ast.If) and child in node.orelse)
        deepest = max(deepest, nesting(child, depth + deeper))
    return deepest


def test_median_size() -> None:
    lengths = sorted(len(path.read_text().splitlines()) for path in MODULES)
    assert lengths[len(lengths) // 2] <= MAX_MEDIAN


def test_shapes_are_written_in_the_one_alphabet() -> None:
    """Letters of `structures`, numbers, `_`, and products of letters such as HW."""
    text = ast.get_docstring(ast.parse((ROOT / "cape" / "structures.py").read_text())) or ""
    legend = [line for line in text.splitlines() if line.startswith("    ")]
    letters = set(re.findall(r"(?<![a-zA-Z])[a-zA-Z](?![a-zA-Z])", " ".join(legend)))
    assert {"B", "S", "K", "D", "N", "M"} <= letters
    arrays = {"Float", "Bool", "Int", "Int8", "Int64", "UInt8"}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in arrays:
                shape = node.slice.elts[-1].value
                for axis in shape.split():
                    plain = axis.lstrip("*")
                    known = plain == "_" or plain.isdigit() or all(letter in letters for letter in plain)
                    assert known, f"{path.name}:{node.lineno}: {axis!r} of {shape!r} is not in the alphabet"


def test_names_and_depth() -> None:
    for path in MODULES:
        parts = path.relative_to(ROOT / "cape").with_suffix("").parts
        assert len(parts) <= 3, f"{path}: two levels, no deeper"
        assert not FORBIDDEN_NAMES & set(parts), f"{path}: say what it is for"


def test_no_star_import_and_no_unsafe_call() -> None:
    banned_calls = {"eval", "exec", "pickle.load", "pickle.loads", "yaml.load", "torch.hub.load", "os.system"}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert "*" not in {alias.name for alias in node.names}, path
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in banned_calls, f"{path}:{node.lineno}"
                settings = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert settings.get("weights_only") != "False", f"{path}:{node.lineno}"
                assert settings.get("trust_remote_code", "False") == "False", f"{path}:{node.lineno}"


def test_every_error_says_expected_got_and_fix() -> None:
    kinds = {name for name in dir(errors) if name.endswith("Error")}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                kind = ast.unparse(node.exc.func)
                given = {word.arg for word in node.exc.keywords}
                assert kind not in kinds or given == {"expected", "got", "fix"}, f"{path}:{node.lineno}"


def test_public_list_is_exact() -> None:
    import cape

    assert sorted(cape.__all__) == ["CapeError", "Prediction", "Predictor", "Prompt", "Skeleton", "load"]
    for name in cape.__all__:
        assert getattr(cape, name)


def test_import_is_light() -> None:
    heavy = "{'torch', 'mmengine', 'timm', 'cv2', 'supervision', 'transformers'}"
    code = f"import sys, cape; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_tools_are_three_lines_and_match_commands() -> None:
    for path in (ROOT / "tools").glob("*.py"):
        assert (ROOT / "cape" / "commands" / path.name).exists()
        assert len(ast.parse(path.read_text()).body) <= 4, f"{path}: docstring, imports, call"


def test_test_tree_mirrors_the_package() -> None:
    free = {"architecture", "contracts", "configs", "protocol", "install", "mechanism", "readme"}
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.relative_to(ROOT / "tests").parent
        subject = path.stem.removeprefix("test_")
        # tests/data/test_coco_bad.py tests cape/data/coco.py; long subjects are split that way.
        words = subject.split("_")
        stems = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
        places = (ROOT / "cape" / folder / name for stem in stems for name in (f"{stem}.py", f"{stem}/__init__.py"))
        found = any(place.exists() for place in places)
        found |= folder == Path("annotator") and words[0] == "page"  # cape/annotator/web
        assert found or folder == Path("parity") or (subject in free and folder == Path()), (
            f"{path}: what does it test?"
        )
