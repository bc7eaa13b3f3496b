# SPDX-License-Identifier: GPL-2.0
"""Scripts of the checkout as modules: several have the same name, and some do something
when they are imported by it."""

import importlib.util
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]


def load(path):
    """The script at `path` of the checkout, loaded anew."""
    name = path.removesuffix(".py").replace("/", "_").replace(".", "_")
    spec = importlib.util.spec_from_file_location(name, SRC / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
