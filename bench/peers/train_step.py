"""Times one training step of SpikingJelly's torch backend on the CPU and prints one JSON object.

    python3 bench/peers/train_step.py --spikingjelly DIR --model mlp
    python3 bench/peers/train_step.py --spikingjelly DIR --model conv --repetitions 5

A step is zero_grad, state reset, forward over T, cross-entropy of the mean rate, backward and Adam's update. The input is
constant over T. With --serve, each line on stdin runs one step and prints its milliseconds, so that another process can
interleave its own.
"""

import argparse
import json
import sys
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from common import environment, summary, use_checkout, use_threads

WEIGHT_GAIN = 10.0  # linear layers hardly fire as they are initialised; this gives rates between 5 and 30 %


class Repeat(nn.Module):
    """[B, ...] to [T, B, ...]"""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def forward(self, x):
        return x.unsqueeze(0).repeat(self.steps, *[1] * x.dim())


def build(model, steps, static_first):
    """The first dense layer, Repeat and the rest; with static_first the dense layer runs once, before Repeat."""
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    def lif():
        return neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan(), backend="torch")

    if model == "mlp":
        first = [layer.Linear(784, 512)]
        rest = [lif(), layer.Linear(512, 512), lif(), layer.Linear(512, 10), lif()]
    else:
        first = [layer.Conv2d(1, 32, 3, padding=1, bias=False), layer.BatchNorm2d(32)]
        rest = [
            *[lif(), layer.MaxPool2d(2, 2)],
            *[layer.Conv2d(32, 64, 3, padding=1, bias=False), layer.BatchNorm2d(64), lif(), layer.MaxPool2d(2, 2)],
            *[layer.Flatten(), layer.Linear(64 * 7 * 7, 10), lif()],
        ]
    net = nn.Sequential(*first, Repeat(steps), *rest) if static_first else nn.Sequential(Repeat(steps), *first, *rest)
    functional.set_step_mode(net, "m")
    if static_first:
        for module in first:
            module.step_mode = "s"
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Linear):
                module.weight.mul_(WEIGHT_GAIN)
    return net, lambda: functional.reset_net(net)


def firing_rates(net, inputs):
    rates = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, spikes: rates.append(round(spikes.mean().item(), 3)))
        for module in net
        if hasattr(module, "v_threshold")
    ]
    net(inputs)
    for hook in hooks:
        hook.remove()
    return rates


def make_step(net, reset, inputs, labels):
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step():
        begin = time.perf_counter()
        optimizer.zero_grad()
        reset()
        loss = cross_entropy(net(inputs).mean(0), labels)
        loss.backward()
        optimizer.step()
        return (time.perf_counter() - begin) * 1e3

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spikingjelly", required=True, metavar="DIR")
    parser.add_argument("--model", choices=["mlp", "conv"], default="mlp")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--static-first", action="store_true", help="run the first dense layer once instead of T times")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--warmup", type=int)
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--serve", action="store_true")
    arguments = parser.parse_args()
    mlp = arguments.model == "mlp"

    commit = use_checkout(arguments.spikingjelly)
    use_threads(arguments.threads)
    torch.manual_seed(0)
    shape = (784,) if mlp else (1, 28, 28)
    inputs = torch.rand(arguments.batch, *shape) * (torch.rand(arguments.batch, *shape) < 0.2)
    labels = torch.randint(10, (arguments.batch,))
    net, reset = build(arguments.model, arguments.steps, arguments.static_first)
    rates = firing_rates(net, inputs)
    step = make_step(net, reset, inputs, labels)

    for _ in range(arguments.warmup or (5 if mlp else 1)):
        step()
    if arguments.serve:
        print("ready", flush=True)
        for _ in sys.stdin:
            print(f"{step():.3f}", flush=True)
        return
    times = [step() for _ in range(arguments.repetitions or (25 if mlp else 5))]
    result = {
        "peer": "spikingjelly",
        "commit": commit,
        **environment(),
        "model": arguments.model,
        "T": arguments.steps,
        "batch": arguments.batch,
        "staticFirst": arguments.static_first,
        "firingRates": rates,
        **summary(times),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
