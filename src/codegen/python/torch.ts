import { fnv1a } from "../../fnv.ts";
import type { Plan } from "../../fusion/plan.ts";
import { bracketed, type Dialect, literal, type Operand } from "./block.ts";
import { introduction, record, rule } from "./module.ts";
import { indent, moduleNames, pythonName, tuple } from "./names.ts";
import { stepFunctions } from "./steps.ts";
import { launches, loops, operators, wrapper } from "./torchRuntime.ts";
import { pieceOf, tritonKernels } from "./triton.ts";

const bound = (name: "min" | "max") => (a: Operand, b: Operand): string =>
  a.constant === undefined && b.constant === undefined ? `torch.${name}imum(${a.text}, ${b.text})` : a.constant === undefined ? `torch.clamp(${a.text}, ${name === "min" ? "max" : "min"}=${b.text})` : bound(name)(b, a);

const dialect: Dialect = {
  prefix: "torch.",
  operations: {
    // A number divided by a tensor is a product with a reciprocal, rounded twice.
    div: (a, b) => (a.constant === undefined ? `${bracketed(a)} / ${bracketed(b)}` : a.constant === 1 ? `torch.reciprocal(${b.text})` : `_over(${a.text}, ${b.text})`),
    minimum: bound("min"), maximum: bound("max"),
    where: (c, a, b) => (a.constant === 1 && b.constant === 0 ? `${bracketed(c)}.float()` : `torch.where(${c.text}, ${a.text}, ${b.text})`),
  },
};

/** A PyTorch module of a neuron: a function, a layer with SpikingJelly's calls and a cell with snnTorch's. */
export function torchModule(plan: Plan): string {
  const { neuron, states } = plan;
  const { inputs, outputs, params, learnable } = neuron;
  const names = moduleNames(neuron.name);
  const xs = inputs.map(pythonName);
  const cells = states.map(pythonName);
  const parameters = Object.entries(params).map(([name, value]) => ({ name: pythonName(name), value: literal(Math.fround(value)) }));
  const defaults = parameters.map(({ name, value }) => `${name}=${value}, `).join("");
  const given = `{${parameters.map(({ name }) => `"${name}": ${name}`).join(", ")}}`;
  const learn = tuple(learnable.map((name) => `"${pythonName(name)}"`));
  const results = outputs.length === 1 ? "spikes" : outputs.join(", ");
  const stepText = stepFunctions(plan, dialect, (value, like) => `torch.full_like(${like}, ${value})`);

  const body = `import contextlib
import math
import os

import torch
from torch import nn

try:
    import triton
    import triton.language as tl
except ImportError:  # no GPU that it knows
    triton = None

INITIAL = ${record(Object.entries(neuron.state))}  # the states, before the first step
PARAMETERS = ${record(Object.entries(params).map(([name, value]) => [pythonName(name), value]))}
INPUTS, OUTPUTS = ${inputs.length}, ${outputs.length}
PIECE = ${pieceOf(plan)}  # backward, at most so many steps are recomputed at once, from states that the forward kernel saves


${rule("one step, and its derivative")}

${stepText.includes("_over(") ? "def _over(a, b):\n    return torch.full_like(b, a) / b  # a / b is a product with 1 / b, rounded twice\n\n\n" : ""}${stepText}


${rule("all steps in PyTorch")}

${loops}


${rule("all steps in one Triton kernel")}

if triton is not None:
${indent([tritonKernels(plan), "", launches]).join("\n")}


${rule("operators of PyTorch")}

`;

  const calls = `

${rule("what to call")}

def ${names.function}(${xs.join(", ")}, state=None, *, ${defaults}channel_dim=1, trace=False):
    """${xs.join(", ")} [T, N, ...] of any float type -> ${results} [T, N, ...] of the same type, and the states after the last step, float32: {${states.map((name) => `"${name}": [N, ...]`).join(", ")}}.

    state: those before the first step, as a call before returned them; default: ${states.length > 0 ? "INITIAL" : "none"}. trace=True returns a third value, the states after every step [T, N, ...].
    A parameter is a number, a tensor of one value, one value a channel (axis channel_dim of x[t]), or whatever broadcasts to x[t].
    """
    return _call(${tuple(xs)}, ${given}, state, channel_dim, trace)


${wrapper}


class ${names.layer}(_Neuron):
    """A layer over [T, N, ...] with SpikingJelly's calls: step_mode "m" or, for one step [N, ...] a call, "s"; states stay until reset().

    learn: the parameters to be learnt, one value for all or one for each of \`channels\`. trace=True keeps the states after every step in .trace.
    """

    def __init__(self, *, ${defaults}learn=${learn}, channels=1, channel_dim=1, step_mode="m", trace=False):
        super().__init__(${given}, learn, channels, channel_dim)
        self.step_mode, self.keeps_trace = step_mode, trace
        self.state = self.trace = None

    def reset(self):
        self.state = self.trace = None

    def detach(self):
        if self.state is not None:
            self.state = {name: value.detach() for name, value in self.state.items()}

    def forward(self, ${xs.join(", ")}):
        single = self.step_mode == "s"
        rows = [value.unsqueeze(0) if single else value for value in ${tuple(xs)}]
        out, self.state, self.trace = _call(rows, self.values(), self.state, self.channel_dim, True) if self.keeps_trace else (*_call(rows, self.values(), self.state, self.channel_dim, False), None)
        return ${outputs.length === 1 ? "out.squeeze(0) if single else out" : "tuple(value.squeeze(0) for value in out) if single else out"}


class ${names.cell}(_Neuron):
    """One step a call, with snnTorch's calls: ${[...(outputs.length === 1 ? ["spk"] : outputs), ...cells].join(", ")} = cell(${[...xs, ...cells].join(", ")}); a state that is None is the first."""

    def __init__(self, *, ${defaults}learn=${learn}, channels=1, channel_dim=1):
        super().__init__(${given}, learn, channels, channel_dim)

    def forward(self, ${[...xs, ...cells.map((name) => `${name}=None`)].join(", ")}):
        state = {${states.map((name, i) => `"${name}": ${cells[i]}`).join(", ")}}
        out, after = _call([value.unsqueeze(0) for value in ${tuple(xs)}], self.values(), state, self.channel_dim, False)
        return ${outputs.length === 1 ? "(out.squeeze(0), *after.values())" : "(*(value.squeeze(0) for value in out), *after.values())"}
`;
  // Of the code itself: two versions of a module in one process are two operators.
  const operator = `${neuron.name}_${fnv1a(new TextEncoder().encode(body + operators + calls))}`;
  const head = introduction(plan, "PyTorch", "PyTorch (tested with 2.13), and on a GPU Triton (3.8), which comes with it there", [
    `${results}, state = ${names.function}(${xs.join(", ")})  # all T steps: ${xs[0]} [T, N, ...]`,
    `layer = ${names.layer}()  # an nn.Module with SpikingJelly's calls: layer(${xs.join(", ")}), layer.reset()`,
    `cell = ${names.cell}()  # one step, with snnTorch's calls: ${[...(outputs.length === 1 ? ["spk"] : outputs), ...cells].join(", ")} = cell(${[...xs, ...cells].join(", ")})`,
  ], "On a GPU all T steps are one Triton kernel in each direction; elsewhere the same arithmetic runs step by step in PyTorch. It works under torch.compile(fullgraph=True), autocast,\ntorch.func and torch.export. TRITON_INTERPRET=1 runs the kernels on the CPU, slowly.");
  return `${head}${body}OPERATOR = "spikefold::${operator}"\n\n\n${operators}${calls}`;
}
