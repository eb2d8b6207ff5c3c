"""Writes cases.json and cases.bin: what SpikingJelly and snnTorch compute on seeded random inputs.

    python3 test/peers/generate.py --spikingjelly DIR --snntorch DIR --out test/peers

DIR is a checkout of the project. README.md beside this file describes the fixtures.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch

STEPS = 24
SIZE = 32
MARGIN = 1e-3  # no membrane comes nearer to its threshold than this, so rounding cannot flip a spike
REACH = 3.0  # nor farther: snnTorch's sigmoid surrogate overflows to NaN at 88.7 / slope below it
TARGET_RATE = 0.25


class Recorder(torch.nn.Module):
    """Passes through to a surrogate and keeps the distances to the threshold which it was given."""

    def __init__(self, surrogate):
        super().__init__()
        self.surrogate = surrogate
        self.distances = []

    def forward(self, distance):
        self.distances.append(distance.detach())
        return self.surrogate(distance)


def spikingjelly_cases():
    """The cross product of reset, detach and decay with one surrogate; the second surrogate once per reset."""
    resets = [{"reset": "hard", "vReset": 0.0}, {"reset": "hard", "vReset": -0.1}, {"reset": "soft"}]
    sigmoid = {"name": "sigmoid", "alpha": 4.0}
    atan = {"name": "atan", "alpha": 2.0}
    variants = [
        (reset, detach, decay, sigmoid) for reset in resets for detach in (False, True) for decay in (True, False)
    ] + [(reset, index == 1, index != 2, atan) for index, reset in enumerate(resets)]

    for neuron in ("integrateAndFire", "lif", "parametricLif"):
        for index, (reset, detach, decay, surrogate) in enumerate(variants):
            leaks = neuron != "integrateAndFire"
            if not leaks and not decay and surrogate is sigmoid:
                continue
            options = {"threshold": (1.0, 0.7)[index % 3 % 2], **reset, "detachReset": detach, "surrogate": surrogate}
            if leaks:
                options = {"tau": (2.0, 1.5)[index // 2 % 2], "decayInput": decay, **options}
            yield {"peer": "spikingjelly", "neuron": neuron, "options": options}


def snntorch_cases():
    """Each reset with each surrogate; fast sigmoid learns every parameter. The last case has beta beyond its clamp."""
    surrogates = [
        {"name": "fastSigmoid", "slope": 25.0},
        {"name": "atan", "alpha": 2.0},
        {"name": "sigmoid", "alpha": 25.0},
    ]
    for neuron in ("leaky", "synaptic"):
        for i, reset in enumerate(("subtract", "zero", "none")):
            for j, surrogate in enumerate(surrogates):
                options = {"beta": 0.9, "threshold": (1.0, 0.6)[(i + j) % 2], "reset": reset, "surrogate": surrogate}
                if neuron == "synaptic":
                    options = {"alpha": 0.8, **options}
                yield {"peer": "snntorch", "neuron": neuron, "options": options, "learn": j == 0}
    clamped = {"beta": 1.2, "threshold": 1.0, "reset": "subtract", "surrogate": surrogates[0]}
    yield {"peer": "snntorch", "neuron": "leaky", "options": clamped, "learn": True}


def case_id(case):
    options = case["options"]
    words = [case["neuron"], options["reset"]]
    if options.get("vReset"):
        words.append(f"vReset{options['vReset']:g}")
    if options.get("detachReset"):
        words.append("detached")
    if options.get("decayInput") is False:
        words.append("undecayed")
    if options.get("beta", 0) > 1:
        words.append("clamped")
    return "-".join([*words, options["surrogate"]["name"]])


class SpikingJellyCase:
    def __init__(self, case, dtype):
        from spikingjelly.activation_based import neuron, surrogate

        options = case["options"]
        alpha = options["surrogate"]["alpha"]
        make = {"sigmoid": surrogate.Sigmoid, "atan": surrogate.ATan}[options["surrogate"]["name"]]
        self.recorder = Recorder(make(alpha=alpha))
        common = {
            "v_threshold": options["threshold"],
            "v_reset": options.get("vReset"),
            "detach_reset": options["detachReset"],
            "surrogate_function": self.recorder,
            "step_mode": "s",
            "backend": "torch",
        }
        if case["neuron"] == "integrateAndFire":
            self.node = neuron.IFNode(**common)
        elif case["neuron"] == "lif":
            self.node = neuron.LIFNode(tau=options["tau"], decay_input=options["decayInput"], **common)
        else:
            self.node = neuron.ParametricLIFNode(
                init_tau=options["tau"], decay_input=options["decayInput"], **common
            )
        self.node.to(dtype)

    def learnable(self):
        return dict(self.node.named_parameters())

    def run(self, inputs):
        spikes, membranes = [], []
        for x in inputs:
            spikes.append(self.node(x))
            membranes.append(self.node.v)
        return torch.stack(spikes), {"v": torch.stack(membranes)}


class SnnTorchCase:
    def __init__(self, case, dtype):
        import snntorch
        from snntorch import surrogate

        options = case["options"]
        shape = options["surrogate"]
        make = {
            "fastSigmoid": lambda: surrogate.fast_sigmoid(slope=shape["slope"]),
            "atan": lambda: surrogate.atan(alpha=shape["alpha"]),
            "sigmoid": lambda: surrogate.sigmoid(slope=shape["alpha"]),
        }[shape["name"]]
        self.recorder = Recorder(make())
        learn = case["learn"]
        common = {
            "beta": options["beta"],
            "threshold": options["threshold"],
            "spike_grad": self.recorder,
            "reset_mechanism": options["reset"],
            "learn_beta": learn,
            "learn_threshold": learn,
        }
        self.synaptic = case["neuron"] == "synaptic"
        if self.synaptic:
            self.node = snntorch.Synaptic(alpha=options["alpha"], learn_alpha=learn, **common)
        else:
            self.node = snntorch.Leaky(**common)
        self.node.to(dtype)

    def learnable(self):
        return dict(self.node.named_parameters())

    def run(self, inputs):
        mem = torch.zeros_like(inputs[0])
        syn = torch.zeros_like(inputs[0])
        spikes, mems, syns = [], [], []
        for x in inputs:
            if self.synaptic:
                spike, syn, mem = self.node(x, syn, mem)
                syns.append(syn)
            else:
                spike, mem = self.node(x, mem)
            spikes.append(spike)
            mems.append(mem)
        traces = {"v": torch.stack(mems)}
        if self.synaptic:
            traces["syn"] = torch.stack(syns)
        return torch.stack(spikes), traces


PEERS = {"spikingjelly": SpikingJellyCase, "snntorch": SnnTorchCase}


def simulate(case, inputs):
    """Spikes, and which neurons kept their distance to the threshold within the bounds at every step."""
    with torch.no_grad():
        peer = PEERS[case["peer"]](case, inputs.dtype)
        spikes, _ = peer.run(inputs)
        distances = torch.stack(peer.recorder.distances).abs()
        return spikes, ((distances >= MARGIN) & (distances <= REACH)).all(0)


def draw_inputs(case, generator):
    """Noise with the least gain that makes the neurons fire at the target rate, redrawn for neurons that leave the bounds."""
    noise = torch.randn(STEPS, SIZE, generator=generator) * 0.5 + 0.2
    gain = 0.05
    while simulate(case, noise * gain)[0].mean() < TARGET_RATE:
        gain = round(gain * 1.1, 4)
    while True:
        unfit = ~simulate(case, noise * gain)[1]
        if not unfit.any():
            return noise * gain
        noise[:, unfit] = torch.randn(STEPS, int(unfit.sum()), generator=generator) * 0.5 + 0.2


def differentiate(case, inputs, spike_gradient):
    """Everything the peer computes for loss = sum(spike_gradient * spikes)."""
    peer = PEERS[case["peer"]](case, inputs.dtype)
    inputs = inputs.clone().requires_grad_()
    spikes, traces = peer.run(inputs)
    (spikes * spike_gradient).sum().backward()
    arrays = {"s": spikes, **traces, "gx": inputs.grad}
    return (
        {name: array.detach() for name, array in arrays.items()},
        {name: parameter.detach().item() for name, parameter in peer.learnable().items()},
        {name: parameter.grad.item() for name, parameter in peer.learnable().items()},
    )


def make_case(case, seed, peer_commit):
    generator = torch.Generator().manual_seed(seed)
    while True:
        inputs = draw_inputs(case, generator)
        spike_gradient = torch.randn(STEPS, SIZE, generator=generator)
        arrays, parameters, gradients = differentiate(case, inputs, spike_gradient)
        exact, _, exact_gradients = differentiate(case, inputs.double(), spike_gradient.double())
        assert torch.equal(arrays["s"].double(), exact["s"]), case
        assert all(torch.isfinite(array).all() for array in arrays.values()), case
        # A sum that cancels to nearly nothing has no relative accuracy to test.
        errors = {
            name: abs(gradients[name] - value) / abs(value) for name, value in exact_gradients.items() if value != 0
        }
        if all(error < 1e-5 for error in errors.values()):
            break
    scale = exact["gx"].abs().max()
    arrays = {"x": inputs, "gs": spike_gradient, **arrays}
    manifest = {
        "id": case_id(case),
        "peer": case["peer"],
        "peerCommit": peer_commit,
        "neuron": case["neuron"],
        "options": case["options"],
        "parameters": parameters,
        "steps": STEPS,
        "size": SIZE,
        "firingRate": round(arrays["s"].mean().item(), 4),
        "inputGradientError": float(f"{((arrays['gx'] - exact['gx']).abs().max() / scale).item():.1e}"),
        "parameterGradients": gradients,
        "offsets": {},
    }
    return manifest, arrays


def commit_of(checkout):
    return subprocess.check_output(["git", "-C", checkout, "rev-parse", "HEAD"], text=True).strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spikingjelly", required=True)
    parser.add_argument("--snntorch", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    checkouts = {"spikingjelly": arguments.spikingjelly, "snntorch": arguments.snntorch}
    sys.path[:0] = checkouts.values()
    commits = {peer: commit_of(checkout) for peer, checkout in checkouts.items()}
    torch.set_num_threads(1)

    manifests, binary = [], bytearray()
    for seed, case in enumerate([*spikingjelly_cases(), *snntorch_cases()]):
        manifest, arrays = make_case(case, seed, commits[case["peer"]])
        for name, array in arrays.items():
            manifest["offsets"][name] = len(binary)
            binary += array.contiguous().numpy().astype("<f4").tobytes()
        manifests.append(manifest)
        print(f"{manifest['id']:50} rate {manifest['firingRate']:.2f}  gx error {manifest['inputGradientError']:.0e}")

    assert len({manifest["id"] for manifest in manifests}) == len(manifests)
    lines = ",\n".join(json.dumps(manifest) for manifest in manifests)
    (arguments.out / "cases.json").write_text(f"[\n{lines}\n]\n")
    (arguments.out / "cases.bin").write_bytes(binary)
    print(f"{len(manifests)} cases, {len(binary)} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main()
