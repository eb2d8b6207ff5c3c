"""Runs exported PyTorch modules on the cases of a folder and prints, for each, how far they are from the interpreter. TRITON_INTERPRET=1: the Triton kernels."""
import sys

import torch
from cases import cases, report

torch.set_num_threads(1)

for case, function, array in cases(sys.argv[1]):
    shape = case["shape"]
    leaf = lambda name, shape: torch.tensor(array(name)).reshape(shape).requires_grad_()
    x = {name: leaf(name, shape) for name in case["inputs"]}
    params = {name: leaf(name, -1) for name in case["params"]}
    state = {name: leaf("state." + name, shape[1:]) for name in case["states"]}
    out, after, traces = function(*x.values(), state=state, trace=True, channel_dim=-1, **{case["params"][name]: value for name, value in params.items()})
    results = dict(zip(case["outputs"], out if isinstance(out, tuple) else (out,)))
    results |= {"trace." + name: value for name, value in traces.items()} | {"final." + name: value for name, value in after.items()}
    sum((value * torch.tensor(array("d." + name)).reshape(value.shape)).sum() for name, value in results.items()).backward()
    grads = {"grad." + name: value.grad for name, value in (x | params).items()} | {"grad.state." + name: value.grad for name, value in state.items()}
    report(case, array, {name: value.detach().numpy() for name, value in (results | grads).items()})
