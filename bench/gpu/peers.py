"""Times the peers of bench.mjs where their libraries are.

    python3 bench/gpu/peers.py --serve [--sources DIR] [--device cuda|cpu]

The first line on stdout announces the contestants: {"contestants": [{"name", "what", "present", "reason", "directions"}], "versions"}.
Each line on stdin is then a request and gets one line as its answer:

    {"contestant", "T", "N", "dtype": "fp32" | "bf16", "direction": "forward" | "backward" | "both",
     "repetitions", "seconds", "seed"}  →  {"ms": [...], "clock", "firingRate", "meanGradient"} or {"error", "fatal"?}
    {"release": true}                   →  {"released": true}; gives the memory back

DIR holds source folders, such as DIR/spikingjelly/spikingjelly and DIR/norse/norse. With --device cpu the peers that have a
CPU run on it: for trying the scripts, never for figures.
"""

import argparse
import gc
import importlib
import json
import math
import os
import platform
import sys
import time
import traceback

# name: (module, function that makes it, what it is)
CONTESTANTS = {
    "pytorch loop": ("peers_torch", "pytorch_loop", "plain PyTorch, T steps of element-wise operations, autograd"),
    "torch.compile": ("peers_torch", "pytorch_compiled", "the same loop under torch.compile, unrolled"),
    "snntorch": ("peers_torch", "snntorch_leaky", "snntorch.Leaky called T times, its own reset (delayed, by subtraction)"),
    "norse": ("peers_torch", "norse_lif", "norse's LIFBox over [T, N], its own surrogate"),
    "spikingjelly torch": ("peers_torch", "spikingjelly_torch", "LIFNode, backend torch"),
    "spikingjelly cupy": ("peers_torch", "spikingjelly_cupy", "LIFNode, backend cupy, training mode"),
    "spikingjelly triton": ("peers_torch", "spikingjelly_triton", "LIFNode, backend triton, training mode"),
    "spikingjelly inductor": ("peers_torch", "spikingjelly_inductor", "LIFNode, backend inductor, training mode"),
    "jax scan": ("peers_jax", "jax_scan", "jax.lax.scan of the step under jax.jit"),
    "pytorch copy": ("peers_torch", "pytorch_copy", "Tensor.copy_ of [T, N]"),
}

# The same numbers as in work.mjs.
SAMPLE_MS = 0.5
MAX_CALLS = 100
RANGES = [(-1.0, 3.2), (-1.0, 2.0)]


def hash_key(seed, n):
    return ((2 * seed + n + 1) * 0x9E3779B9) & 0xFFFFFFFF


class NotTried(Exception):
    pass


class Server:
    def __init__(self, device):
        self.device = device
        self.made = {}
        self.inputs = {}
        self.seen = {}

    def announce(self):
        listing = []
        for name, (module, function, what) in CONTESTANTS.items():
            try:
                self.made[name] = getattr(importlib.import_module(module), function)(self.device)
                listing.append({"name": name, "what": what, "present": True, "directions": self.made[name].directions})
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                listing.append({"name": name, "what": what, "present": False, "reason": describe(error)})
        return {"contestants": listing, "versions": versions()}

    def answer(self, request):
        if request.get("release"):
            self.release()
            return {"released": True}
        try:
            reply = self.time(**request)
        except NotTried as reason:
            reply = {"error": str(reason)}
        except Exception as error:
            traceback.print_exc()
            reply = {"error": describe(error)}
        # Only here, for while an exception is handled its frames hold tensors.
        peer = self.made.get(request.get("contestant"))
        if peer:
            peer.forget()
            gc.collect()
            try:
                peer.framework.tidy(self.device)
            except Exception as error:
                # The device's context is lost to this process: bench.mjs starts another.
                reply = {"error": reply.get("error", describe(error)), "fatal": True}
        return reply

    def time(self, contestant, T, N, dtype, direction, repetitions, seconds, seed):
        peer = self.made[contestant]
        framework = peer.framework
        if peer.max_steps is not None and T > peer.max_steps:
            raise NotTried(f"not tried beyond T = {peer.max_steps}: it unrolls the loop, and compiles for minutes")
        key = (framework.__module__, T, N, dtype, seed)
        if key not in self.inputs:
            self.release()
            self.inputs[key] = [framework.uniform(self.device, T, N, dtype, hash_key(seed, n), *RANGES[n]) for n in range(2)]
        x, gradient = self.inputs[key]
        work, observe = peer.prepare(x, gradient, direction)
        sample = framework.sampler(self.device)

        case = (contestant, T, N, dtype, direction)
        for _ in range(1 if case in self.seen else 3):
            sample(work, 1)
        if case not in self.seen:
            self.seen[case] = observe()
        calls = min(MAX_CALLS, max(1, math.ceil(SAMPLE_MS / sample(work, 1))))
        begin = time.monotonic()
        milliseconds = []
        while len(milliseconds) < repetitions and (not milliseconds or time.monotonic() - begin < seconds):
            milliseconds.append(sample(work, calls))
        return {"ms": milliseconds, "clock": framework.clock(self.device), **self.seen[case]}

    def release(self):
        self.inputs.clear()
        gc.collect()
        for framework in {peer.framework for peer in self.made.values()}:
            framework.tidy(self.device)


def describe(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def versions():
    found = {"python": platform.python_version()}
    for name in ("torch", "triton", "cupy", "jax", "jaxlib", "snntorch", "spikingjelly", "norse"):
        if name in sys.modules:
            found[name] = str(getattr(sys.modules[name], "__version__", "from source"))
    if "torch" in sys.modules:
        found["torch CUDA"] = str(sys.modules["torch"].version.cuda)
    return found


def serve(description, make):
    """Answers the requests on stdin by `make(device)`, a server."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", required=True)
    parser.add_argument("--sources", metavar="DIR", help="folder of checkouts to import from")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    arguments = parser.parse_args()

    # Whatever libraries print goes to stderr.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    if arguments.sources and os.path.isdir(arguments.sources):
        sys.path[:0] = sorted(entry.path for entry in os.scandir(arguments.sources) if entry.is_dir())
    # JAX never gives memory back, and is to leave some to the others.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.4")

    server = make(arguments.device)
    print(json.dumps(server.announce()), file=out)
    for line in sys.stdin:
        print(json.dumps(server.answer(json.loads(line))), file=out)


if __name__ == "__main__":
    serve(__doc__, Server)
