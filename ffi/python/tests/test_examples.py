"""The examples print what they say."""

import pathlib
import subprocess
import sys

import pytest

EXAMPLES = sorted((pathlib.Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path):
    text = path.read_text()
    said = text.split('"""')[1].split("Prints:\n")[1]
    expected = "".join(line.strip() + "\n" for line in said.strip().splitlines())
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 0)
