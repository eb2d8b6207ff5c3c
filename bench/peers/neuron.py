"""Times a leaky integrate-and-fire layer stepped through PyTorch on the CPU and prints one JSON object.

    python3 bench/peers/neuron.py --spikingjelly DIR --snntorch DIR

The contestants run in turn in one process: plain PyTorch, snnTorch's Leaky and SpikingJelly's LIFNode (torch backend).
`forward` records the graph, `inference` does not, `backward` is from a random gradient of every spike.
"""

import argparse
import json
import math
import time

import torch

from common import environment, summary, use_checkout, use_threads


class SpikeATan(torch.autograd.Function):
    """Fires at u >= 0; backward 1 / (1 + (pi u)^2), the arctangent surrogate with alpha = 2."""

    @staticmethod
    def forward(ctx, u):
        ctx.save_for_backward(u)
        return (u >= 0).to(u)

    @staticmethod
    def backward(ctx, gradient):
        (u,) = ctx.saved_tensors
        return gradient / (1 + (math.pi * u) ** 2)


def plain_pytorch():
    def run(inputs):
        v = torch.zeros_like(inputs[0])
        spikes = []
        for x in inputs:
            h = v + (x - v) / 2.0
            s = SpikeATan.apply(h - 1.0)
            v = (1.0 - s) * h
            spikes.append(s)
        return torch.stack(spikes)

    return run


def snntorch_leaky():
    import snntorch

    node = snntorch.Leaky(beta=0.5)

    def run(inputs):
        mem = torch.zeros_like(inputs[0])
        spikes = []
        for x in inputs:
            spike, mem = node(x, mem)
            spikes.append(spike)
        return torch.stack(spikes)

    return run


def spikingjelly_lif():
    from spikingjelly.activation_based import neuron, surrogate

    node = neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan(), step_mode="m", backend="torch")

    def run(inputs):
        node.reset()
        node.train(torch.is_grad_enabled())
        return node(inputs)

    return run


def measure(run, inputs, gradient):
    """Milliseconds of one inference, one forward with its graph, and the backward after it."""
    inputs.grad = None
    with torch.no_grad():
        begin = time.perf_counter()
        run(inputs)
        inference = time.perf_counter() - begin
    begin = time.perf_counter()
    spikes = run(inputs)
    middle = time.perf_counter()
    spikes.backward(gradient)
    end = time.perf_counter()
    seconds = {"inference": inference, "forward": middle - begin, "backward": end - middle, "both": end - begin}
    return {name: value * 1e3 for name, value in seconds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spikingjelly", required=True, metavar="DIR")
    parser.add_argument("--snntorch", required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--neurons", type=int, default=65536)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--threads", type=int, help="default: all cores")
    arguments = parser.parse_args()

    commits = {"spikingjelly": use_checkout(arguments.spikingjelly), "snntorch": use_checkout(arguments.snntorch)}
    use_threads(arguments.threads)
    contestants = {"pytorch": plain_pytorch(), "snntorch": snntorch_leaky(), "spikingjelly": spikingjelly_lif()}
    # Leaky does not scale its input by 1 / tau, so half the input gives it the same charge as the other two.
    gains = {"pytorch": 1.0, "snntorch": 0.5, "spikingjelly": 1.0}

    torch.manual_seed(0)
    noise = torch.randn(arguments.steps, arguments.neurons) + 0.5
    gradient = torch.randn(arguments.steps, arguments.neurons)
    inputs = {name: (noise * gain).requires_grad_() for name, gain in gains.items()}
    rates = {name: round(run(inputs[name]).mean().item(), 3) for name, run in contestants.items()}

    for name, run in contestants.items():
        for _ in range(2):
            measure(run, inputs[name], gradient)
    times = {name: [] for name in contestants}
    for _ in range(arguments.repetitions):
        for name, run in contestants.items():
            times[name].append(measure(run, inputs[name], gradient))

    work = arguments.steps * arguments.neurons
    results = {}
    for name, runs in times.items():
        phases = {phase: summary([run[phase] for run in runs]) for phase in runs[0]}
        best = {phase: round(work / value["minMs"] / 1e3, 1) for phase, value in phases.items()}
        results[name] = {"firingRate": rates[name], **phases, "bestMNeuronStepsPerSecond": best}
    print(json.dumps({"commits": commits, **environment(), "T": arguments.steps, "N": arguments.neurons, **results}))


if __name__ == "__main__":
    main()
