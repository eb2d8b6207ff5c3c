import type { Plan } from "../../fusion/plan.ts";
import { bracketed, type Dialect, literal, type Operand } from "./block.ts";
import { introduction, record, rule } from "./module.ts";
import { indent, moduleNames, pythonName, tuple } from "./names.ts";
import { stepFunctions, sumsOf } from "./steps.ts";
import { pieceOf, tritonKernels } from "./triton.ts";

/** Whether a value is the same at every step: a selection on it would be made once, before the loop. */
const isStill = ({ text, constant }: Operand): boolean => constant !== undefined || /^(p_|k\d)/.test(text);

const dialect: Dialect = {
  prefix: "jnp.",
  operations: {
    div: (a, b) => (!isStill(b) ? `${bracketed(a)} / ${bracketed(b)}` : `_over(${a.text}, ${b.text})`),
    // Two numbers would be of 64 bits where JAX is told to have them.
    where: (c, a, b) => `jnp.where(${c.text}, ${a.constant !== undefined && b.constant !== undefined ? `jnp.float32(${a.text})` : a.text}, ${b.text})`,
    atan: (a) => `jnp.arctan(${a.text})`, erf: (a) => `jax.lax.erf(${a.text})`, sigmoid: (a) => `1.0 / (1.0 + jnp.exp(-${bracketed(a)}))`,
  },
  guarded: (a, b) => (isStill(b) ? `_product(${b.text}, ${a.text})` : `_product(${a.text}, ${b.text})`),
};

/** A JAX module of a neuron: one function. */
export function jaxModule(plan: Plan): string {
  const { neuron, states } = plan;
  const { inputs, outputs, params } = neuron;
  const name = moduleNames(neuron.name).function;
  const xs = inputs.map(pythonName);
  const parameters = Object.entries(params).map(([param, value]) => ({ name: pythonName(param), value: literal(Math.fround(value)) }));
  const results = outputs.length === 1 ? "spikes" : outputs.join(", ");
  const steps = stepFunctions(plan, dialect, (value, like) => `jnp.full_like(${like}, ${value})`);
  const head = introduction(plan, "JAX", "JAX (tested with 0.10), and for its kernels on a GPU jax-triton>=0.4, which asks for jax>=0.11 and Python>=3.12", [
    `${results}, state = ${name}(${xs.join(", ")})  # all T steps: ${xs[0]} [T, ...]`,
  ], 'how="auto" lowers to one Triton kernel for all T steps in each direction on a GPU, and to lax.scan elsewhere; how="scan" needs nothing and runs everywhere. It works under jit, grad and vmap.');
  return `${head}import functools
import math

import jax
import jax.numpy as jnp

try:
    import jax_triton
    import triton
    import triton.language as tl
except ImportError:
    jax_triton = None

INITIAL = ${record(Object.entries(neuron.state))}  # the states, before the first step
INPUTS, OUTPUTS, SUMS = ${inputs.length}, ${outputs.length}, ${sumsOf(plan).length}
PIECE = ${pieceOf(plan)}  # backward, at most so many steps are recomputed at once, from states that the forward kernel saves


${rule("one step, and its derivative")}

${Object.keys(helpers).filter((helper) => steps.includes(`${helper}(`)).map((helper) => `${helpers[helper]}\n\n\n`).join("")}${steps}


${rule("all steps by lax.scan")}

${scans}


${rule("all steps in one Triton kernel")}

if jax_triton is not None:
${indent([tritonKernels(plan), "", launches]).join("\n")}


${rule("differentiable")}

${differentiable}


def ${name}(${xs.join(", ")}, state=None, *, ${parameters.map(({ name: param, value }) => `${param}=${value}, `).join("")}channel_axis=-1, trace=False, how="auto"):
    """${xs.join(", ")} [T, ...] of any float type -> ${results} [T, ...] of the same type, and the states after the last step, float32: {${states.map((state) => `"${state}": [...]`).join(", ")}}.

    state: those before the first step, as a call before returned them; default: ${states.length > 0 ? "INITIAL" : "none"}. trace=True returns a third value, the states after every step [T, ...].
    A parameter is a number, an array of one value a channel (axis channel_axis of x[t]), or whatever broadcasts to x[t].
    """
    return _call(${tuple(xs)}, ${tuple(parameters.map(({ name: param }) => param))}, state or {}, channel_axis, trace, how)
`;
}

const helpers: Readonly<Record<string, string>> = {
  _product: `def _product(a, b):
    """a b, rounded. XLA would contract it with the sum that takes it, and spikes near the threshold would be others; a selection stops that."""
    return jnp.where(b != b, b, a * b)`,
  _over: `def _over(a, b):
    """a / b, rounded once. XLA would make of it a product with 1 / b, where it knows b."""
    return a / jnp.where(a != a, a, b)`,
};

const scans = `def _piece(steps):
    return min(PIECE, 1 << (steps - 1).bit_length())


def _f32(arrays):
    return tuple(a.astype(jnp.float32) for a in arrays)


def _forward_scan(x, p, s, trace, save):
    steps, n = x[0].shape
    k = _before(*p)

    def step(s, x):
        r = _step(*s, *_f32(x), *k)
        return r[OUTPUTS:], (r[:OUTPUTS], r[OUTPUTS:] if trace else ())

    finals, (outs, traces) = jax.lax.scan(step, s, x)
    pieces = -(-steps // _piece(steps)) if save else 1
    saved = tuple(jnp.zeros((pieces - 1, n), jnp.float32) for _ in s if pieces > 1)  # the kernel's; this way needs none
    return tuple(o.astype(x[0].dtype) for o in outs), finals, traces, saved


def _backward_scan(x, p, s, saved, d_out, d_final, d_trace):
    k, k_reverse = _before(*p), _before_backward(*p)

    def advance(s, x):
        return _step(*s, *_f32(x), *k)[OUTPUTS:], s

    def reverse(carry, row):
        adjoint, sums = carry
        s, x, d, d_trace = row
        adjoint = tuple(a + b for a, b in zip(adjoint, d_trace)) if d_trace else adjoint
        r = _reverse(*s, *_f32(x), *adjoint, *_f32(d), *k_reverse)
        adjoint, terms = r[INPUTS:INPUTS + len(INITIAL)], r[INPUTS + len(INITIAL):]
        return (adjoint, tuple(a + b for a, b in zip(sums, terms))), tuple(g.astype(a.dtype) for g, a in zip(r, x))

    _, before = jax.lax.scan(advance, s, x)
    zeros = tuple(jnp.zeros_like(x[0][0], jnp.float32) for _ in range(SUMS))
    (adjoint, sums), grads = jax.lax.scan(reverse, (d_final, zeros), (before, x, d_out, d_trace), reverse=True)
    last = _after(*sums, *adjoint, *k_reverse)
    return grads, last[:len(p)], last[len(p):]`;

const launches = `def _launch(kernel, x, block, *arrays, out, **options):
    steps, n = x[0].shape
    return jax_triton.triton_call(
        *x, *arrays, kernel=kernel, out_type=out, grid=(-(-n // block),), num_warps=4, backend_options={"enable_fp_fusion": False},
        T=steps, N=n, C=n, inner=1, K=_piece(steps), BLOCK=block, **options)


def _forward_triton(x, p, s, trace, save):
    steps, n = x[0].shape
    pieces = -(-steps // _piece(steps)) if save else 1
    f32 = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)
    none = f32(1)
    out = [[jax.ShapeDtypeStruct((steps, n), x[0].dtype)] * OUTPUTS, [f32(n) for _ in s], [f32(steps, n) if trace else none for _ in s], [f32(pieces - 1, n) if pieces > 1 else none for _ in s]]
    results = iter(_launch(_forward_kernel, x, 512, *p, *s, out=sum(out, []), TRACE=trace, SAVE=pieces > 1))
    outs, finals, traces, saved = (tuple(next(results) for _ in each) for each in out)
    return outs, finals, traces if trace else (), saved if pieces > 1 else ()


def _backward_triton(x, p, s, saved, d_out, d_final, d_trace):
    steps, n = x[0].shape
    K = _piece(steps)
    out = [*(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in x), *(jax.ShapeDtypeStruct((n,), jnp.float32) for _ in [*p, *s])]
    grads = tuple(_launch(_backward_kernel, x, 512 if K <= 8 else 128, *p, *s, *(saved or s), *d_out, *d_final, *(d_trace or s), out=out, TRACE=len(d_trace) > 0, EVEN=steps % K == 0))
    return grads[:INPUTS], grads[INPUTS:INPUTS + len(p)], grads[INPUTS + len(p):]`;

const differentiable = `def _foldable(kernel):
    """A kernel that vmap makes one over more neurons: they are the last axis of every array."""
    kernel = jax.custom_batching.custom_vmap(kernel)

    @kernel.def_vmap
    def rule(size, batched, *args):
        def fold(a, is_batched):
            a = jnp.moveaxis(a, 0, -2) if is_batched else jnp.broadcast_to(a[..., None, :], (*a.shape[:-1], size, a.shape[-1]))
            return a.reshape(*a.shape[:-2], -1)

        out = kernel(*jax.tree.map(fold, args, tuple(batched)))
        out = jax.tree.map(lambda a: jnp.moveaxis(a.reshape(*a.shape[:-1], size, -1), -2, 0), out)
        return out, jax.tree.map(lambda _: True, out)

    return kernel


def _either(how, scan, kernel, *args):
    """One of the two; "auto" is decided when the program is lowered for a platform."""
    if how == "scan":
        return scan(*args)
    kernel = _foldable(kernel)
    return kernel(*args) if how == "triton" else jax.lax.platform_dependent(*args, cuda=kernel, rocm=kernel, default=scan)


def _forward(how, trace, save, x, p, s):
    ways = (_forward_scan, None if how == "scan" else _forward_triton)
    return _either(how, *(functools.partial(lambda way, *args: way(*args, trace, save), way) for way in ways), x, p, s)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _run(how, trace, x, p, s):
    return _forward(how, trace, False, x, p, s)[:3]


def _run_forward(how, trace, x, p, s):
    *results, saved = _forward(how, trace, True, x, p, s)
    return tuple(results), (x, p, s, saved)


def _run_backward(how, trace, kept, d):
    return _either(how, _backward_scan, None if how == "scan" else _backward_triton, *kept, *d)


_run.defvjp(_run_forward, _run_backward)


def _way(how):
    if how not in ("auto", "scan", "triton"):
        raise ValueError(f'how is {how!r}: expected "auto", "scan" or "triton"')
    if jax_triton is not None or how == "scan" or (how == "auto" and jax.default_backend() != "gpu"):
        return how if jax_triton is not None else "scan"
    raise ImportError('the kernel for GPUs needs the package jax-triton, with jax>=0.11 and Python>=3.12: pip install jax-triton; or how="scan", which is slower')


def _call(xs, values, state, channel_axis, trace, how):
    shape, how = xs[0].shape, _way(how)
    if len(shape) < 1 or not all(jnp.issubdtype(x.dtype, jnp.floating) and x.shape == shape for x in xs):
        raise ValueError(f"expected floating-point inputs of one shape [T, ...], got {', '.join(f'{x.dtype} {list(x.shape)}' for x in xs)}")
    if not set(state) <= set(INITIAL):
        raise ValueError(f"there are the states {list(INITIAL)}, and {list(state)} were given")
    n = math.prod(shape[1:])

    def wide(value):
        value = jnp.asarray(value, jnp.float32)
        if value.ndim == 1 and len(shape) > 1:
            around = [1] * (len(shape) - 1)
            around[channel_axis] = -1
            value = value.reshape(around)
        return jnp.broadcast_to(value, shape[1:]).reshape(n)

    p = tuple(wide(value) for value in values)
    s = tuple(jnp.full(n, value, jnp.float32) if name not in state else jnp.broadcast_to(state[name], shape[1:]).astype(jnp.float32).reshape(n) for name, value in INITIAL.items())
    outs, finals, traces = _run(how, trace, tuple(x.astype(xs[0].dtype).reshape(shape[0], n) for x in xs), p, s)
    outs = tuple(a.reshape(shape) for a in outs)
    after = {name: a.reshape(shape[1:]) for name, a in zip(INITIAL, finals)}
    out = outs[0] if OUTPUTS == 1 else outs
    return (out, after, {name: a.reshape(shape) for name, a in zip(INITIAL, traces)}) if trace else (out, after)`;
