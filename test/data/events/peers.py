# Writes peers.json, what Tonic and SpikingJelly make of 60 events: python peers.py TONIC SPIKINGJELLY > peers.json, with the clones of
# https://github.com/neuromorphs/tonic and https://github.com/fangwei123456/spikingjelly (numpy alone is needed: functions are taken out of their files).
import ast
import importlib.util
import json
import math
import sys
import types
import typing
from dataclasses import dataclass

import numpy as np

tonic_directory, spikingjelly_directory = sys.argv[1:]


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, f"{tonic_directory}/{path}")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pick(path, names, scope):
    for node in ast.parse(open(path).read()).body:
        if getattr(node, "name", None) in names:
            exec(compile(ast.Module([node], []), path, "exec"), scope)
    return types.SimpleNamespace(**scope)


sys.modules["tonic"] = types.ModuleType("tonic")
sys.modules["tonic.functional"] = types.ModuleType("tonic.functional")
load("tonic/slicers.py", "tonic.slicers")
tonic = {
    name: getattr(load(f"tonic/functional/{name}.py", f"tonic.functional.{name}"), f"{name}_numpy")
    for name in ["to_frame", "to_timesurface", "to_voxel_grid", "denoise", "refractory_period", "time_skew"]
}
scope = {"np": np, "math": math, "dataclass": dataclass, **vars(typing)}
transforms = pick(
    f"{tonic_directory}/tonic/transforms.py",
    ["CenterCrop", "CropTime", "Downsample"],
    {**scope, "functional": types.SimpleNamespace(time_skew_numpy=tonic["time_skew"])},
)
spikingjelly = pick(
    f"{spikingjelly_directory}/spikingjelly/datasets/utils.py",
    [
        "integrate_events_segment_to_frame",
        "cal_fixed_frames_number_segment_index",
        "integrate_events_by_fixed_frames_number",
        "integrate_events_by_fixed_duration",
    ],
    dict(scope),
)

W, H, N = 6, 4, 60
rng = np.random.default_rng(5)
events = np.zeros(N, np.dtype([(name, np.int64) for name in "xytp"]))
events["x"] = rng.integers(0, W, N)
events["y"] = rng.integers(0, H, N)
events["p"] = rng.integers(0, 2, N)
events["t"] = np.sort(rng.integers(100, 4000, N))


def frames(array):
    """[T, C, H, W] → channels last, what is not 0."""
    array = np.moveaxis(np.asarray(array, float), 1, -1)
    at = np.nonzero(array.ravel())[0]
    return {"shape": list(array.shape), "at": at.tolist(), "values": [round(float(v), 7) for v in array.ravel()[at]]}


fields = lambda array: {name: array[name].tolist() for name in "xytp"}
places = lambda kept: [int(np.where(events == event)[0][0]) for event in kept]
sensor = (W, H, 2)
by_name = fields(events)
arrays = {name: events[name] for name in "xytp"}
json.dump(
    {
        "width": W,
        "height": H,
        **by_name,
        "sjTime7": frames(spikingjelly.integrate_events_by_fixed_frames_number(arrays, "time", 7, H, W)),
        "sjNumber7": frames(spikingjelly.integrate_events_by_fixed_frames_number(arrays, "number", 7, H, W)),
        "sjDuration300": frames(spikingjelly.integrate_events_by_fixed_duration(arrays, 300, H, W)),
        "tonicTimeBins7": frames(tonic["to_frame"](events.copy(), sensor, n_time_bins=7)),
        "tonicEventBins7": frames(tonic["to_frame"](events.copy(), sensor, n_event_bins=7)),
        "tonicWindow300": frames(tonic["to_frame"](events.copy(), sensor, time_window=300)),
        "voxel5": frames(tonic["to_voxel_grid"](events.copy(), sensor, 5)),
        "surface": frames(tonic["to_timesurface"](events.copy(), sensor, dt=500, tau=800)),
        "denoise150": places(tonic["denoise"](events.copy(), 150)),
        "refractory400": places(tonic["refractory_period"](events.copy(), 400)),
        "centerCrop3x2": fields(transforms.CenterCrop(sensor, (3, 2))(events.copy())),
        "cropTime": fields(transforms.CropTime(1000, 2000)(events.copy())),
        "downsample": fields(transforms.Downsample(time_factor=0.5, spatial_factor=0.4)(events.copy())),
        "downsampleTarget": fields(transforms.Downsample(sensor_size=sensor, target_size=(4, 2))(events.copy())),
    },
    sys.stdout,
)
