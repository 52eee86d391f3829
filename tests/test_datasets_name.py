"""`datasets` is Hugging Face's, wherever it is imported from: the folder of that name is data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHOW = (
    "import datasets; print(datasets.__file__); print(callable(datasets.load_dataset)); "
    "import annotate; print(annotate.__file__)"
)


def test_the_folder_of_datasets_holds_no_python() -> None:
    found = [path for path in (ROOT / "datasets").rglob("*") if path.suffix in (".py", ".pyc")]
    assert found == []


def is_hugging_faces(file: str) -> bool:
    return "site-packages" in Path(file).parts and Path(file).name == "__init__.py"


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["-c", SHOW], None),
        (["-P", "-c", SHOW], None),
        (["-c", SHOW], str(ROOT)),
        (["-P", "-c", SHOW], str(ROOT)),
    ],
    ids=["root first", "without the folder", "PYTHONPATH", "PYTHONPATH alone"],
)
@pytest.mark.parametrize("place", ["root", "elsewhere"])
def test_import_is_hugging_faces(
    arguments: list[str], path: str | None, place: str, tmp_path: Path
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["HF_HOME"] = str(tmp_path / "cache")
    if path:
        environment["PYTHONPATH"] = path
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT if place == "root" else tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    file, has_load, package = done.stdout.splitlines()
    assert is_hugging_faces(file)
    assert has_load == "True"
    assert Path(package).parent.name == "annotate"


def test_import_under_pytest_is_hugging_faces() -> None:
    import datasets

    assert datasets.__file__ is not None
    assert is_hugging_faces(datasets.__file__)
    assert callable(datasets.load_dataset)
