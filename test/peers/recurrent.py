"""Writes recurrent.json: snnTorch's RLeaky and RSynaptic and SpikingJelly's LinearRecurrentContainer on seeded weights and inputs.

    python3 test/peers/recurrent.py --spikingjelly DIR --snntorch DIR --out test/peers

DIR are checkouts of the two. README.md beside this file describes the fixtures.
"""

import argparse
import base64
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

STEPS, BATCH, HIDDEN = 20, 3, 7

# Decays and weights are sums of few powers of two and inputs are multiples of 1/4, so that sums over neurons are exact in f32 whatever their order.
CASES = [
    *({"peer": "snntorch", "neuron": "leaky", "options": {"beta": 0.5, "reset": reset}, "weights": weights}
      for reset in ("subtract", "zero", "none") for weights in ("dense", "elementwise")),
    *({"peer": "snntorch", "neuron": "synaptic", "options": {"alpha": 0.75, "beta": 0.5, "reset": reset}, "weights": weights}
      for reset in ("subtract", "zero", "none") for weights in ("dense", "elementwise")),
    *({"peer": "spikingjelly", "neuron": "lif", "options": {"tau": 2, "decayInput": decay, "reset": reset, "detachReset": detach}, "weights": "dense"}
      for decay in (True, False) for reset in ("hard", "soft") for detach in (False, True)),
]


def build(case, weight, bias):
    options = case["options"]
    if case["peer"] == "snntorch":
        import snntorch as snn

        dense = case["weights"] == "dense"
        connection = {"linear_features": HIDDEN} if dense else {"all_to_all": False, "V": weight.clone()}
        shared = {"reset_mechanism": options["reset"], **connection}
        if case["neuron"] == "leaky":
            layer = snn.RLeaky(beta=options["beta"], **shared)
        else:
            layer = snn.RSynaptic(alpha=options["alpha"], beta=options["beta"], **shared)
        if dense:
            layer.recurrent.weight = torch.nn.Parameter(weight.T.clone())
            layer.recurrent.bias = torch.nn.Parameter(bias.clone())
            learnt = lambda: (layer.recurrent.weight.grad.T, layer.recurrent.bias.grad)
        else:
            learnt = lambda: (layer.recurrent.V.grad, None)

        def run(x):
            spikes = torch.zeros(BATCH, HIDDEN)
            states = [torch.zeros(BATCH, HIDDEN) for _ in range(1 if case["neuron"] == "leaky" else 2)]
            found = []
            for row in x:
                spikes, *states = layer(row, spikes, *states)
                found.append(spikes)
            return torch.stack(found)

        return run, learnt

    from spikingjelly.activation_based import layer, neuron, surrogate

    node = neuron.LIFNode(
        tau=float(options["tau"]), decay_input=options["decayInput"], v_reset=0.0 if options["reset"] == "hard" else None,
        detach_reset=options["detachReset"], surrogate_function=surrogate.ATan(),
    )
    container = layer.LinearRecurrentContainer(node, in_features=HIDDEN, out_features=HIDDEN, bias=True)
    # x goes in as it is; the container's weight is [in, in + out].
    container.rc.weight = torch.nn.Parameter(torch.cat([torch.eye(HIDDEN), weight.T], dim=1))
    container.rc.bias = torch.nn.Parameter(bias.clone())
    return (lambda x: torch.stack([container(row) for row in x])), (lambda: (container.rc.weight.grad[:, HIDDEN:].T, container.rc.bias.grad))


def main():
    parser = argparse.ArgumentParser()
    for name in ("spikingjelly", "snntorch", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("spikingjelly", "snntorch"):
        sys.path.insert(0, str(getattr(args, name)))
    commit = {name: subprocess.run(["git", "-C", getattr(args, name), "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip() for name in ("spikingjelly", "snntorch")}
    encode = lambda tensor: base64.b64encode(np.ascontiguousarray(tensor.detach().numpy(), dtype="<f4").tobytes()).decode()
    cases = []
    for number, case in enumerate(CASES):
        random = np.random.default_rng(number)
        dyadic = lambda shape, low, high, unit: torch.tensor(random.integers(low, high, shape) * unit, dtype=torch.float32)
        dense = case["weights"] == "dense"
        weight = dyadic((HIDDEN, HIDDEN) if dense else (HIDDEN,), -4, 5, 0.125)
        bias = dyadic((HIDDEN,), -2, 3, 0.125)
        halves = 2.0 if case["options"].get("decayInput") else 1.0
        x = dyadic((STEPS, BATCH, HIDDEN), -2, 5, 0.25 * halves).requires_grad_()
        upstream = torch.tensor(random.standard_normal((STEPS, BATCH, HIDDEN)), dtype=torch.float32)
        run, learnt = build(case, weight, bias)
        spikes = run(x)
        (spikes * upstream).sum().backward()
        grad_weight, grad_bias = learnt()
        rate = spikes.mean().item()
        assert 0.05 < rate < 0.7, (case, rate)
        arrays = {"weight": weight, "x": x, "upstream": upstream, "spikes": spikes, "gradX": x.grad, "gradWeight": grad_weight}
        if grad_bias is not None:
            arrays |= {"bias": bias, "gradBias": grad_bias}
        cases.append({**case, "commit": commit[case["peer"]], "steps": STEPS, "batch": BATCH, "hidden": HIDDEN, "rate": round(rate, 3), "arrays": {name: encode(value) for name, value in arrays.items()}})
    (args.out / "recurrent.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
