"""State dicts of networks of snnTorch and SpikingJelly, and what the networks compute, for test/formats/torch.

    python3 test/peers/stateDicts.py fixtures --spikingjelly DIR --snntorch DIR --out test/peers/stateDicts
    python3 test/peers/stateDicts.py run --case CASE --weights FILE --spikingjelly DIR --snntorch DIR --out FILE
    python3 test/peers/stateDicts.py save --case CASE --weights FILE --spikingjelly DIR --snntorch DIR --out FILE

DIR are checkouts of the two; without them, the installed packages. `run` takes weights that Spikefold wrote, strictly; `save` writes them for it. Both write what came out. README.md beside
this file describes the fixtures.
"""

import argparse
import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch

BATCH = 3


def models():
    """models.py beside this file."""
    spec = importlib.util.spec_from_file_location("peer_models", Path(__file__).parent / "models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Step(torch.nn.Module):
    """A network of snnTorch's by the names of its modules: those without neurons are functions."""

    def __init__(self, **modules):
        super().__init__()
        self.order = list(modules)
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        for name in self.order:
            x = getattr(self, name)(x)
            x = x[0] if isinstance(x, tuple) else x
        return x


def snntorch_conv():
    import snntorch as snn

    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.MaxPool2d(2), snn.Leaky(beta=0.5, threshold=0.5, init_hidden=True),
        torch.nn.Conv2d(4, 6, 3, stride=2, groups=2), snn.Leaky(beta=torch.linspace(0.2, 0.9, 6).reshape(6, 1, 1), learn_beta=True, reset_mechanism="zero", init_hidden=True),
        torch.nn.Flatten(), torch.nn.Linear(6 * 2 * 3, 10), snn.Leaky(beta=0.8, learn_beta=True, threshold=0.75, learn_threshold=True, init_hidden=True, output=True),
    )


def snntorch_mlp():
    import snntorch as snn

    return Step(
        fc1=torch.nn.Linear(20, 16), lif1=snn.Leaky(beta=torch.linspace(0.1, 0.95, 16), learn_beta=True, init_hidden=True),
        fc2=torch.nn.Linear(16, 12, bias=False), lif2=snn.RLeaky(beta=0.75, linear_features=12, init_hidden=True),
        fc3=torch.nn.Linear(12, 8), lif3=snn.RSynaptic(alpha=0.5, beta=0.75, all_to_all=False, V=torch.linspace(-0.5, 0.5, 8), init_hidden=True),
        fc4=torch.nn.Linear(8, 5), lif4=snn.Synaptic(alpha=0.6, beta=0.7, threshold=0.5, reset_mechanism="none", init_hidden=True),
    )


def spikingjelly_plif():
    from spikingjelly.activation_based import functional, layer, neuron

    net = torch.nn.Sequential(
        layer.Conv2d(2, 6, kernel_size=3, padding=1, bias=False), layer.BatchNorm2d(6), neuron.ParametricLIFNode(init_tau=1.5, v_threshold=0.5),
        torch.nn.Sequential(layer.MaxPool2d(2), layer.ThresholdDependentBatchNorm2d(1.0, 0.5, 6), neuron.LIFNode(tau=2.0, v_threshold=0.25, v_reset=None)),
        layer.Flatten(), layer.BatchNorm1d(6 * 3 * 4), layer.Linear(6 * 3 * 4, 10), neuron.KLIFNode(tau=1.5, v_threshold=0.5), layer.Linear(10, 7), neuron.GatedLIFNode(T=5),
    )
    functional.set_step_mode(net, "m")
    return net


# Shape of a sample there, steps.
CASES = {
    "snntorch-conv": (snntorch_conv, (2, 10, 14), 6),
    "snntorch-mlp": (snntorch_mlp, (20,), 12),
    "spikingjelly-plif": (spikingjelly_plif, (2, 6, 8), 5),
}


def make(name, seed):
    """With weights that make neurons fire, and statistics that are not those of a new network."""
    torch.manual_seed(seed)
    net = CASES[name][0]()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
                module.weight.copy_(torch.randn_like(module.weight) * (2.5 / module.weight[0].numel()) ** 0.5)
                if module.bias is not None:
                    module.bias.copy_(torch.randn_like(module.bias) * 0.2)
            if hasattr(module, "running_mean"):
                module.running_mean.copy_(torch.randn_like(module.running_mean) * 0.2)
                module.running_var.copy_(torch.rand_like(module.running_var) + 0.5)
                module.weight.copy_(torch.rand_like(module.weight) + 0.5)
                module.bias.copy_(torch.randn_like(module.bias) * 0.2)
    return net.eval()


def neurons_of(net):
    def is_neuron(module):
        names = [cls.__name__ for cls in type(module).__mro__]
        return any(name in names for name in ("SpikingNeuron", "BaseNode", "GatedLIFNode"))

    return [module for module in net.modules() if is_neuron(module)]


def run(net, x):
    """Spikes [T, B, ...] of each layer of neurons. x is [T, B, ...]."""
    from spikingjelly.activation_based import functional
    import snntorch as snn

    functional.reset_net(net)
    # SpikingJelly's networks here take all steps at once.
    multi = not any(isinstance(module, snn.SpikingNeuron) for module in net.modules())
    for module in net.modules():
        for name in ("mem", "syn", "spk") if isinstance(module, snn.SpikingNeuron) else ():
            if hasattr(module, name):
                setattr(module, name, torch.zeros(0, dtype=x.dtype))
    spikes = {module: [] for module in neurons_of(net)}
    hooks = [module.register_forward_hook(lambda module, _, result: spikes[module].append((result[0] if isinstance(result, tuple) else result).detach())) for module in spikes]
    with torch.no_grad():
        for step in [x] if multi else x:
            net(step)
    for hook in hooks:
        hook.remove()
    return [each[0] if multi else torch.stack(each) for each in spikes.values()]


def digest(spikes):
    """Of spikes [T, B, C, H, W] with the channels last, as bits."""
    last = spikes.movedim(2, -1).numpy() > 0.5
    return hashlib.sha256(np.packbits(last.flatten(), bitorder="little").tobytes()).hexdigest()


def inputs(name, seed):
    _, shape, steps = CASES[name]
    x = (models().uniform(seed, 65535, steps * BATCH * int(np.prod(shape))) + 1) * 0.8
    return torch.from_numpy(x.astype(np.float32)).reshape(steps, BATCH, *shape)


def result(net, x):
    spikes = run(net, x)
    return {"spikes": [digest(each) for each in spikes], "outputs": spikes[-1].sum(0).flatten().tolist()}


def steady_seed(name):
    """The first with which all layers fire, and errors of some roundings flip no spike."""
    for seed in range(1, 200):
        net = make(name, seed)
        x = inputs(name, seed)
        spikes = run(net, x)
        rates = [each.mean().item() for each in spikes]
        near = [run(net, x + 2e-6 * torch.randn_like(x)) for _ in range(4)]
        if 0.05 < min(rates) and max(rates) < 0.6 and all(torch.equal(a, b) for each in near for a, b in zip(spikes, each)):
            return seed
    raise SystemExit(f"{name}: no seed makes all layers fire")


def write_state(net, path):
    state = {name: value.detach().clone().contiguous() for name, value in net.state_dict().items()}
    if Path(path).suffix == ".npz":
        np.savez(path, **{name: value.numpy() for name, value in state.items()})
    else:
        from safetensors.torch import save_file

        save_file(state, path)


def read_state(path):
    if Path(path).suffix == ".npz":
        return {name: torch.from_numpy(value) for name, value in np.load(path).items()}
    from safetensors.torch import load_file

    return load_file(path)


def resnet(name, seed):
    """A ResNet of SpikingJelly's in evaluation, with the statistics of its own input, and that input as [T·B, C, H, W]."""
    peer = models()
    case = next(each for each in peer.RESNETS if each["model"] == name)
    net, _ = peer.build(case)
    peer.set_weights(net, case, seed)
    height, width, channels = case["shape"]
    x = (peer.uniform(seed, 65535, case["steps"] * case["batch"] * channels * height * width) + 1) / 2
    x = torch.from_numpy(x.astype(np.float32)).reshape(case["steps"], case["batch"], channels, height, width)
    return net, x


def resnet_result(net, x):
    from spikingjelly.activation_based import functional

    functional.reset_net(net)
    spikes = {module: None for module in neurons_of(net)}
    hooks = [module.register_forward_hook(lambda module, _, result: spikes.__setitem__(module, result.detach())) for module in spikes]
    with torch.no_grad():
        logits = net(x).mean(0)
    for hook in hooks:
        hook.remove()
    return spikes, logits


def settle(net, x):
    """The running statistics become those of x."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    resnet_result(net.train(), x)
    return net.eval()


def steady_resnet(name):
    for seed in range(1, 20):
        net, x = resnet(name, seed)
        settle(net, x)
        rounded, _ = resnet_result(net, x)
        exact, _ = resnet_result(net.double(), x.double())
        if all(torch.equal(a, b.float()) for a, b in zip(rounded.values(), exact.values())):
            return seed
    raise SystemExit(f"{name}: rounding flips a spike with each seed")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["fixtures", "run", "save"])
    parser.add_argument("--spikingjelly", type=Path)
    parser.add_argument("--snntorch", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--case", action="append")
    parser.add_argument("--weights", action="append", type=Path)
    arguments = parser.parse_args()
    for directory in (arguments.spikingjelly, arguments.snntorch):
        if directory:
            sys.path.insert(0, str(directory))
    if arguments.spikingjelly:
        models().import_models(arguments.spikingjelly)
    torch.set_num_threads(1)
    if arguments.command == "fixtures":
        return fixtures(arguments.out)
    seeds = json.loads((Path(__file__).parent / "stateDicts" / "cases.json").read_text())
    found = {}
    for case, path in zip(arguments.case, arguments.weights, strict=True):
        seed = seeds[case]["seed"]
        small = case in CASES
        net, x = (make(case, seed), inputs(case, seed)) if small else resnet(case, seed)
        if arguments.command == "save":
            if not small:
                settle(net, x)
            write_state(net, path)
        else:
            net.load_state_dict(read_state(path))
            net.eval()
        if small:
            found[case] = result(net, x)
        else:
            spikes, logits = resnet_result(net, x)
            found[case] = {"spikes": [digest(each) for each in spikes.values()], "outputs": logits.flatten().tolist()}
    arguments.out.write_text(json.dumps(found))


def fixtures(out):
    out.mkdir(exist_ok=True)
    cases = {}
    for name, (_, shape, steps) in CASES.items():
        seed = steady_seed(name)
        net = make(name, seed)
        path = out / f"{name}{'.npz' if name.endswith('mlp') else '.safetensors'}"
        write_state(net, path)
        x = inputs(name, seed)
        cases[name] = {"seed": seed, "file": path.name, "shape": shape, "steps": steps, "batch": BATCH, **result(net, x)}
        print(name, cases[name], flush=True)
    names = {}
    peer = models()
    for case in [*peer.RESNETS, *peer.VGGS]:
        net, _ = peer.build(case)
        title = case["model"] if case["options"].get("batchNorm", True) else f"{case['model']} without norm"
        names[title] = [[name, list(value.shape)] for name, value in net.state_dict().items()]
        if title in ("sewResnet18", "spikingResnet18"):
            cases[title] = {"seed": steady_resnet(title)}
            print(title, cases[title], flush=True)
    for file, content in (("cases", cases), ("names", names)):
        (out / f"{file}.json").write_text("{\n" + ",\n".join(f"{json.dumps(title)}: {json.dumps(each)}" for title, each in content.items()) + "\n}\n")


if __name__ == "__main__":
    main()
