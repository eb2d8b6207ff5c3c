"""Runs exported JAX modules under jit and grad on the cases of a folder and prints, for each, how far they are from the interpreter. Second argument: how."""
import sys

import jax
import jax.numpy as jnp
from cases import cases, report

how = sys.argv[2]

for case, function, array in cases(sys.argv[1]):
    shape = case["shape"]
    leaf = lambda name, shape: jnp.asarray(array(name)).reshape(shape)
    x = [leaf(name, shape) for name in case["inputs"]]
    params = {case["params"][name]: leaf(name, -1) for name in case["params"]}
    params = {name: value if value.size > 1 else value[0] for name, value in params.items()}
    state = {name: leaf("state." + name, shape[1:]) for name in case["states"]}

    def run(x, params, state):
        out, after, traces = function(*x, state=state, trace=True, how=how, **params)
        results = dict(zip(case["outputs"], out if isinstance(out, tuple) else (out,)))
        return results | {"trace." + name: value for name, value in traces.items()} | {"final." + name: value for name, value in after.items()}

    def loss(*given):
        results = run(*given)
        return sum((value * array("d." + name).reshape(value.shape)).sum() for name, value in results.items()), results

    (_, results), grads = jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))(x, params, state)
    grads = {f"grad.{name}": value for name, value in zip(case["inputs"], grads[0])} | {f"grad.{name}": grads[1][case["params"][name]] for name in case["params"]} \
        | {f"grad.state.{name}": value for name, value in grads[2].items()}
    report(case, array, results | grads)
