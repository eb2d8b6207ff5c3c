"""The contestants that run on PyTorch. All have tau = 2, threshold 1, a hard reset to 0 and the arctangent surrogate unless theirs differs."""

import importlib
import math
import sys
import time
import types

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
MAX_UNROLLED_STEPS = 64


class Framework:
    @staticmethod
    def uniform(device, T, N, dtype, key, low, span):
        """Element i is a hash of i and the key, as in work.mjs; row by row, for the hash takes 8 bytes an element."""
        x = torch.empty(T, N, dtype=DTYPES[dtype], device=device)
        columns = torch.arange(N, dtype=torch.int64, device=device)
        for t in range(T):
            h = ((columns + t * N) & 0xFFFFFFFF) ^ key
            h = h ^ (h >> 16)
            h = (h * 0x7FEB352D) & 0xFFFFFFFF
            h = h ^ (h >> 15)
            h = (h * (0x846CA68B - (1 << 32))) & 0xFFFFFFFF
            h = h ^ (h >> 16)
            x[t] = (h >> 8).to(torch.float32) * 2.0**-24 * span + low
        return x

    @staticmethod
    def sampler(device):
        """sample(work, calls): milliseconds of one call."""
        if device == "cpu":
            return host_sample
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)

        def sample(work, calls):
            start.record()
            for _ in range(calls):
                work()
            end.record()
            end.synchronize()
            return start.elapsed_time(end) / calls

        return sample

    @staticmethod
    def clock(device):
        return "events" if device == "cuda" else "host"

    @staticmethod
    def tidy(device):
        if device == "cuda":
            torch.cuda.synchronize()
            torch.cuda.empty_cache()


def host_sample(work, calls):
    begin = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - begin) * 1e3 / calls


class Contestant:
    """`run(x)` gives the spikes [T, N], recording the graph; `forget` drops what the last run left in a module's state."""

    framework = Framework
    directions = ("forward", "backward", "both")

    def __init__(self, run, gain=1.0, max_steps=None, forget=lambda: None):
        self.run = run
        self.gain = gain
        self.max_steps = max_steps
        self.forget = forget

    def prepare(self, x, gradient, direction):
        """The call to be timed, and a function that gives the firing rate and the mean of |gradient|."""
        x = (x * self.gain if self.gain != 1.0 else x.detach()).requires_grad_()
        run = self.run

        def both():
            return torch.autograd.grad(run(x), x, gradient)[0]

        def observe():
            spikes = run(x)
            rate = spikes.detach().mean(dtype=torch.float32).item()
            grad = torch.autograd.grad(spikes, x, gradient)[0] * self.gain
            mean = torch.linalg.vector_norm(grad, 1, dtype=torch.float32).item() / grad.numel()
            return {"firingRate": rate, "meanGradient": mean}

        if direction == "forward":
            return lambda: run(x), observe
        if direction == "both":
            return both, observe
        spikes = run(x)
        return lambda: torch.autograd.grad(spikes, x, gradient, retain_graph=True), observe


class Copy:
    framework = Framework
    directions = ("forward",)
    max_steps = None

    def forget(self):
        pass

    def prepare(self, x, gradient, direction):
        target = torch.empty_like(x)
        return lambda: target.copy_(x), dict


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


def loop(inputs):
    v = torch.zeros_like(inputs[0])
    spikes = []
    for x in inputs.unbind(0):
        h = v + (x - v) / 2.0
        s = SpikeATan.apply(h - 1.0)
        v = (1.0 - s) * h
        spikes.append(s)
    return torch.stack(spikes)


def need(device):
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"PyTorch {torch.__version__} sees no CUDA device")


def pytorch_copy(device):
    need(device)
    return Copy()


def pytorch_loop(device):
    need(device)
    return Contestant(loop)


def pytorch_compiled(device):
    need(device)
    import torch._dynamo
    import torch._functorch.config

    # The backward pass is timed again and again on one graph, so its buffers may not be given away.
    torch._functorch.config.donated_buffer = False
    for limit in ("recompile_limit", "cache_size_limit"):
        if hasattr(torch._dynamo.config, limit):
            setattr(torch._dynamo.config, limit, 256)
    return Contestant(torch.compile(loop, fullgraph=True, dynamic=False), max_steps=MAX_UNROLLED_STEPS)


def snntorch_leaky(device):
    need(device)
    import snntorch

    node = snntorch.Leaky(beta=0.5).to(device)

    def run(inputs):
        mem = torch.zeros_like(inputs[0])
        spikes = []
        for x in inputs.unbind(0):
            spike, mem = node(x, mem)
            spikes.append(spike)
        return torch.stack(spikes)

    # Its charge does not divide the input by tau, so half the input is the same drive.
    return Contestant(run, gain=0.5, forget=node.reset_mem)


def norse_lif(device):
    need(device)
    try:
        lif_box = importlib.import_module("norse.torch").module.lif_box
    except ImportError:
        lif_box = import_past_packages("norse.torch.module.lif_box", ["norse", "norse.torch"])
    # dt / tau_mem = 1 / 2, so h = v + (x - v) / 2.
    node = lif_box.LIFBox(lif_box.LIFBoxParameters(tau_mem_inv=torch.as_tensor(500.0)), dt=0.001).to(device)
    return Contestant(lambda x: node(x)[0])


def import_past_packages(name, packages):
    """Imports a module without what its packages import for other ends (data sets, exporters), which may not be installed."""
    for loaded in [each for each in sys.modules if each == packages[0] or each.startswith(packages[0] + ".")]:
        del sys.modules[loaded]
    paths = sys.path
    for package in packages:
        spec = importlib.machinery.PathFinder.find_spec(package, paths)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {package!r}")
        module = types.ModuleType(package)
        module.__path__ = paths = list(spec.submodule_search_locations)
        sys.modules[package] = module
    return importlib.import_module(name)


def spikingjelly(device, backend, max_steps=None):
    need(device)
    if backend != "torch":
        if device == "cpu":
            raise RuntimeError("runs on CUDA devices only")
        importlib.import_module({"inductor": "triton"}.get(backend, backend))
    from spikingjelly.activation_based import neuron, surrogate

    node = neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan(), step_mode="m", backend=backend, store_v_seq=False).to(device)
    node.train()

    def run(x):
        node.reset()
        return node(x)

    return Contestant(run, max_steps=max_steps, forget=node.reset)


def spikingjelly_torch(device):
    return spikingjelly(device, "torch")


def spikingjelly_cupy(device):
    return spikingjelly(device, "cupy")


def spikingjelly_triton(device):
    return spikingjelly(device, "triton")


def spikingjelly_inductor(device):
    return spikingjelly(device, "inductor", MAX_UNROLLED_STEPS)
