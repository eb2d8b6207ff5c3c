"""adaptiveLif: a spiking neuron over all time steps at once, for JAX.

Written by spikefold 0.1.0 from the neuron's definition; change that and write it again, rather than this. MIT licence. Needs JAX (tested with 0.10), and for its kernels on a GPU jax-triton>=0.4, which asks for jax>=0.11 and Python>=3.12.

    spikes, state = adaptiveLif(x)  # all T steps: x [T, ...]

States, before the first step: v = 0.0, a = 0.0. Parameters: decay = 0.9, rho = 0.97, beta = 0.3.
Gradients are those of the neuron's surrogate; the trajectory is recomputed for them instead of kept.

how="auto" lowers to one Triton kernel for all T steps in each direction on a GPU, and to lax.scan elsewhere; how="scan" needs nothing and runs everywhere. It works under jit, grad and vmap.
"""
import functools
import math

import jax
import jax.numpy as jnp

try:
    import jax_triton
    import triton
    import triton.language as tl
except ImportError:
    jax_triton = None

INITIAL = {"v": 0.0, "a": 0.0}  # the states, before the first step
INPUTS, OUTPUTS, SUMS = 1, 1, 3
PIECE = 16  # backward, at most so many steps are recomputed at once, from states that the forward kernel saves


# one step, and its derivative ------------------------------------------------------------------------------------------

def _product(a, b):
    """a b, rounded. XLA would contract it with the sum that takes it, and spikes near the threshold would be others; a selection stops that."""
    return jnp.where(b != b, b, a * b)


def _before(p_decay, p_rho, p_beta):
    return (p_decay, p_beta, p_rho)


def _step(s_v, s_a, i_x, p_decay, p_beta, p_rho):
    t0 = _product(p_decay, s_v) + i_x
    t1 = jnp.where((t0 - _product(p_beta, s_a)) >= 1.0, jnp.float32(1.0), 0.0)
    t2 = t0 - t1
    t3 = _product(p_rho, s_a) + t1
    return (t1, t2, t3)


def _before_backward(p_decay, p_rho, p_beta):
    return (p_decay, p_beta, p_rho)


def _reverse(s_v, s_a, i_x, adj_v, adj_a, d_spike, p_decay, p_beta, p_rho):
    t0 = (_product(p_decay, s_v) + i_x) - _product(p_beta, s_a)
    t1 = (t0 - 1.0) * 3.1415927
    t2 = _product((d_spike + adj_a) - adj_v, 1.0 / (_product(t1, t1) + 1.0))
    t3 = adj_v + t2
    t4 = _product(p_decay, t3)
    t5 = -t2
    t6 = _product(p_rho, adj_a) + _product(p_beta, t5)
    t7 = _product(t3, s_v)
    t8 = _product(t5, s_a)
    t9 = _product(adj_a, s_a)
    return (t3, t4, t6, t7, t8, t9)


def _after(sum_k0, sum_k1, sum_k2, adj_v, adj_a, p_decay, p_beta, p_rho):
    return (sum_k0, sum_k2, sum_k1, adj_v, adj_a)


# all steps by lax.scan -------------------------------------------------------------------------------------------------

def _piece(steps):
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
    return grads, last[:len(p)], last[len(p):]


# all steps in one Triton kernel ----------------------------------------------------------------------------------------

if jax_triton is not None:
    @triton.jit(do_not_specialize=["T"])
    def _forward_kernel(in_x, param_decay, param_rho, param_beta, state_v, state_a, out_spike, final_v, final_a, trace_v, trace_a, saved_v, saved_a,
                        T, N, C, inner, K: tl.constexpr, TRACE: tl.constexpr, SAVE: tl.constexpr, BLOCK: tl.constexpr):
        n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        live = n < N
        channel = (n // inner) % C
        p_decay = tl.load(param_decay + channel, mask=live, other=0.0).to(tl.float32)
        p_rho = tl.load(param_rho + channel, mask=live, other=0.0).to(tl.float32)
        p_beta = tl.load(param_beta + channel, mask=live, other=0.0).to(tl.float32)
        s_v = tl.load(state_v + n, mask=live, other=0.0).to(tl.float32)
        s_a = tl.load(state_a + n, mask=live, other=0.0).to(tl.float32)
        at = n
        at_saved = n
        for t in tl.range(0, T, loop_unroll_factor=4):
            if SAVE:
                if (t % K == 0) & (t > 0):
                    tl.store(saved_v + at_saved, s_v, mask=live)
                    tl.store(saved_a + at_saved, s_a, mask=live)
                    at_saved += N
            i_x = tl.load(in_x + at, mask=live, other=0.0).to(tl.float32)
            t0 = (s_v * p_decay) + i_x
            t1 = tl.where((t0 - (s_a * p_beta)) >= 1.0, 1.0, 0.0)
            t2 = t0 - t1
            t3 = (s_a * p_rho) + t1
            tl.store(out_spike + at, t1, mask=live)
            s_v, s_a = t2, t3
            if TRACE:
                tl.store(trace_v + at, s_v, mask=live)
                tl.store(trace_a + at, s_a, mask=live)
            at += N
        tl.store(final_v + n, s_v, mask=live)
        tl.store(final_a + n, s_a, mask=live)


    @triton.jit(do_not_specialize=["T"])
    def _backward_kernel(in_x, param_decay, param_rho, param_beta, state_v, state_a, saved_v, saved_a, dout_spike, dfinal_v, dfinal_a, dtrace_v, dtrace_a, grad_x, grad_decay, grad_rho, grad_beta, grad_v, grad_a,
                         T, N, C, inner, K: tl.constexpr, TRACE: tl.constexpr, EVEN: tl.constexpr, BLOCK: tl.constexpr):
        n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        live = n < N
        channel = (n // inner) % C
        p_decay = tl.load(param_decay + channel, mask=live, other=0.0).to(tl.float32)
        p_rho = tl.load(param_rho + channel, mask=live, other=0.0).to(tl.float32)
        p_beta = tl.load(param_beta + channel, mask=live, other=0.0).to(tl.float32)
        adj_v = tl.load(dfinal_v + n, mask=live, other=0.0).to(tl.float32)
        adj_a = tl.load(dfinal_a + n, mask=live, other=0.0).to(tl.float32)
        sum_k0 = tl.zeros([BLOCK], tl.float32)
        sum_k1 = tl.zeros([BLOCK], tl.float32)
        sum_k2 = tl.zeros([BLOCK], tl.float32)
        zero = tl.zeros([BLOCK], tl.int64)  # of 64 bits, and so are offsets that are made with it
        pieces = (T + K - 1) // K
        for j in range(0, pieces):
            t0 = (pieces - 1 - j) * K
            at = n + (zero + t0) * N
            first_v = tl.load(state_v + n, mask=live, other=0.0).to(tl.float32)
            s_v = tl.where(t0 > 0, tl.load(saved_v + n + (zero + (pieces - 2 - j)) * N, mask=live & (t0 > 0), other=0.0).to(tl.float32), first_v)
            first_a = tl.load(state_a + n, mask=live, other=0.0).to(tl.float32)
            s_a = tl.where(t0 > 0, tl.load(saved_a + n + (zero + (pieces - 2 - j)) * N, mask=live & (t0 > 0), other=0.0).to(tl.float32), first_a)
            kept_x = ()
            kept_v = ()
            kept_a = ()
            for k in tl.static_range(K):
                on = live
                if not EVEN:
                    on = live & (t0 + k < T)
                i_x = tl.load(in_x + at, mask=on, other=0.0).to(tl.float32)
                kept_x += (i_x,)
                kept_v += (s_v,)
                kept_a += (s_a,)
                a0 = (s_v * p_decay) + i_x
                a1 = tl.where((a0 - (s_a * p_beta)) >= 1.0, 1.0, 0.0)
                a2 = a0 - a1
                a3 = (s_a * p_rho) + a1
                s_v, s_a = a2, a3
                at += N
            for k in tl.static_range(K):
                at -= N
                on = live
                if not EVEN:
                    on = live & (t0 + (K - 1 - k) < T)
                d_spike = tl.load(dout_spike + at, mask=on, other=0.0).to(tl.float32)
                if TRACE:
                    adj_v += tl.load(dtrace_v + at, mask=on, other=0.0).to(tl.float32)
                    adj_a += tl.load(dtrace_a + at, mask=on, other=0.0).to(tl.float32)
                i_x = kept_x[K - 1 - k]
                s_v = kept_v[K - 1 - k]
                s_a = kept_a[K - 1 - k]
                r0 = (((s_v * p_decay) + i_x) - (s_a * p_beta)) - 1.0
                r1 = r0 * 3.1415927
                r2 = tl.div_rn(tl.full([BLOCK], 1.0, tl.float32), (r1 * r1) + 1.0)
                r3 = ((d_spike + adj_a) - adj_v) * r2
                r4 = adj_v + r3
                r5 = r4 * p_decay
                r6 = -r3
                r7 = (adj_a * p_rho) + (r6 * p_beta)
                r8 = r4 * s_v
                r9 = r6 * s_a
                r10 = adj_a * s_a
                tl.store(grad_x + at, r4, mask=on)
                if EVEN:
                    sum_k0 += r8
                    sum_k1 += r9
                    sum_k2 += r10
                    adj_v, adj_a = r5, r7
                if not EVEN:
                    sum_k0 += tl.where(on, r8, 0.0)
                    sum_k1 += tl.where(on, r9, 0.0)
                    sum_k2 += tl.where(on, r10, 0.0)
                    adj_v, adj_a = tl.where(on, r5, adj_v), tl.where(on, r7, adj_a)
        tl.store(grad_decay + n, sum_k0, mask=live)
        tl.store(grad_rho + n, sum_k2, mask=live)
        tl.store(grad_beta + n, sum_k1, mask=live)
        tl.store(grad_v + n, adj_v, mask=live)
        tl.store(grad_a + n, adj_a, mask=live)

    def _launch(kernel, x, block, *arrays, out, **options):
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
        return grads[:INPUTS], grads[INPUTS:INPUTS + len(p)], grads[INPUTS + len(p):]


# differentiable --------------------------------------------------------------------------------------------------------

def _foldable(kernel):
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
    return (out, after, {name: a.reshape(shape) for name, a in zip(INITIAL, traces)}) if trace else (out, after)


def adaptiveLif(x, state=None, *, decay=0.9, rho=0.97, beta=0.3, channel_axis=-1, trace=False, how="auto"):
    """x [T, ...] of any float type -> spikes [T, ...] of the same type, and the states after the last step, float32: {"v": [...], "a": [...]}.

    state: those before the first step, as a call before returned them; default: INITIAL. trace=True returns a third value, the states after every step [T, ...].
    A parameter is a number, an array of one value a channel (axis channel_axis of x[t]), or whatever broadcasts to x[t].
    """
    return _call((x,), (decay, rho, beta), state or {}, channel_axis, trace, how)
