"""Compiles the Triton kernels of a folder's PyTorch modules for GPUs that need not be there: a line of JSON a kernel, with its registers and bytes of spills."""
import importlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

sys.path.insert(0, sys.argv[1])
cuobjdump = pathlib.Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"


def build(kernel, architecture, constants):
    types, values, divisible = {}, {}, {}
    for i, name in enumerate(kernel.arg_names):
        if name in constants:
            types[name], values[(i,)] = "constexpr", constants[name]
        else:
            types[name] = "*fp32" if "_" in name else "i32"
            if "_" in name or name == "N":
                divisible[(i,)] = [["tt.divisibility", 16]]
    return triton.compile(ASTSource(fn=kernel, signature=types, constexprs=values, attrs=divisible), target=GPUTarget("cuda", architecture, 32), options=dict(num_warps=4, enable_fp_fusion=False))


for path in sorted(pathlib.Path(sys.argv[1]).glob("neuron_*.py")):
    m = importlib.import_module(path.stem)
    for kernel, block, options in ((m._forward_kernel, 512, dict(K=16, SAVE=True)), (m._backward_kernel, 512, dict(K=8, EVEN=True)), (m._backward_kernel, 128, dict(K=16, EVEN=True))):
        compiled = build(kernel, int(sys.argv[2]), dict(options, TRACE=False, BLOCK=block))
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(compiled.asm["cubin"])
            file.flush()
            text = subprocess.run([cuobjdump, "-res-usage", file.name], capture_output=True, text=True).stdout
        usage = {what: int(number) for what, number in re.findall(r"(REG|STACK|LOCAL):(\d+)", text)}
        ptx = compiled.asm["ptx"]
        print(json.dumps({"module": path.stem, "kernel": kernel.fn.__name__, "K": options["K"], "registers": usage["REG"], "spills": usage["STACK"] + usage["LOCAL"],
                          "wideLoads": len(re.findall(r"ld\.global\.v4", ptx)), "contractions": len(re.findall(r"\bfma\.rn\.f32", ptx))}))
