"""Writes models.json and models.bin: a training step of SpikingJelly's networks on seeded weights and inputs.

    python3 test/peers/models.py --spikingjelly DIR --out test/peers

DIR is a checkout of SpikingJelly. README.md beside this file describes the fixtures.
"""

import argparse
import json
import math
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import torch

SAMPLES = 8
TRIES = 10  # seeds, of which the one whose membranes stay farthest from their thresholds is taken

RESNETS = [
    {"model": f"{kind}Resnet{depth}", "options": {}, "shape": [size, size, 3], "steps": 2, "batch": 2, "classes": 10}
    for kind in ("spiking", "sew")
    for depth, size in ((18, 32), (34, 32), (50, 32))
]
VGGS = [
    {"model": "spikingVgg11", "options": {"hidden": [48, 32], "dropout": 0, "batchNorm": norm}, "shape": [64, 64, 2], "steps": 2, "batch": 2, "classes": 11}
    for norm in (True, False)
]


def import_models(directory):
    """Without the package's __init__ and torchvision, which they need for weights from elsewhere alone."""
    sys.path.insert(0, str(directory))
    for name in ("torchvision", "torchvision.models", "torchvision.models.utils"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["torchvision.models.utils"].load_state_dict_from_url = None
    package = types.ModuleType("spikingjelly.activation_based.model")
    package.__path__ = [str(Path(directory) / "spikingjelly/activation_based/model")]
    sys.modules[package.__name__] = package


class Recorder(torch.nn.Module):
    """Passes through to a surrogate and keeps the least distance to the threshold, and the number of spikes."""

    def __init__(self, surrogate):
        super().__init__()
        self.surrogate = surrogate
        self.margin = math.inf
        self.spikes = 0
        self.count = 0

    def forward(self, distance):
        self.margin = min(self.margin, distance.abs().min().item())
        self.spikes += int((distance >= 0).sum())
        self.count += distance.numel()
        return self.surrogate(distance)


def build(case):
    from spikingjelly.activation_based import functional, layer, neuron, surrogate
    from spikingjelly.activation_based.model import sew_resnet, spiking_resnet, spiking_vgg

    name, shape, classes = case["model"], case["shape"], case["classes"]
    recorders = []

    def make_neuron():
        recorders.append(Recorder(surrogate.ATan()))
        if name.startswith("sew"):
            return neuron.IFNode(detach_reset=True, surrogate_function=recorders[-1])
        return neuron.LIFNode(tau=1.25, decay_input=False, v_threshold=0.3, surrogate_function=recorders[-1])

    if name.startswith("spikingResnet"):
        net = getattr(spiking_resnet, f"spiking_resnet{name[-2:]}")(spiking_neuron=make_neuron, num_classes=classes)
    elif name.startswith("sew"):
        net = getattr(sew_resnet, f"sew_resnet{name[-2:]}")(cnf="ADD", spiking_neuron=make_neuron, num_classes=classes)
    else:
        suffix = "_bn" if case["options"].get("batchNorm", True) else ""
        net = getattr(spiking_vgg, f"spiking_vgg11{suffix}")(spiking_neuron=make_neuron, num_classes=classes)
        first = net.features[0]
        net.features[0] = layer.Conv2d(shape[-1], first.out_channels, kernel_size=3, padding=1)
        hidden = case["options"].get("hidden", [4096, 4096])
        sizes = [512 * 7 * 7, *hidden, classes]
        for i in range(len(sizes) - 1):
            net.classifier[3 * i] = layer.Linear(sizes[i], sizes[i + 1])
        for module in net.classifier:
            if isinstance(module, layer.Dropout):
                module.p = case["options"].get("dropout", 0.5)
    functional.set_step_mode(net, "m")
    return net, recorders


def uniform(seed, stream, count):
    """`count` numbers in [-1, 1), multiples of 2^-23, by splitmix32's mixing of a counter."""

    def mix(x):
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x21F0AAAD)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x735A2D97)
        return x ^ (x >> np.uint32(15))

    start = mix(np.array([seed * 65536 + stream], dtype=np.uint32))
    words = mix(start + np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9))
    return (words >> np.uint32(8)).astype(np.float64) / 2**23 - 1


def set_weights(net, case, seed):
    """Such that 5 to 30 % of most layers' steps are spikes."""
    gamma, beta = (0.9, 0) if case["model"].startswith("sew") else (0.45, -0.3)
    scale = math.sqrt(6) if case["options"].get("batchNorm", True) else 0.7 * math.sqrt(6)
    normalized = {f"{name}.bias" for name, module in net.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}
    for stream, (name, parameter) in enumerate(net.named_parameters()):
        values = uniform(seed, stream, parameter.numel())
        if parameter.dim() > 1:
            values = values * (scale / math.sqrt(parameter.numel() // parameter.shape[0]))
        elif name.endswith("bias"):
            values = (beta if name in normalized else 0) + values * 0.1
        else:
            values = gamma + values * 0.1
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values.astype(np.float32)).reshape(parameter.shape))


def digest(tensor):
    """The norm and some of the values, in PyTorch's order of the axes."""
    flat = tensor.detach().double().flatten()
    return [flat.norm().item(), *(flat[k * flat.numel() // SAMPLES].item() for k in range(SAMPLES))]


def run(case, seed, dtype):
    net, recorders = build(case)
    set_weights(net, case, seed)
    net.to(dtype).train()
    steps, batch = case["steps"], case["batch"]
    height, width, channels = case["shape"]
    x = (uniform(seed, 65535, steps * batch * channels * height * width) + 1) / 2
    x = torch.from_numpy(x).to(dtype).reshape(steps, batch, channels, height, width)
    logits = net(x).mean(0)
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(batch))
    loss.backward()
    statistics = [buffer for name, buffer in net.named_buffers() if "running" in name]
    return {
        "loss": loss.item(),
        "logits": logits.flatten().tolist(),
        "spikes": [recorder.spikes for recorder in recorders],
        "rates": [recorder.spikes / recorder.count for recorder in recorders],
        "margin": min(recorder.margin for recorder in recorders),
        "gradients": [digest(parameter.grad) for parameter in net.parameters()],
        "statistics": [digest(buffer) for buffer in statistics],
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
    }


def difference(a, b):
    """Greatest difference of two lists of digests, relative to the norm; a norm that is next to nothing is one that should be 0."""
    floor = 1e-3 * max(p[0] for p in a)
    return max(max(abs(x - y) for x, y in zip(p, q)) / max(p[0], floor) for p, q in zip(a, b))


def best_run(case):
    """Of the seeds with which rounding to f32 flips no spike, the one with the greatest margin."""
    best = None
    for seed in range(1, TRIES + 1):
        exact = run(case, seed, torch.float64)
        if best and exact["margin"] <= best["margin"]:
            continue
        rounded = run(case, seed, torch.float32)
        if rounded["spikes"] != exact["spikes"]:
            continue
        best = {**exact, "seed": seed, "error": difference(exact["gradients"], rounded["gradients"])}
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spikingjelly", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    import_models(arguments.spikingjelly)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    values, lines = [], []
    for case in [*RESNETS, *VGGS]:
        if arguments.only and arguments.only != case["model"]:
            continue
        result = best_run(case)
        rates = result["rates"]
        print(case["model"], case["options"], "seed", result["seed"], f"margin {result['margin']:.2g} gradient error {result['error']:.2g}",
              f"rates {min(rates):.3f}..{max(rates):.3f}", "loss", result["loss"], flush=True)
        record = {**case, "seed": result["seed"], "parameters": result["parameters"], "loss": result["loss"], "spikes": result["spikes"],
                  "margin": float(f"{result['margin']:.1e}"), "gradientError": float(f"{result['error']:.1e}"), "offsets": {}}
        for name in ("logits", "gradients", "statistics"):
            record["offsets"][name] = 4 * len(values)
            values += np.array(result[name]).flatten().tolist()
        lines.append(json.dumps(record))
    (arguments.out / "models.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    np.array(values, dtype="<f4").tofile(arguments.out / "models.bin")


if __name__ == "__main__":
    main()
