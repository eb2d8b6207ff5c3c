"""Runs ONNX files of one time step over time: python3 run.py CASES.json. Each case names its `model`, an `input` of f32 [steps, batch, ...shape] and where `output` goes."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

try:
    import onnx
except ImportError:
    onnx = None

for case in json.loads(Path(sys.argv[1]).read_text()):
    if onnx:
        onnx.checker.check_model(onnx.load(case["model"]), full_check=True)
    session = onnxruntime.InferenceSession(case["model"], providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    states = json.loads(metadata["spikefold.states"])
    x = np.fromfile(case["input"], dtype="<f4").reshape(case["steps"], case["batch"], *case["shape"])
    carried = {state["input"]: np.full((case["batch"], *state["shape"]), state["initial"], dtype=np.float32) for state in states}
    outputs = []
    for step in x:
        y, *following = session.run(["y", *(state["output"] for state in states)], {"x": step, **carried})
        carried = {state["input"]: value for state, value in zip(states, following)}
        outputs.append(y)
    np.stack(outputs).astype("<f4").tofile(case["output"])
