"""What writeCases of cases.ts has written: cases, and how results are compared with them."""
import importlib
import json
import pathlib
import sys

import numpy as np


def cases(folder):
    folder = pathlib.Path(folder)
    sys.path.insert(0, str(folder))
    data = np.fromfile(folder / "cases.bin", dtype=np.float32)
    for case in json.loads((folder / "cases.json").read_text()):
        def array(name, buffers=case["buffers"]):
            start, length = buffers[name]
            return data[start:start + length].copy()

        yield case, getattr(importlib.import_module(case["module"]), case["function"]), array


def report(case, array, results):
    """One line of JSON: outputs and states that differ at all, and the largest error of each gradient in units of the largest value."""
    differing, spikes, worst = [], 0, {}
    for name, value in results.items():
        value, expected = np.asarray(value, np.float32).ravel(), array(name)
        assert value.shape == expected.shape, (name, value.shape, expected.shape)
        error = np.abs(value.astype(np.float64) - expected)
        if name.startswith("grad."):
            worst[name] = float(error.max() / max(1e-6, np.abs(expected).max()))
        elif not np.array_equal(value, expected):
            differing.append(name)
            spikes += int((error > 1e-4 * (1 + np.abs(expected))).sum())
    print(json.dumps({"name": case["name"], "steps": case["steps"], "differing": differing, "far": spikes, "gradients": worst}), flush=True)
