"""Trains SpikingJelly's networks for train.mjs, as train-ours.mjs trains ours: the same weights, images and labels, by the same formulas.

    python3 bench/gpu/peers_train.py --serve [--sources DIR] [--device cuda|cpu]

The first line on stdout announces the contestants. Each line on stdin is then a request and gets one line as its answer:

    {"prepare": {"contestant", "layout": "contiguous" | "channels_last", "model", "steps", "batch", "shape": [H, W, C], "classes",
                 "optimizer": "sgd" | "adam", "precision": "float32" | "tf32" | "bfloat16", "seed"}}  →  {"parameters", "losses" of the first steps, "prepareSeconds"}
    {"time": samples}   →  {"ms": [...], "clock", "peakBytes", "reservedBytes", "lastLoss"}
    {"profile": steps}  →  {"profile": {"dense", "neuron", "norm", "rest"}, "operations": [{"name", "class", "ms"}]}, milliseconds of a step
    {"release": true}   →  {"released": true}

or {"error", "fatal"?}. A step is forward, loss, backward, update, and the reset of the neurons; bfloat16 is autocast.
"""

import contextlib
import gc
import importlib
import math
import re
import sys
import time
import traceback
import types

from peers import describe, hash_key, serve, versions

# name: (backend of the neurons, how a step runs, what it is)
CONTESTANTS = {
    "spikingjelly triton": ("triton", "eager", "neurons by Triton"),
    "spikingjelly triton graph": ("triton", "graph", "neurons by Triton, forward to update captured in one CUDA graph"),
    "spikingjelly cupy": ("cupy", "eager", "neurons by CuPy"),
    "spikingjelly torch": ("torch", "eager", "neurons step by step"),
    "spikingjelly inductor": ("inductor", "eager", "neurons by Inductor"),
    "spikingjelly torch compile": ("torch", "compile", "torch.compile of the network, neurons step by step"),
    "spikingjelly triton compile": ("triton", "compile", "torch.compile of the network, neurons by Triton"),
}
LR = 1e-3
WARM_UP = 3
IMAGES = 65535

# By kernel names on a GPU, by operators on the CPU; the first that matches.
CLASSES = [
    ("norm", r"batch_?norm|bn_fw|bn_bw|::bn_|native_norm"),
    ("neuron", r"multistep_(lif|if)|NodeFPTT|NodeBPTT"),
    ("dense", r"gemm|conv|cudnn|wgrad|dgrad|fprop|xmma|nvjet|cublas|cutlass|splitk|linear|addmm|aten::mm"),
]


def class_of(name):
    return next((kind for kind, pattern in CLASSES if re.search(pattern, name, re.IGNORECASE)), "rest")


def import_models():
    """SpikingJelly's models without the package's __init__, which imports what its other models need."""
    import spikingjelly.activation_based as package

    if "torchvision" not in sys.modules:
        try:
            importlib.import_module("torchvision")
        except Exception:
            for name in ("torchvision", "torchvision.models", "torchvision.models.utils"):
                sys.modules[name] = types.ModuleType(name)
    sys.modules.setdefault("torchvision.models.utils", types.ModuleType("torchvision.models.utils")).load_state_dict_from_url = None
    models = types.ModuleType("spikingjelly.activation_based.model")
    models.__path__ = [f"{package.__path__[0]}/model"]
    sys.modules[models.__name__] = models
    return importlib.import_module(f"{models.__name__}.sew_resnet"), importlib.import_module(f"{models.__name__}.spiking_resnet")


def build(model, backend, channels, classes):
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    def lif():
        return neuron.LIFNode(tau=1.25, decay_input=False, v_threshold=0.3, surrogate_function=surrogate.ATan())

    def integrate():
        return neuron.IFNode(detach_reset=True, surrogate_function=surrogate.ATan())

    sew_resnet, spiking_resnet = import_models()
    depth = model[-2:]
    if model == "smoke":
        net = smoke_net(lif, channels, classes)
    elif model.startswith("sew"):
        net = getattr(sew_resnet, f"sew_resnet{depth}")(cnf="ADD", spiking_neuron=integrate, num_classes=classes)
    else:
        net = getattr(spiking_resnet, f"spiking_resnet{depth}")(spiking_neuron=lif, num_classes=classes)
    if channels != 3 and model != "smoke":
        net.conv1 = layer.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    functional.set_step_mode(net, "m")
    for module in net.modules():
        if isinstance(module, neuron.BaseNode):
            if backend not in module.supported_backends:
                raise RuntimeError(f"{type(module).__name__} has no backend {backend}")
            module.backend = backend
    return net


def smoke_net(lif, channels, classes):
    """The network of that name in workloads.mjs."""
    import torch
    from spikingjelly.activation_based import layer

    def norm(inputs, stride):
        return layer.Conv2d(inputs, 16, kernel_size=3, stride=stride, padding=1, bias=False), layer.BatchNorm2d(16)

    class Residual(torch.nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    pool = layer.AdaptiveAvgPool2d((1, 1))
    return torch.nn.Sequential(*norm(channels, 1), lif(), Residual(*norm(16, 1)), lif(), *norm(16, 2), lif(), pool, layer.Flatten(), layer.Linear(16, classes))


def set_weights(net, model, seed, device):
    import torch
    from peers_torch import Framework

    gamma, beta = (0.9, 0) if model.startswith("sew") else (0.45, -0.3)
    norms = {f"{name}.bias" for name, module in net.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}
    for stream, (name, parameter) in enumerate(net.named_parameters()):
        if parameter.dim() > 1:
            bound = math.sqrt(6 / (parameter.numel() // parameter.shape[0]))
            low, span = -bound, 2 * bound
        else:
            middle = gamma if name.endswith("weight") else beta if name in norms else 0
            low, span = middle - 0.1, 0.2
        values = Framework.uniform(device, 1, parameter.numel(), "fp32", hash_key(seed, stream), low, span)
        with torch.no_grad():
            parameter.copy_(values.view(parameter.shape))


class Training:
    def __init__(self, device, contestant, layout, model, steps, batch, shape, classes, optimizer, precision, seed):
        import torch
        from peers_torch import Framework
        from spikingjelly.activation_based import functional

        backend, execution, _ = CONTESTANTS[contestant]
        cuda = device == "cuda"
        height, width, channels = shape
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
        torch.backends.cudnn.benchmark = True
        self.torch, self.device, self.reset_net = torch, device, functional.reset_net
        self.net = build(model, backend, channels, classes).to(device).train()
        set_weights(self.net, model, seed, device)
        x = Framework.uniform(device, steps * batch, channels * height * width, "fp32", hash_key(seed, IMAGES), 0.0, 1.0).view(steps * batch, channels, height, width)
        if layout == "channels_last":
            self.net.to(memory_format=torch.channels_last)
            x = x.contiguous(memory_format=torch.channels_last)
        self.x = x.unflatten(0, (steps, batch))
        self.y = torch.arange(batch, device=device) % classes
        self.parameters = sum(parameter.numel() for parameter in self.net.parameters())
        graph = execution == "graph"
        fused = {"fused": True} if cuda else {}
        if optimizer == "sgd":
            self.optimizer = torch.optim.SGD(self.net.parameters(), lr=LR, momentum=0.9, **fused)
        else:
            self.optimizer = torch.optim.Adam(self.net.parameters(), lr=LR, **fused, **({"capturable": True} if graph else {}))
        self.precision = lambda: torch.autocast(device, torch.bfloat16, cache_enabled=not graph) if precision == "bfloat16" else contextlib.nullcontext()
        self.forward = torch.compile(self.net) if execution == "compile" else self.net
        self.run = self.step
        self.losses = [self.step().item() for _ in range(WARM_UP)]
        if graph:
            self.capture()
        self.last = None

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        with self.precision():
            loss = self.torch.nn.functional.cross_entropy(self.forward(self.x).mean(0), self.y)
        loss.backward()
        self.optimizer.step()
        self.reset_net(self.net)
        return loss.detach()

    def capture(self):
        """One graph of a whole step, as PyTorch's documentation makes it: warmed up on another stream."""
        torch = self.torch
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self.step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            loss = self.step()

        def replay():
            graph.replay()
            return loss

        self.run = replay
        replay()


class Server:
    def __init__(self, device):
        self.device = device
        self.training = None

    def announce(self):
        return {"contestants": [self.contestant(name, *about) for name, about in CONTESTANTS.items()], "versions": versions()}

    def contestant(self, name, backend, execution, what):
        about = {"name": name, "what": what, "execution": execution}
        try:
            from peers_torch import need

            need(self.device)
            if self.device == "cpu" and (backend != "torch" or execution != "eager"):
                raise RuntimeError("runs on CUDA devices only")
            if backend != "torch":
                importlib.import_module({"inductor": "triton"}.get(backend, backend))
            import_models()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return {**about, "present": False, "reason": describe(error)}
        return {**about, "present": True}

    def answer(self, request):
        try:
            if request.get("release"):
                self.release()
                return {"released": True}
            if "prepare" in request:
                return self.prepare(request["prepare"])
            if "profile" in request:
                return self.profile(request["profile"])
            return self.time(request["time"])
        except Exception as error:
            traceback.print_exc()
            reply = {"error": describe(error)}
        # Only here, for while an exception is handled its frames hold tensors.
        try:
            self.release()
        except Exception:
            reply["fatal"] = True
        return reply

    def prepare(self, options):
        self.release()
        begin = time.monotonic()
        options.pop("execution", None)
        self.training = Training(self.device, **options)
        self.synchronize()
        return {"parameters": self.training.parameters, "losses": self.training.losses, "prepareSeconds": time.monotonic() - begin}

    def time(self, samples):
        from peers_torch import Framework

        training, sample = self.training, Framework.sampler(self.device)

        def step():
            training.last = training.run()

        ms = [sample(step, 1) for _ in range(samples)]
        return {"ms": ms, "clock": Framework.clock(self.device), "lastLoss": training.last.item(), **self.memory()}

    def memory(self):
        if self.device == "cpu":
            return {}
        cuda = self.training.torch.cuda
        return {"peakBytes": cuda.max_memory_allocated(), "reservedBytes": cuda.max_memory_reserved()}

    def profile(self, steps):
        from torch.autograd import DeviceType
        from torch.profiler import ProfilerActivity, profile

        cuda = self.device == "cuda"
        with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as found:
            for _ in range(steps):
                self.training.run()
            self.synchronize()
        totals = {}
        for event in found.key_averages():
            if event.device_type != (DeviceType.CUDA if cuda else DeviceType.CPU):
                continue
            microseconds = getattr(event, "self_device_time_total", None) or getattr(event, "self_cuda_time_total", 0) if cuda else event.self_cpu_time_total
            totals[event.key] = totals.get(event.key, 0) + microseconds / 1000 / steps
        sums = {"dense": 0, "neuron": 0, "norm": 0, "rest": 0}
        for name, ms in totals.items():
            sums[class_of(name)] += ms
        longest = sorted(totals.items(), key=lambda item: -item[1])[:25]
        return {"profile": sums, "operations": [{"name": name[:120], "class": class_of(name), "ms": ms} for name, ms in longest]}

    def release(self):
        self.training = None
        gc.collect()
        if self.device == "cuda" and "torch" in sys.modules:
            torch = sys.modules["torch"]
            if hasattr(torch, "_dynamo"):
                torch._dynamo.reset()
            self.synchronize()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def synchronize(self):
        if self.device == "cuda":
            sys.modules["torch"].cuda.synchronize()


if __name__ == "__main__":
    serve(__doc__, Server)
