"""Forward and backward of a recurrent layer in snnTorch and SpikingJelly, one run of a peer for each line of its name on stdin; prints milliseconds.

    python3 bench/peers/recurrent_step.py --snntorch DIR --spikingjelly DIR [--threads N] [--device cpu|cuda]

x [T, B, 700] spikes; one Linear(700, H) over all steps at once, outside the loop, then RLeaky(linear_features=H), or LinearRecurrentContainer(LIFNode(), H, H), step by step.
The loss is the sum of the output spikes times fixed numbers; x needs no gradient.
"""

import argparse
import sys
import time

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--snntorch", required=True)
parser.add_argument("--spikingjelly", required=True)
parser.add_argument("--threads", type=int)
for name, default in (("steps", 250), ("batch", 64), ("inputs", 700), ("hidden", 256)):
    parser.add_argument(f"--{name}", type=int, default=default)
parser.add_argument("--density", type=float, default=0.07)
parser.add_argument("--device", default="cpu")
args = parser.parse_args()
sys.path[:0] = [args.snntorch, args.spikingjelly]
if args.threads:
    torch.set_num_threads(args.threads)
torch.manual_seed(0)
torch.set_default_device(args.device)

import snntorch as snn
from spikingjelly.activation_based import functional, layer, neuron, surrogate

x = (torch.rand(args.steps, args.batch, args.inputs) < args.density).float()
upstream = torch.randn(args.steps, args.batch, args.hidden)


class SnnTorch(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.projection = torch.nn.Linear(args.inputs, args.hidden)
        self.recurrent = snn.RLeaky(beta=0.9, threshold=0.5, linear_features=args.hidden)

    def forward(self, x):
        current = self.projection(x)
        spikes, membrane = torch.zeros(args.batch, args.hidden), torch.zeros(args.batch, args.hidden)
        found = []
        for row in current:
            spikes, membrane = self.recurrent(row, spikes, membrane)
            found.append(spikes)
        return torch.stack(found)


class SpikingJelly(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.projection = torch.nn.Linear(args.inputs, args.hidden)
        node = neuron.LIFNode(tau=10.0, decay_input=False, v_threshold=0.5, v_reset=None, surrogate_function=surrogate.ATan())
        self.recurrent = layer.LinearRecurrentContainer(node, args.hidden, args.hidden)

    def forward(self, x):
        current = self.projection(x)
        found = torch.stack([self.recurrent(row) for row in current])
        functional.reset_net(self)
        return found


def synchronize():
    if args.device == "cuda":
        torch.cuda.synchronize()


nets = {"snntorch": SnnTorch(), "spikingjelly": SpikingJelly()}
rates = {}


def step(name):
    net = nets[name]
    net.zero_grad()
    synchronize()
    start = time.perf_counter()
    spikes = net(x)
    (spikes * upstream).sum().backward()
    synchronize()
    elapsed = 1000 * (time.perf_counter() - start)
    rates[name] = spikes.mean().item()
    return elapsed


for name in nets:
    step(name)
print("ready", torch.__version__, torch.get_num_threads(), flush=True)
for line in sys.stdin:
    name = line.strip()
    print(step(name), rates[name], flush=True)
