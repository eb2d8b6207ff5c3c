"""Writes cases.json, cases.bin and surrogates.json: what SpikingJelly, snnTorch and Norse compute on seeded random inputs.

    python3 test/peers/generate.py --spikingjelly DIR --snntorch DIR --norse DIR --out test/peers

DIR is a checkout of the project. README.md beside this file describes the fixtures.
"""

import argparse
import json
import subprocess
import sys
import types
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


def further_cases():
    """The neurons beside the leaky ones; of each the defaults, and what its options change."""
    jelly, torch_, norse = "spikingjelly", "snntorch", "norse"
    surrogates = {
        "sigmoid": {"name": "sigmoid", "alpha": 4.0},
        "atan": {"name": "atan", "alpha": 2.0},
        "rectangular": {"name": "rectangular", "width": 1.0},
        "super": {"name": "fastSigmoid", "slope": 100.0},
    }

    def case(peer, neuron, words, surrogate, options, learn=(), **more):
        name = "-".join([neuron, *words.split(), surrogate]) if surrogate else "-".join([neuron, *words.split()])
        options = {**options, "surrogate": surrogates[surrogate]} if surrogate else options
        return {"peer": peer, "neuron": neuron, "id": name, "options": options, "learn": learn, **more}

    for reset in ("subtract", "zero"):
        options = {"beta": 0.9, "threshold": 0.8, "reset": reset, "resetDelay": False}
        yield case(torch_, "leaky", f"{reset} undelayed", "atan", options, ("beta", "threshold"))
        options = {"alpha": 0.8, **options}
        yield case(torch_, "synaptic", f"{reset} undelayed", "atan", options, ("alpha", "beta", "threshold"))
    for reset in ("subtract", "zero", "none"):
        learn = ("resistance", "capacitance", "threshold")
        options = {"resistance": 2.0, "capacitance": 4.0, "timeStep": 1.5, "threshold": 0.7, "reset": reset}
        yield case(torch_, "lapicque", f"{reset} circuit", "atan", options, learn)
        yield case(torch_, "alpha", reset, "atan", {"alpha": 0.9, "beta": 0.7, "threshold": 0.5, "reset": reset}, ("alpha", "beta", "threshold"), rate=0.12 if reset == "zero" else TARGET_RATE)
    yield case(torch_, "lapicque", "beta", "atan", {"beta": 0.8, "threshold": 1.0, "reset": "subtract"})
    yield case(torch_, "lapicque", "beta resistance", "atan", {"beta": 0.8, "resistance": 3.0, "reset": "subtract", "threshold": 1.0})
    yield case(torch_, "lapicque", "beta capacitance", "atan", {"beta": 0.8, "capacitance": 3.0, "reset": "subtract", "threshold": 1.0})

    soft, hard = {"reset": "soft"}, {"reset": "hard", "vReset": -0.2, "detachReset": True}
    for words, reset in (("", {}), ("soft", soft), ("hard detached", hard)):
        other = {} if words == "" else {"currentDecay": 0.6, "voltageDecay": 0.8, "threshold": 0.7}
        yield case(jelly, "cubaLif", words, "rectangular", {**other, **reset})
        other = {} if words == "" else {"tau": 3.0, "vCritical": 0.7, "a0": 0.8, "vRest": 0.1}
        yield case(jelly, "quadraticIf", words, "sigmoid", {**other, **reset})
        other = {} if words == "" else {"tau": 3.0, "deltaT": 0.5, "thetaRh": 0.7, "vRest": 0.1}
        yield case(jelly, "exponentialIf", words, "sigmoid", {**other, **reset})
        other = {} if words == "" else {"tau": 1.5, "vCritical": 0.6, "a0": 0.9, "tauW": 5.0, "a": 0.4, "b": 0.2, "wRest": 0.1}
        yield case(jelly, "izhikevich", words, "sigmoid", {**other, **reset})
        other = {} if words == "" else {"tau": 1.5, "decayInput": False, "scaleReset": True}
        yield case(jelly, "klif", words, "sigmoid", {**other, **reset}, ("k",))
    for activation in ("relu", "tanh"):
        for related in (True, False):
            options = {"activation": activation, "thresholdRelated": related, "detachReset": related}
            yield case(jelly, "liaf", f"{activation} {'related' if related else 'membrane'}", "sigmoid", options)
    yield case(jelly, "integerLif", "", None, {})
    yield case(jelly, "integerLif", "window detached", None, {"tau": 2.0, "threshold": 0.7, "maxSpikes": 3, "gradientWindow": [-0.5, 3.5], "detachReset": True})
    gates = ("alpha", "beta", "gamma", "tau", "threshold", "linearDecay", "vSubreset", *(f"conduct{t}" for t in range(STEPS)))
    yield case(jelly, "gatedLif", "", "sigmoid", {"steps": STEPS}, gates, accuracy=5e-5)

    slow = {"tauSynInv": 150.0, "tauMemInv": 80.0, "vLeak": 0.1}
    yield case(norse, "leakyIntegrator", "", None, {}, ("tauSynInv", "tauMemInv"))
    yield case(norse, "leakyIntegrator", "slow", None, {**slow, "dt": 0.002}, ("tauSynInv", "tauMemInv"))
    learn = ("tauSynInv", "tauMemInv", "threshold")
    yield case(norse, "refractoryLif", "", "super", {}, learn, rate=0.1)
    yield case(norse, "refractoryLif", "slow", "super", {**slow, "vReset": -0.2, "threshold": 0.7, "refractorySteps": 2}, learn, rate=0.15)
    learn = ("tauSynInv", "tauMemInv", "tauAdaptInv", "beta")
    yield case(norse, "adaptiveLif", "", "super", {}, learn, rate=0.05)
    adaptive = {**slow, "vReset": -0.2, "threshold": 0.7, "tauAdaptInv": 200.0, "beta": 0.3}
    yield case(norse, "adaptiveLif", "slow", "super", adaptive, learn, rate=0.15)
    yield case(norse, "adaptiveLif", "slow detached", "super", {**adaptive, "detachReset": True}, learn, rate=0.15)
    learn = ("tauSynInv", "tauMemInv", "tauAdaInv", "threshold")
    yield case(norse, "adEx", "", "super", {}, learn, rate=0.15)
    yield case(norse, "adEx", "slow", "super", {**slow, "vReset": -0.2, "deltaT": 0.3, "adaptationCurrent": 2.0, "adaptationSpike": 0.1, "tauAdaInv": 50.0}, learn, rate=0.15)


def case_id(case):
    if "id" in case:
        return case["id"]
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


class FurtherSpikingJellyCase:
    """SpikingJelly's other neurons. Its classes take no detach_reset everywhere, so it is set on the node."""

    PASSED = {
        "tau": "tau", "decayInput": "decay_input", "scaleReset": "scale_reset", "currentDecay": "c_decay", "voltageDecay": "v_decay", "a0": "a0", "vRest": "v_rest",
        "vCritical": "v_c", "deltaT": "delta_T", "thetaRh": "theta_rh", "wRest": "w_rest", "tauW": "tau_w", "a": "a", "b": "b", "threshold": "v_threshold",
    }  # fmt: skip

    def __init__(self, case, dtype):
        from spikingjelly.activation_based import neuron, surrogate

        options, self.kind = case["options"], case["neuron"]
        given = {peer: options[ours] for ours, peer in self.PASSED.items() if ours in options}
        if options.get("reset") == "soft":
            given["v_reset"] = None
        elif "vReset" in options:
            given["v_reset"] = options["vReset"]
        if self.kind == "integerLif":
            count = options.get("maxSpikes", 4)
            levels = surrogate.MultiLevelSpikeCount(count, grad_window=options.get("gradientWindow"))
            self.recorder = Recorder(levels.forward)
            levels.forward = lambda level: self.recorder(level)
            self.node = neuron.ILIFNode(surrogate_function=levels, **given)
        else:
            shape = options["surrogate"]
            make = {"sigmoid": surrogate.Sigmoid, "rectangular": surrogate.Rect}[shape["name"]]
            self.recorder = Recorder(make(alpha=shape["alpha"] if "alpha" in shape else 1 / shape["width"]))
            if self.kind == "gatedLif":
                self.node = neuron.GatedLIFNode(T=options["steps"], surrogate_function=self.recorder)
                gates = torch.Generator().manual_seed(5)
                for gate in (self.node.alpha, self.node.beta, self.node.gamma):
                    gate.data = 0.2 * (torch.rand((), generator=gates) - 0.5)
            else:
                if self.kind == "liaf":
                    given |= {"act": getattr(torch, options["activation"]), "threshold_related": options["thresholdRelated"]}
                nodes = {"cubaLif": "CUBALIFNode", "quadraticIf": "QIFNode", "exponentialIf": "EIFNode", "izhikevich": "IzhikevichNode", "klif": "KLIFNode", "liaf": "LIAFNode"}
                self.node = getattr(neuron, nodes[self.kind])(surrogate_function=self.recorder, **given)
        self.node.detach_reset = options.get("detachReset", False)
        self.node.to(dtype)

    def leaves(self):
        """Where gradients arrive, by our names; conduct has one for each step."""
        if self.kind == "gatedLif":
            return {"threshold": self.node.v_threshold, "linearDecay": self.node.linear_decay, "vSubreset": self.node.v_subreset, "conduct": self.node.conduct,
                    **{name: getattr(self.node, name) for name in ("alpha", "beta", "gamma", "tau")}}  # fmt: skip
        return dict(self.node.named_parameters())

    def run(self, inputs):
        if self.kind == "gatedLif":
            spikes = self.node(inputs[:, None, None, None, :]).reshape(inputs.shape)
            membranes = torch.stack(self.recorder.distances).reshape(inputs.shape) + self.node.v_threshold.sigmoid()
            return spikes, {"v": membranes}
        spikes, traces = [], {name: [] for name in self.node._memories if name in ("v", "w", "c")}
        for x in inputs:
            spikes.append(self.node(x))
            for name, trace in traces.items():
                trace.append(getattr(self.node, name))
        return torch.stack(spikes), {name: torch.stack(trace) for name, trace in traces.items()}


class FurtherSnnTorchCase:
    """snnTorch's neurons with every number that a gradient is wanted of as a leaf: Alpha(learn_alpha=True) itself fails, and R and C are buffers."""

    NAMES = {"resistance": "R", "capacitance": "C"}

    def __init__(self, case, dtype):
        import snntorch
        from snntorch import surrogate

        options = case["options"]
        self.recorder = Recorder(surrogate.atan(alpha=options["surrogate"]["alpha"]))
        passed = {"beta": "beta", "alpha": "alpha", "resistance": "R", "capacitance": "C", "timeStep": "time_step", "threshold": "threshold", "reset": "reset_mechanism", "resetDelay": "reset_delay"}
        given = {peer: options[ours] for ours, peer in passed.items() if ours in options}
        self.kind = case["neuron"]
        self.node = {"leaky": snntorch.Leaky, "synaptic": snntorch.Synaptic, "lapicque": snntorch.Lapicque, "alpha": snntorch.Alpha}[self.kind](spike_grad=self.recorder, **given)
        self.node.to(dtype)
        for name in case["learn"]:
            buffer = getattr(self.node, self.NAMES.get(name, name))
            setattr(self.node, self.NAMES.get(name, name), buffer.detach().clone().to(dtype).requires_grad_())
        self.learn = case["learn"]

    def leaves(self):
        return {name: getattr(self.node, self.NAMES.get(name, name)) for name in self.learn}

    def run(self, inputs):
        names = {"leaky": "v", "lapicque": "v", "synaptic": "iv", "alpha": "eiv"}[self.kind]
        spikes, states = [], [torch.zeros_like(inputs[0]) for _ in names]
        traces = {name: [] for name in names}
        for x in inputs:
            spike, *states = self.node(x, *states)
            spikes.append(spike)
            for name, state in zip(names, states):
                traces[name].append(state)
        return torch.stack(spikes), {name: torch.stack(trace) for name, trace in traces.items()}


def import_norse(checkout):
    """Norse's packages without their __init__.py, which ask for packages that these neurons do not use (nir, nirtorch)."""
    for name in ("norse", "norse.torch", "norse.torch.module", "norse.torch.utils"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(checkout, *name.split(".")))]
        sys.modules[name] = package


class NorseCase:
    """A cell of Norse's on leaves for all numbers; detachReset is what lsnn_step does, with the input by a weight of one."""

    NAMES = {
        "tauSynInv": "tau_syn_inv", "tauMemInv": "tau_mem_inv", "vLeak": "v_leak", "threshold": "v_th", "vReset": "v_reset", "tauAdaptInv": "tau_adapt_inv", "beta": "beta",
        "adaptationCurrent": "adaptation_current", "adaptationSpike": "adaptation_spike", "deltaT": "delta_T", "tauAdaInv": "tau_ada_inv",
    }  # fmt: skip

    def __init__(self, case, dtype):
        from norse.torch.functional import lif, lif_adex, lsnn
        from norse.torch.functional.leaky_integrator import LIParameters
        from norse.torch.functional.lif_refrac import LIFRefracParameters
        from norse.torch.functional.threshold import threshold
        from norse.torch.module import leaky_integrator, lif_adex as adex, lif_refrac, lsnn as adaptive

        options, self.kind, learn = case["options"], case["neuron"], case["learn"]
        self.recorder = Recorder(lambda distance: threshold(distance, "super", 100.0))
        for module in (lif, lif_adex, lsnn):  # not lif_refrac, which asks for the threshold of the refractory steps
            module.threshold = lambda distance, method, alpha: self.recorder(distance)
        given = {peer: torch.tensor(options[ours]).to(dtype) for ours, peer in self.NAMES.items() if ours in options}
        record = {"leakyIntegrator": LIParameters, "refractoryLif": lif.LIFParameters, "adaptiveLif": lsnn.LSNNParameters, "adEx": lif_adex.LIFAdExParameters}[self.kind]()
        record = record._replace(**{name: value.to(dtype) for name, value in record._asdict().items() if torch.is_tensor(value)} | given)
        self.numbers = {name: getattr(record, self.NAMES[name]).detach().clone().requires_grad_() for name in learn}
        record = record._replace(**{self.NAMES[name]: value for name, value in self.numbers.items()})
        self.parameters = record
        if self.kind == "refractoryLif":
            record = LIFRefracParameters(record, torch.tensor(options.get("refractorySteps", 5.0)).to(dtype))
        cell = {"leakyIntegrator": leaky_integrator.LICell, "refractoryLif": lif_refrac.LIFRefracCell, "adaptiveLif": adaptive.LSNNCell, "adEx": adex.LIFAdExCell}[self.kind]
        self.cell = cell(p=record, dt=options.get("dt", 0.001))
        self.detached = options.get("detachReset", False)

    def leaves(self):
        return self.numbers

    def step(self, x, state):
        if not self.detached:
            return self.cell(x, state)
        from norse.torch.functional.lsnn import LSNNState, lsnn_step

        one, none = torch.eye(len(x), dtype=x.dtype), torch.zeros(len(x), len(x), dtype=x.dtype)
        state = state or LSNNState(torch.zeros_like(x), *self.cell.state_fallback(x))
        return lsnn_step(x, state, one, none, self.parameters, self.cell.dt)

    def run(self, inputs):
        outputs, traces, state = [], {}, None
        for x in inputs:
            output, state = self.step(x, state)
            outputs.append(output)
            flat = {**state.lif._asdict(), "rho": state.rho} if self.kind == "refractoryLif" else state._asdict()
            for name, value in flat.items():
                if name != "z":
                    traces.setdefault(name, []).append(value.expand_as(x))
        return torch.stack(outputs), {name: torch.stack(trace) for name, trace in traces.items()}


PEERS = {"spikingjelly": SpikingJellyCase, "snntorch": SnnTorchCase}
FURTHER = {"spikingjelly": FurtherSpikingJellyCase, "snntorch": FurtherSnnTorchCase, "norse": NorseCase}


def peer_of(case, dtype):
    return (FURTHER if "id" in case else PEERS)[case["peer"]](case, dtype)


def numbers_of(peer, of):
    """Numbers by our names, of the peer's parameters or of their gradients; a list has one for each step."""
    leaves = peer.learnable() if hasattr(peer, "learnable") else peer.leaves()
    named = {}
    for name, leaf in leaves.items():
        values = of(leaf).detach()
        named |= {name: values.item()} if values.numel() == 1 else {f"{name}{t}": value.item() for t, value in enumerate(values)}
    return named


def fired(case, peer, outputs):
    """What came out, where that is spikes; of LIAF what the reset saw, of a leaky integrator where it is far from rest."""
    if case["neuron"] == "liaf":
        return (torch.stack(peer.recorder.distances) >= 0).to(outputs.dtype)
    return (outputs.abs() > 0.3).to(outputs.dtype) if case["neuron"] == "leakyIntegrator" else outputs


def kept_distance(case, peer):
    """Which neurons stayed clear of their thresholds; those of integerLif are the halves."""
    if case["neuron"] == "leakyIntegrator":
        return torch.ones(SIZE, dtype=torch.bool)
    distances = torch.stack(peer.recorder.distances).reshape(-1, SIZE)
    if case["neuron"] == "integerLif":
        nearest = torch.minimum(((distances + 0.5) % 1.0), 1.0 - ((distances + 0.5) % 1.0)).abs()
        edges = torch.tensor(case["options"].get("gradientWindow", [0.0, 4.0]))
        from_edges = (distances[..., None] - edges).abs().amin(-1)
        return ((nearest >= MARGIN) & (from_edges >= MARGIN)).all(0)
    distances = distances.abs()
    return ((distances >= MARGIN) & (distances <= REACH)).all(0)


def simulate(case, inputs):
    """Spikes, and which neurons kept their distance to the threshold within the bounds at every step."""
    with torch.no_grad():
        peer = peer_of(case, inputs.dtype)
        spikes, _ = peer.run(inputs)
        return fired(case, peer, spikes), kept_distance(case, peer)


def draw_inputs(case, generator):
    """Noise with the least gain that makes the neurons fire at the target rate, redrawn for neurons that leave the bounds."""
    noise = torch.randn(STEPS, SIZE, generator=generator) * 0.5 + 0.2
    gain = 0.05
    while simulate(case, noise * gain)[0].mean() < case.get("rate", TARGET_RATE):
        gain = round(gain * 1.1, 4)
    while True:
        unfit = ~simulate(case, noise * gain)[1]
        if not unfit.any():
            return noise * gain
        noise[:, unfit] = torch.randn(STEPS, int(unfit.sum()), generator=generator) * 0.5 + 0.2


def differentiate(case, inputs, spike_gradient):
    """Everything the peer computes for loss = sum(spike_gradient * spikes)."""
    peer = peer_of(case, inputs.dtype)
    inputs = inputs.clone().requires_grad_()
    spikes, traces = peer.run(inputs)
    (spikes * spike_gradient).sum().backward()
    arrays = {"s": spikes, **traces, "gx": inputs.grad}
    return (
        {name: array.detach() for name, array in arrays.items()},
        numbers_of(peer, lambda parameter: parameter),
        numbers_of(peer, lambda parameter: parameter.grad),
    )


def make_case(case, seed, peer_commit):
    generator = torch.Generator().manual_seed(seed)
    while True:
        inputs = draw_inputs(case, generator)
        spike_gradient = torch.randn(STEPS, SIZE, generator=generator)
        arrays, parameters, gradients = differentiate(case, inputs, spike_gradient)
        exact, _, exact_gradients = differentiate(case, inputs.double(), spike_gradient.double())
        analog = case["neuron"] in ("liaf", "leakyIntegrator")
        assert torch.allclose(arrays["s"].double(), exact["s"], atol=1e-5) if analog else torch.equal(arrays["s"].double(), exact["s"]), case
        assert all(torch.isfinite(array).all() for array in arrays.values()), case
        # A sum that cancels to nearly nothing has no relative accuracy to test.
        errors = {
            name: abs(gradients[name] - value) / abs(value) for name, value in exact_gradients.items() if value != 0
        }
        if all(error < case.get("accuracy", 1e-5) for error in errors.values()):
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


def surrogate_curves():
    """The derivative of each surrogate on a grid, by every peer that has it, in f64."""
    from norse.torch.functional.threshold import threshold
    from snntorch import surrogate as torch_
    from spikingjelly.activation_based import surrogate as jelly

    curves = [
        ("sigmoid", {"alpha": 3.0}, "spikingjelly", jelly.Sigmoid(alpha=3.0)),
        ("sigmoid", {"alpha": 3.0}, "snntorch", torch_.sigmoid(slope=3.0)),
        ("atan", {"alpha": 2.5}, "spikingjelly", jelly.ATan(alpha=2.5)),
        ("atan", {"alpha": 2.5}, "snntorch", torch_.atan(alpha=2.5)),
        ("fastSigmoid", {"slope": 10.0}, "snntorch", torch_.fast_sigmoid(slope=10.0)),
        ("fastSigmoid", {"slope": 100.0}, "norse", lambda u: threshold(u, "super", 100.0)),
        ("rectangular", {"width": 0.8}, "spikingjelly", jelly.Rect(alpha=1.25)),
        ("piecewiseQuadratic", {"alpha": 0.8}, "spikingjelly", jelly.PiecewiseQuadratic(alpha=0.8)),
        ("erf", {"alpha": 1.5}, "spikingjelly", jelly.Erf(alpha=1.5)),
        ("triangular", {"slope": 1.0, "scale": 0.3}, "norse", lambda u: threshold(u, "triangle", 0.3)),
        ("superSpike", {"alpha": 1.5}, "spikingjelly", jelly.SuperSpike(alpha=1.5)),
        ("softSign", {"alpha": 3.0}, "spikingjelly", jelly.SoftSign(alpha=3.0)),
        ("piecewiseExp", {"alpha": 1.5}, "spikingjelly", jelly.PiecewiseExp(alpha=1.5)),
        ("piecewiseLeakyRelu", {"w": 0.7, "c": 0.02}, "spikingjelly", jelly.PiecewiseLeakyReLU(w=0.7, c=0.02)),
        ("piecewiseLeakyRelu", {"w": 1.3, "c": 0.0}, "spikingjelly", jelly.PiecewiseLeakyReLU(w=1.3, c=0.0)),
        ("straightThrough", {}, "spikingjelly", jelly.DeterministicPass()),
        ("straightThrough", {}, "snntorch", torch_.straight_through_estimator()),
        ("spikeRateEscape", {"beta": 1.5, "slope": 20.0}, "snntorch", torch_.spike_rate_escape(beta=1.5, slope=20.0)),
        ("s2nn", {"alpha": 3.0, "beta": 0.8}, "spikingjelly", jelly.S2NN(alpha=3.0, beta=0.8)),
    ]
    # Multiples of 1/16 besides the corners, which one takes with and the other without.
    grid = [k / 16 for k in range(-40, 41)]
    for name, options, peer, surrogate in curves:
        u = torch.tensor(grid, dtype=torch.float64, requires_grad=True)
        surrogate(u).sum().backward()
        yield {"name": name, "options": options, "peer": peer, "u": grid, "derivative": [float(f"{value:.9g}") for value in u.grad.tolist()]}


def commit_of(checkout):
    return subprocess.check_output(["git", "-C", checkout, "rev-parse", "HEAD"], text=True).strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spikingjelly", required=True)
    parser.add_argument("--snntorch", required=True)
    parser.add_argument("--norse", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    checkouts = {"spikingjelly": arguments.spikingjelly, "snntorch": arguments.snntorch, "norse": arguments.norse}
    sys.path[:0] = [arguments.spikingjelly, arguments.snntorch]
    import_norse(arguments.norse)
    commits = {peer: commit_of(checkout) for peer, checkout in checkouts.items()}
    torch.set_num_threads(1)

    manifests, binary = [], bytearray()
    for seed, case in enumerate([*spikingjelly_cases(), *snntorch_cases(), *further_cases()]):
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
    curves = ",\n".join(json.dumps(curve) for curve in surrogate_curves())
    (arguments.out / "surrogates.json").write_text(f"[\n{curves}\n]\n")
    print(f"{len(manifests)} cases, {len(binary)} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main()
