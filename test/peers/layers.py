"""Writes layers.json and layers.bin: PyTorch's and SpikingJelly's layers on seeded inputs, forward and backward.

    python3 test/peers/layers.py --spikingjelly DIR --out test/peers

DIR is a checkout of SpikingJelly. README.md beside this file describes the fixtures.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

STEPS, BATCH = 3, 2


def cases(layer):
    """Our constructor with its arguments, the shape of a sample, and the peer's module."""
    nn = torch.nn
    conv2d = lambda shape, inputs, outputs, options, **theirs: ("conv2d", [inputs, outputs, options], shape, nn.Conv2d(inputs, outputs, **theirs))
    conv1d = lambda shape, inputs, outputs, options, **theirs: ("conv1d", [inputs, outputs, options], shape, nn.Conv1d(inputs, outputs, **theirs))
    yield conv2d([7, 6, 4], 4, 6, {"kernel": 3, "padding": 1, "groups": 2}, kernel_size=3, padding=1, groups=2)
    yield conv2d([7, 6, 20], 20, 20, {"kernel": [3, 2], "stride": 2, "groups": 20, "bias": False}, kernel_size=(3, 2), stride=2, groups=20, bias=False)
    yield conv2d([7, 6, 3], 3, 12, {"kernel": 3, "padding": 1, "groups": 3}, kernel_size=3, padding=1, groups=3)
    yield conv2d([9, 8, 5], 5, 7, {"kernel": 3, "padding": 2, "dilation": 2}, kernel_size=3, padding=2, dilation=2)
    yield conv2d([9, 8, 8], 8, 4, {"kernel": 3, "stride": [1, 2], "padding": [0, 3], "dilation": [2, 3], "groups": 4}, kernel_size=3, stride=(1, 2), padding=(0, 3), dilation=(2, 3), groups=4)
    yield conv1d([11, 5], 5, 6, {"kernel": 4, "stride": 3, "padding": 2}, kernel_size=4, stride=3, padding=2)
    yield conv1d([16, 6], 6, 4, {"kernel": 3, "dilation": 4, "padding": 4, "groups": 2, "bias": False}, kernel_size=3, dilation=4, padding=4, groups=2, bias=False)
    yield "maxPool1d", [3, {"stride": 2, "padding": 1}], [10, 5], nn.MaxPool1d(3, 2, 1)
    yield "avgPool1d", [3, {"stride": 2, "padding": 1}], [10, 5], nn.AvgPool1d(3, 2, 1)
    yield "globalAvgPool1d", [], [10, 5], nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())
    yield "layerNorm", [6, {}], [6], nn.LayerNorm(6)
    yield "layerNorm", [9, {"eps": 1e-3}], [4, 3, 9], nn.LayerNorm(9, eps=1e-3)
    yield "groupNorm", [3, 12, {}], [4, 5, 12], nn.GroupNorm(3, 12)
    yield "groupNorm", [1, 5, {}], [7, 5], nn.GroupNorm(1, 5)
    yield "tdBN", [5, {"alpha": 0.7, "threshold": 0.6}], [4, 3, 5], layer.ThresholdDependentBatchNorm2d(0.7, 0.6, 5)
    yield "tebn", [STEPS, 5, {}], [4, 3, 5], layer.TemporalEffectiveBatchNorm2d(STEPS, 5)


def channels_first(x):
    """[M, ..., C] → [M, C, ...]."""
    return x.movedim(-1, 1)


def to_ours(tensor):
    """Weights of a convolution [O, C/groups, ...] → [..., C/groups, O]."""
    return tensor.movedim(1, -1).movedim(0, -1) if tensor.dim() > 1 else tensor


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spikingjelly", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.spikingjelly))
    from spikingjelly.activation_based import layer

    torch.manual_seed(1)
    torch.set_num_threads(1)
    values, lines = [], []
    for name, ours, shape, module in cases(layer):
        module.double().train()
        initial = [parameter.detach().clone() for parameter in module.parameters()]
        random = lambda *size: torch.randn(*size).to(torch.float32).double()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(random(*parameter.shape) * 0.5 + (1 if name.endswith("Norm") or name in ("tdBN", "tebn") else 0))
        x = random(STEPS, BATCH, *shape).requires_grad_()
        if name in ("tdBN", "tebn"):
            y = module(x.movedim(-1, 2)).movedim(2, -1)
        else:
            merged = x.flatten(0, 1)
            y = module(merged) if name == "layerNorm" else channels_first(module(channels_first(merged))) if name == "globalAvgPool1d" else module(channels_first(merged)).movedim(1, -1)
            y = y.unflatten(0, (STEPS, BATCH))
        gy = random(*y.shape)
        y.backward(gy)
        arrays = {"x": x, "gy": gy, "y": y, "gx": x.grad}
        for i, parameter in enumerate(module.parameters()):
            arrays |= {f"parameter{i}": to_ours(parameter), f"gradient{i}": to_ours(parameter.grad)}
            if parameter.dim() == 1 and not name.startswith("conv"):
                arrays[f"initial{i}"] = initial[i]
        for i, buffer in enumerate(b for n, b in module.named_buffers() if n.startswith("running")):
            arrays[f"buffer{i}"] = buffer
        record = {"layer": name, "arguments": ours, "shape": shape, "outputShape": list(y.shape[2:]), "steps": STEPS, "batch": BATCH, "arrays": {}}
        for key, array in arrays.items():
            flat = array.detach().flatten().tolist()
            record["arrays"][key] = [4 * len(values), len(flat)]
            values += flat
        lines.append(json.dumps(record))
    (arguments.out / "layers.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    np.array(values, dtype="<f4").tofile(arguments.out / "layers.bin")


main()
