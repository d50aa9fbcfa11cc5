"""The examples print what they say."""

import json
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


def test_measuring():
    path = pathlib.Path(__file__).parent.parent / "bench" / "measure.py"
    command = [sys.executable, path, "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    figures = {one["name"]: one for one in json.loads(done.stdout)}
    # Times depend on the machine; memory does not.
    assert figures["growth over 10000 asks"]["best"] < 20
    assert figures["growth over 100 machines"]["best"] < 20
    assert figures["ask and answer"]["best"] > 0
