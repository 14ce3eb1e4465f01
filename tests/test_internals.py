"""Internals of other projects that Wasmfleet uses: unchanged since they were read, and in few files only."""

import ast
import dis
import importlib
import inspect
import pkgutil
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from packaging.requirements import Requirement

import wasmfleet.config
import wasmfleet.tasks
import wasmfleet.workers
from wasmfleet.workers.internals.named import Internal

_ROOT: Final = Path(__file__).parents[1]
_OURS: Final = (wasmfleet.config, wasmfleet.tasks, wasmfleet.workers)
#: The files that may touch other projects' private names; a file with a list is named after its project.
_FILES: Final = sorted(
    {*_ROOT.glob("workers/internals/*.py"), *_ROOT.glob("workers/*/*_internals.py")}
    - {_ROOT / "workers/internals" / name for name in ("__init__.py", "named.py")}
)
#: Names with a leading underscore that Python's own documentation names.
_DOCUMENTED: Final = {"_exit", "_replace", "_asdict", "_fields"}
#: Classes that Celery's documentation tells its users to subclass.
_TO_BE_SUBCLASSED: Final = {"celery.app.task:Task", "celery.bootsteps:StartStopStep", "celery.bootsteps:Step"}
_MISSING: Final = object()


#: The files with a list of the internals that they use, by project.
_LISTS: Final = {
    path.stem.removesuffix("_internals"): path for path in _FILES if "\nINTERNALS: " in path.read_text()
}


@cache
def listed(project: str) -> ModuleType:
    return importlib.import_module(
        ".".join(("wasmfleet", *_LISTS[project].relative_to(_ROOT).with_suffix("").parts))
    )


def read_in(project: str) -> str:
    """Return the version in which a project was read, from the text of its file.

    With another version of the project, the file itself may be impossible to import.
    """
    [version] = re.findall(r'^READ_IN: Final = "(.+)"$', _LISTS[project].read_text(), re.MULTILINE)
    return str(version)


def names() -> list[str]:
    return [internal.name for project in _LISTS for internal in listed(project).INTERNALS]


@pytest.mark.parametrize("project", _LISTS)
def test_everything_that_is_leaned_on_is_there_as_it_was_read(project: str) -> None:
    versions = f"{project} was read in {read_in(project)}; {metadata.version(project)} is installed:"
    try:
        internals = listed(project).INTERNALS
    except (AttributeError, ImportError) as error:
        pytest.fail(f"{versions}\n{_LISTS[project].name} cannot be imported: {error}", pytrace=False)
    changes = [change for internal in internals if (change := _change(internal))]

    assert not changes, "\n".join((versions, *changes))


def _change(internal: Internal) -> str:
    """Describe what has changed about a listed name; return an empty text if it is as it was read."""
    found = _found(internal.name)
    if found is _MISSING:
        return f"{internal.name} is gone ({internal.why})"
    signature = str(inspect.signature(_function(found))) if internal.signature else ""
    if signature != internal.signature:
        return f"{internal.name}{internal.signature} takes {signature} now ({internal.why})"
    return ""


def _found(name: str) -> Any:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        owner, found = found, inspect.getattr_static(found, part, _MISSING)
        if found is _MISSING:
            return None if isinstance(owner, type) and part in _assigned(owner) else _MISSING
    return found


def _assigned(owner: type) -> set[str]:
    """Return the attributes that the methods of a class and its bases set, mostly on an instance."""
    values = (
        inspect.unwrap(value) for base in owner.__mro__ for value in vars(base).values() if callable(value)
    )
    steps = (step for value in values if inspect.isfunction(value) for step in dis.get_instructions(value))
    return {step.argval for step in steps if step.opname == "STORE_ATTR"}


def _function(found: Any) -> Any:
    """Return the function behind a property, a class method or a static method."""
    return getattr(found, "fget", None) or getattr(found, "__func__", found)


@pytest.mark.parametrize("project", _LISTS)
def test_the_locked_version_is_the_one_that_was_read_and_the_next_is_kept_out(project: str) -> None:
    version = read_in(project)
    bounds = [one.specifier for one in _requirements() if one.name == project]

    assert _locked()[project] == version
    assert bounds, f"pyproject.toml does not name {project}"
    assert all(each.contains(version) and any(one.operator == "<" for one in each) for each in bounds)


def test_the_readme_names_the_versions_that_are_tested() -> None:
    table = dict(re.findall(r"^\| (\w+) \| ([\d.]+) \|", _tested_with(), re.MULTILINE))

    assert set(table) >= set(_LISTS)
    assert table == {project: _locked()[project] for project in table}


def _tested_with() -> str:
    return (_ROOT / "README.md").read_text().partition("## Tested with\n")[2].partition("\n## ")[0]


def _locked() -> dict[str, str]:
    lock = (_ROOT / "requirements.lock").read_text()
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE))


def _requirements() -> list[Requirement]:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    optional = [line for lines in project.get("optional-dependencies", {}).values() for line in lines]
    return [Requirement(line) for line in (*project["dependencies"], *optional)]


@cache
def elsewhere() -> dict[str, ast.Module]:
    """Parse our source files that may not touch other projects' private names."""
    paths = (path for folder in ("config", "tasks", "workers") for path in (_ROOT / folder).rglob("*.py"))
    return {
        path.relative_to(_ROOT).as_posix(): ast.parse(path.read_text())
        for path in sorted(paths)
        if path not in _FILES
    }


def test_a_listed_private_name_stands_in_its_file_only() -> None:
    private = {name for each in names() if _is_private(name := re.split(r"[.:]", each)[-1])}
    touched = [
        f"{file}:{line}: {name}"
        for file, tree in elsewhere().items()
        for line, name in _mentioned(tree)
        if name in private
    ]

    assert not touched, "\n".join(
        ("private names of other projects, or our own names that are like them:", *touched)
    )


def test_no_private_name_that_is_not_ours_is_touched() -> None:
    ours = {name for tree in elsewhere().values() for name in _defined(tree)} | _DOCUMENTED
    touched = [
        f"{file}:{node.lineno}: {ast.unparse(node)}"
        for file, tree in elsewhere().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and _is_private(node.attr) and node.attr not in ours
    ]

    assert not touched, "\n".join(("private names that no code of ours defines:", *touched))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _mentioned(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield each name that is used as an attribute, method, argument, import or string, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.Constant(value=str(name)):
                yield node.lineno, name
            case ast.keyword(arg=str(name)):
                yield node.lineno, name
            case ast.ImportFrom(names=imported):
                yield from ((node.lineno, one.name) for one in imported)


def _defined(tree: ast.Module) -> Iterator[str]:
    """Yield each name that a file gives to a function, class, variable, or attribute of `self` or `cls`."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                yield name


def test_what_is_overridden_is_listed() -> None:
    known = {name.rpartition(":")[2] for name in names()}
    unlisted = sorted(
        f"{cls.__module__}:{cls.__qualname__}.{name} overrides {bases[0].__module__}:{bases[0].__qualname__}.{name}"
        for cls in _our_classes()
        for name, bases in _overridden(cls)
        if not any(f"{base.__qualname__.rpartition('.')[2]}.{name}" in known for base in bases)
    )

    assert not unlisted, "\n".join(("what a next version may call otherwise, or not at all:", *unlisted))


def _our_classes() -> set[type]:
    for package in _OURS:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    ours = [module for name, module in list(sys.modules.items()) if name.startswith("wasmfleet.")]
    found = (value for module in ours for value in vars(module).values() if isinstance(value, type))
    return {cls for cls in found if cls.__module__.startswith("wasmfleet.")}


def _overridden(cls: type) -> Iterator[tuple[str, list[type]]]:
    """Yield each method or property that our class overrides, with the foreign classes that define it."""
    foreign = [base for base in cls.__mro__ if base.__module__.partition(".")[0] in _LISTS]
    if any(f"{base.__module__}:{base.__qualname__}" in _TO_BE_SUBCLASSED for base in foreign):
        return
    for name, value in vars(cls).items():
        bases = [base for base in foreign if name in vars(base)]
        if bases and not name.startswith("__") and (inspect.isroutine(value) or hasattr(value, "__get__")):
            yield name, bases
