// What every PyTorch module has, whatever its neuron: `torch.ts` puts it around the neuron's own functions and kernels.

/** The kernels' arithmetic as a loop over the steps, on any device. */
export const loops: string = `def _piece(steps):
    return min(PIECE, 1 << (int(steps) - 1).bit_length())


def _wide(params, inner, n):
    """One value a neuron."""
    return [p.expand(n) if p.numel() == 1 else p.repeat_interleave(inner).repeat(n // (p.numel() * inner)) for p in params]


def _stack(rows, *like):
    return [torch.stack(column).to(x.dtype) for column, x in zip(zip(*rows), like)]


def _forward_steps(x, p, s, inner, trace, save):
    steps, n = x[0].shape
    k = _before(*_wide(p, inner, n))
    outs, states, saved = [], [], []
    for t in range(steps):
        if save and t > 0 and t % _piece(steps) == 0:
            saved.append(s)
        r = _step(*s, *(a[t].float() for a in x), *k)
        s = r[OUTPUTS:]
        outs.append(r[:OUTPUTS])
        if trace:
            states.append(s)
    return [*_stack(outs, *x[:1] * OUTPUTS), *(a.clone() for a in s), *_stack(states, *s), *_stack(saved, *s)]


def _backward_steps(x, p, s, saved, d_out, d_final, d_trace, inner):
    steps, n = x[0].shape
    p = _wide(p, inner, n)
    k, k_reverse = _before(*p), _before_backward(*p)
    before, grads = [], []
    for t in range(steps):
        before.append(s)
        s = _step(*s, *(a[t].float() for a in x), *k)[OUTPUTS:]
    adjoint, sums = d_final, None
    for t in reversed(range(steps)):
        adjoint = [a + d[t] for a, d in zip(adjoint, d_trace)] if d_trace else adjoint
        r = _reverse(*before[t], *(a[t].float() for a in x), *adjoint, *(d[t].float() for d in d_out), *k_reverse)
        adjoint, terms = r[INPUTS:INPUTS + len(INITIAL)], r[INPUTS + len(INITIAL):]
        sums = terms if sums is None else [a + b for a, b in zip(sums, terms)]
        grads.append(r[:INPUTS])
    return [*_stack(grads[::-1], *x), *(a.clone() for a in _after(*sums, *adjoint, *k_reverse))]`;

/** The kernels' launches. */
export const launches: string = `def _launch(kernel, x, p, block, *arrays, **options):
    steps, n = x[0].shape
    if n > 0:
        with torch.cuda.device(x[0].device) if x[0].is_cuda else contextlib.nullcontext():
            kernel[(triton.cdiv(n, block),)](*x, *p, *arrays, T=steps, N=n, C=p[0].numel() if p else 1, K=_piece(steps), BLOCK=block, num_warps=4, enable_fp_fusion=False, **options)


def _forward_triton(x, p, s, inner, trace, save):
    outs, finals, traces, saved = made = _results(x, s, trace, save)
    _launch(_forward_kernel, x, p, 512, *s, *outs, *finals, *(traces or s), *(saved or s), inner=inner, TRACE=len(traces) > 0, SAVE=len(saved) > 0)
    return sum(made, [])


def _backward_triton(x, p, s, saved, d_out, d_final, d_trace, inner):
    K = _piece(x[0].shape[0])
    grads = [*(torch.empty_like(a) for a in x), *(x[0].new_empty(x[0].shape[1], dtype=torch.float32) for _ in [*p, *s])]
    _launch(_backward_kernel, x, p, 512 if K <= 8 else 128, *s, *(saved or s), *d_out, *d_final, *(d_trace or s), *grads, inner=inner, TRACE=len(d_trace) > 0, EVEN=x[0].shape[0] % K == 0)
    return grads`;

/** Both directions as operators, and what makes them differentiable. */
export const operators: string = `def _results(x, s, trace, save):
    """Room for what the forward kernel writes: outputs, states after the last step, after every step, before every piece of steps but the first."""
    steps, n = x[0].shape
    f32 = lambda *shape: x[0].new_empty(shape, dtype=torch.float32)
    pieces = -(-int(steps) // _piece(steps))
    return [torch.empty_like(x[0]) for _ in range(OUTPUTS)], [f32(n) for _ in s], [f32(steps, n) for _ in s if trace], [f32(pieces - 1, n) for _ in s if save and pieces > 1]


def _use_triton(x):
    if os.environ.get("TRITON_INTERPRET") == "1":
        return triton is not None
    if x.is_cuda and triton is None:
        raise RuntimeError(f"{OPERATOR}: x is on a GPU, where it needs the package triton: pip install triton")
    return x.is_cuda


def _define(name, schema, run, fake):
    try:
        torch.library.define(name, schema)
    except RuntimeError:  # this very module is loaded again
        return
    torch.library.impl(name, "CompositeExplicitAutograd", run)
    torch.library.register_fake(name, fake)
    torch.library.register_vmap(name, lambda info, dims, *args: _batched(getattr(torch.ops.spikefold, name.split("::")[1]), info.batch_size, dims, args))


def _batched(operator, batch, dims, args):
    """vmap: a batch of populations is one of more neurons, [..., B, N] -> [..., B N]. Parameters that differ over the batch become every neuron's own."""
    def fold(a, dim):
        a = a.unsqueeze(-2).expand(*a.shape[:-1], batch, a.shape[-1]) if dim is None else a.movedim(dim, -2)
        return a.reshape(*a.shape[:-2], -1).contiguous()

    lists = [i for i, arg in enumerate(args) if isinstance(arg, (list, tuple))]
    inner = next(i for i in range(len(args)) if i not in lists)
    args, p, p_dims = list(args), args[1], dims[1]
    for i in lists:
        if i != 1:
            args[i] = [fold(a, dim) for a, dim in zip(args[i], dims[i])]
    if any(dim is not None for dim in p_dims):
        n, own = args[0][0].shape[1] // batch, []
        for a, dim in zip(p, p_dims):
            a = a if dim is None else a.movedim(dim, 0)
            a = a.expand(*a.shape[:-1], n) if a.shape[-1] == 1 else a.repeat_interleave(args[inner], -1).repeat(*[1] * (a.dim() - 1), n // (a.shape[-1] * args[inner]))
            own.append(fold(a, None if dim is None else 0))
        args[1], args[inner] = own, 1
    results = [r.view(*r.shape[:-1], batch, -1) for r in operator(*args)]
    return results, [r.dim() - 2 for r in results]


_define(
    OPERATOR, "(Tensor[] x, Tensor[] p, Tensor[] s, int inner, bool trace, bool save) -> Tensor[]",
    lambda x, *args: (_forward_triton if _use_triton(x[0]) else _forward_steps)(x, *args),
    lambda x, p, s, inner, trace, save: sum(_results(x, s, trace, save), []),
)
_define(
    OPERATOR + "_backward", "(Tensor[] x, Tensor[] p, Tensor[] s, Tensor[] saved, Tensor[] d_out, Tensor[] d_final, Tensor[] d_trace, int inner) -> Tensor[]",
    lambda x, *args: (_backward_triton if _use_triton(x[0]) else _backward_steps)(x, *args),
    lambda x, p, s, *_: [*(torch.empty_like(a) for a in x), *(x[0].new_empty(x[0].shape[1], dtype=torch.float32) for _ in [*p, *s])],
)
_forward, _backward = (getattr(torch.ops.spikefold, name) for name in (OPERATOR.split("::")[1], OPERATOR.split("::")[1] + "_backward"))


def _split(arrays, *counts):
    ends = [sum(counts[:i]) for i in range(len(counts) + 1)]
    return [list(arrays[a:b]) for a, b in zip(ends, ends[1:])] + [list(arrays[ends[-1]:])]


class _Run(torch.autograd.Function):
    """The operators, differentiable: what they do is opaque to torch.compile."""

    generate_vmap_rule = True

    @staticmethod
    def forward(inner, trace, save, *arrays):
        x, p, s = _split(arrays, INPUTS, len(PARAMETERS))
        return tuple(_forward(x, p, s, inner, trace, save))

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.inner, ctx.trace, _, *arrays = inputs
        saved = output[OUTPUTS + (1 + ctx.trace) * len(INITIAL):]
        ctx.save_for_backward(*arrays, *saved)
        ctx.mark_non_differentiable(*saved)
        ctx.set_materialize_grads(False)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *d):
        x, p, s, saved = _split(ctx.saved_tensors, INPUTS, len(PARAMETERS), len(INITIAL))
        d_out, d_final, d_trace, _ = _split(d, OUTPUTS, len(INITIAL), len(INITIAL) * ctx.trace)
        d_out = [torch.zeros_like(x[0]) if a is None else a.contiguous() for a in d_out]
        d_final = [torch.zeros_like(b) if a is None else a.contiguous() for a, b in zip(d_final, s)]
        d_trace = [x[0].new_zeros(x[0].shape, dtype=torch.float32) if a is None else a.contiguous() for a in d_trace]
        g_x, g_p, g_s = _split(_backward(x, p, s, saved, d_out, d_final, d_trace, ctx.inner), INPUTS, len(PARAMETERS))
        # A parameter's gradient is one of each neuron: those that share a value are summed.
        return (None, None, None, *g_x, *(g.view(-1, a.numel(), ctx.inner).sum((0, 2)) for g, a in zip(g_p, p)), *g_s)
`;

/** Arguments of any shape made flat, and the base of the classes. */
export const wrapper: string = `def _parameters(values, shape, channel_dim, device):
    """Each parameter with C values, and how many neurons in a row have the same one."""
    axis = min(channel_dim, len(shape) - 1) if channel_dim >= 0 else channel_dim + len(shape)
    given = []
    for value in values:
        p = torch.as_tensor(value, dtype=torch.float32, device=device)
        given.append(p.reshape([-1 if a == axis else 1 for a in range(len(shape))]) if p.dim() <= 1 else p)
    common = torch.broadcast_shapes([1] * len(shape), *(p.shape for p in given))
    inner = math.prod(shape[axis + 1:]) if common[axis] > 1 else 1
    if any(size > 1 for a, size in enumerate(common) if a != axis):
        common, inner = shape, 1
    elif common[axis] not in (1, shape[axis]):
        raise ValueError(f"a parameter has {common[axis]} values, but axis {axis} of x[t] {list(shape)} has {shape[axis]}: see channel_dim")
    return [p.expand(common).reshape(-1) for p in given], inner


def _call(xs, values, state, channel_dim, trace):
    shape, device, state = xs[0].shape, xs[0].device, state or {}
    if len(shape) < 2 or not all(x.is_floating_point() and x.shape == shape for x in xs):
        raise ValueError(f"expected floating-point inputs of one shape [T, N, ...], got {', '.join(f'{x.dtype} {list(x.shape)}' for x in xs)}")
    if not set(state) <= set(INITIAL):
        raise ValueError(f"there are the states {list(INITIAL)}, and {list(state)} were given")
    flat = [x.to(xs[0].dtype).reshape(shape[0], -1).contiguous() for x in xs]
    n = flat[0].shape[1]
    p, inner = _parameters(values.values(), shape[1:], channel_dim, device)
    first = [torch.full((n,), value, device=device) if state.get(name) is None else state[name].float().expand(shape[1:]).reshape(-1) for name, value in INITIAL.items()]
    outs, finals, traces, _ = _split(_Run.apply(inner, trace, torch.is_grad_enabled(), *flat, *p, *first), OUTPUTS, len(INITIAL), len(INITIAL) * trace)
    outs = [a.view(shape) for a in outs]
    after = {name: a.view(shape[1:]) for name, a in zip(INITIAL, finals)}
    out = outs[0] if OUTPUTS == 1 else tuple(outs)
    return (out, after, {name: a.view(shape) for name, a in zip(INITIAL, traces)}) if trace else (out, after)


class _Neuron(nn.Module):
    """Has the parameters of a neuron: learnt, or as buffers."""

    def __init__(self, values, learn, channels, channel_dim):
        super().__init__()
        unknown = [name for name in learn if name not in values]
        if unknown:
            raise ValueError(f"learn names {unknown}; there are the parameters {list(values)}")
        self.channel_dim = channel_dim
        for name, value in values.items():
            value = torch.as_tensor(value, dtype=torch.float32)
            if name in learn:
                setattr(self, name, nn.Parameter((value.reshape(-1).expand(channels) if value.numel() == 1 else value).clone()))
            else:
                self.register_buffer(name, value)

    def values(self):
        return {name: getattr(self, name) for name in PARAMETERS}`;
