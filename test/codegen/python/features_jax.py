"""What else JAX does with an exported module (adaptiveLif of a folder): one line "ok NAME" a check. Second argument: how."""
import sys

import jax
import jax.numpy as jnp

sys.path.insert(0, sys.argv[1])
from neuron_0 import adaptiveLif, jax_triton

how = sys.argv[2]
near = lambda a, b, tolerance=1e-5: bool(jnp.abs(a - b).max() <= tolerance * jnp.abs(b).max())
keys = jax.random.split(jax.random.key(0), 4)
x, d = jax.random.normal(keys[0], (33, 5, 7)) * 0.6 + 0.3, jax.random.normal(keys[1], (33, 5, 7))
beta = jax.random.uniform(keys[2], (7,)) * 0.4
f = lambda x, beta: (adaptiveLif(x, beta=beta, how=how)[0] * d).sum()


def check_gradient_of_a_plain_scan():
    @jax.custom_vjp
    def spike(u):
        return (u >= 0).astype(u.dtype)

    spike.defvjp(lambda u: (spike(u), u), lambda u, g: (g / (1 + (jnp.pi * u) ** 2),))

    def plain(x, beta):
        def step(carry, x):
            v, a = carry
            h = v * 0.9 + x
            s = spike(h - a * beta - 1)
            return (h - s, a * 0.97 + s), s
        return (jax.lax.scan(step, (jnp.zeros((5, 7)),) * 2, x)[1] * d).sum()

    ours, theirs = jax.jit(jax.grad(f, (0, 1)))(x, beta), jax.grad(plain, (0, 1))(x, beta)
    assert near(ours[0], theirs[0]) and near(ours[1], theirs[1])


def check_vmap():
    xs, betas = jax.random.normal(keys[3], (3, 33, 5, 7)), jax.random.uniform(keys[2], (3, 7))
    grad = jax.grad(f, (0, 1))
    for axes, bs in (((0, None), [beta] * 3), ((0, 0), betas)):
        batched = jax.jit(jax.vmap(grad, axes))(xs, betas if axes[1] == 0 else beta)
        one = [grad(xs[i], bs[i]) for i in range(3)]
        assert all(near(batched[k], jnp.stack([each[k] for each in one])) for k in (0, 1))


def check_windows():
    def windows(x):
        first, state = adaptiveLif(x[:9], how=how)
        return (jnp.concatenate([first, adaptiveLif(x[9:], state, how=how)[0]]) * d).sum()

    assert near(jax.grad(windows)(x), jax.grad(lambda x: (adaptiveLif(x, how=how)[0] * d).sum())(x))


def check_constants_under_jit():
    given = jax.jit(lambda x, **params: adaptiveLif(x, how=how, **params))(x, decay=0.9, rho=0.97, beta=0.3)
    constant = jax.jit(lambda x: adaptiveLif(x, how=how))(x)
    assert all(bool((a == b).all()) for a, b in zip(jax.tree.leaves(given), jax.tree.leaves(constant)))


def check_narrow_types():
    narrow = x.astype(jnp.bfloat16)
    spikes, state = adaptiveLif(narrow, how=how)
    assert spikes.dtype == jnp.bfloat16 and state["v"].dtype == jnp.float32
    assert bool((spikes == adaptiveLif(narrow.astype(jnp.float32), how=how)[0]).all())
    assert jax.grad(lambda x: adaptiveLif(x, how=how)[0].astype(jnp.float32).sum())(narrow).dtype == jnp.bfloat16


def check_lowering():
    """For each platform its way, forward and backward, without either being there."""
    program = jax.jit(jax.grad(lambda x: (adaptiveLif(x)[0] * d).sum())).trace(x)
    text = {platform: program.lower(lowering_platforms=(platform,)).as_text() for platform in ("cpu", "cuda")}
    assert "stablehlo.while" in text["cpu"] and "triton_kernel_call" not in text["cpu"]
    assert text["cuda"].count("triton_kernel_call_ffi") == (2 if jax_triton is not None else 0)
    assert ("stablehlo.while" in text["cuda"]) == (jax_triton is None)


def check_refusals():
    for error, call in ((ValueError, lambda: adaptiveLif(jnp.ones((3, 4), jnp.int32))), (ValueError, lambda: adaptiveLif(x, {"w": x[0]})), (ValueError, lambda: adaptiveLif(x, how="pallas")),
                        *(() if jax_triton is not None else ((ImportError, lambda: adaptiveLif(x, how="triton")),))):
        try:
            call()
        except error as raised:
            assert error is not ImportError or "pip install jax-triton" in str(raised)
            continue
        raise AssertionError(error)


for name, check in list(globals().items()):
    if name.startswith("check_"):
        check()
        print("ok", name.removeprefix("check_"), flush=True)
