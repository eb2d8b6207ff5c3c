"""jax.lax.scan of the same LIF neuron. JAX shows no events of the device, so the host's clock is read once all results are there."""

import time

import jax
import jax.numpy as jnp

DTYPES = {"fp32": jnp.float32, "bf16": jnp.bfloat16}


class Framework:
    @staticmethod
    def uniform(device, T, N, dtype, key, low, span):
        """Element i is a hash of i and the key, as in work.mjs."""

        def row(t):
            h = (jnp.arange(N, dtype=jnp.uint32) + t.astype(jnp.uint32) * jnp.uint32(N)) ^ jnp.uint32(key)
            h = h ^ (h >> 16)
            h = h * jnp.uint32(0x7FEB352D)
            h = h ^ (h >> 15)
            h = h * jnp.uint32(0x846CA68B)
            h = h ^ (h >> 16)
            return ((h >> 8).astype(jnp.float32) * jnp.float32(2.0**-24) * jnp.float32(span) + jnp.float32(low)).astype(DTYPES[dtype])

        return jax.block_until_ready(jax.jit(lambda: jax.lax.map(row, jnp.arange(T)))())

    @staticmethod
    def sampler(device):
        def sample(work, calls):
            begin = time.perf_counter()
            for _ in range(calls):
                result = work()
            jax.block_until_ready(result)
            return (time.perf_counter() - begin) * 1e3 / calls

        return sample

    @staticmethod
    def clock(device):
        return "host"

    @staticmethod
    def tidy(device):
        pass


@jax.custom_vjp
def spike(u):
    return (u >= 0).astype(u.dtype)


spike.defvjp(lambda u: (spike(u), u), lambda u, gradient: (gradient / (1 + (jnp.pi * u) ** 2).astype(u.dtype),))


def run(x):
    def step(v, x):
        h = v + (x - v) / 2
        s = spike(h - 1)
        return (1 - s) * h, s

    return jax.lax.scan(step, jnp.zeros_like(x[0]), x)[1]


forward = jax.jit(lambda x: jax.vjp(run, x))
backward = jax.jit(lambda vjp, gradient: vjp(gradient)[0])
both = jax.jit(lambda x, gradient: jax.vjp(run, x)[1](gradient)[0])


class Contestant:
    framework = Framework
    directions = ("forward", "backward", "both")
    max_steps = None

    def forget(self):
        pass

    def prepare(self, x, gradient, direction):
        def observe():
            mean = lambda y: float(jnp.mean(jnp.abs(y), dtype=jnp.float32))
            return {"firingRate": mean(forward(x)[0]), "meanGradient": mean(both(x, gradient))}

        if direction == "forward":
            return lambda: forward(x), observe
        if direction == "both":
            return lambda: both(x, gradient), observe
        vjp = forward(x)[1]
        return lambda: backward(vjp, gradient), observe


def jax_scan(device):
    jax.config.update("jax_default_device", jax.devices("gpu" if device == "cuda" else "cpu")[0])
    return Contestant()
