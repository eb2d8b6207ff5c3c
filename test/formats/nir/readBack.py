"""Runs the Python package of NIR: reads a file and tells what is in it, or writes one of each node.

    python readBack.py read FILE [unchecked]
    python readBack.py write FILE [gzip]
"""
import json
import os
import sys

if os.environ.get("SPIKEFOLD_PEERS"):
    sys.path.insert(0, os.path.join(os.environ["SPIKEFOLD_PEERS"], "nir"))

import h5py
import nir
import numpy as np

# Of a checkout that is not installed.
nir.version = getattr(nir, "version", "1.0.7")


def told(value):
    value = np.asarray(value)
    return str(value) if value.dtype.kind in "USO" else {"shape": list(value.shape), "values": value.astype(np.float64).ravel().tolist()}


def read(path, check):
    graph = nir.read(path, type_check=check)
    nodes = {}
    for name, node in graph.nodes.items():
        fields = {key: told(value) for key, value in node.to_dict().items() if key not in ("type", "metadata")}
        nodes[name] = {"type": type(node).__name__, "fields": fields, "metadata": sorted(node.metadata)}
    print(json.dumps({"nodes": nodes, "edges": [list(edge) for edge in graph.edges], "metadata": sorted(graph.metadata)}))


def write(path, packed):
    random = np.random.default_rng(1)
    image, vector = (2, 6, 5), (7,)
    draw = lambda shape, low, high: random.uniform(low, high, shape)
    neuron = lambda shape: dict(r=draw(shape, 2, 6), v_leak=draw(shape, -0.2, 0.2))
    firing = lambda shape: dict(v_threshold=draw(shape, 0.3, 0.9), v_reset=draw(shape, -0.2, 0.2))
    nodes = [
        nir.Input(np.array(image)),
        nir.Conv2d((6, 5), draw((3, 2, 3, 3), -1, 1), 1, 1, 1, 1, draw((3,), -1, 1)),
        nir.LIF(tau=draw((3, 6, 5), 2e-3, 1e-2), **neuron((3, 6, 5)), **firing((3, 6, 5))),
        nir.SumPool2d(np.array([2, 1]), np.array([2, 1]), np.array([0, 0])),
        nir.Scale(draw((3, 3, 5), -1, 1)),
        nir.IF(r=draw((3, 3, 5), 200, 600), **firing((3, 3, 5))),
        nir.AvgPool2d(np.array([3, 1]), np.array([1, 1]), np.array([0, 0])),
        nir.Flatten({"input": np.array([3, 1, 5])}, 0, -1),
        nir.Affine(draw((7, 15), -1, 1), draw((7,), -1, 1)),
        nir.CubaLIF(tau_syn=draw(vector, 2e-3, 1e-2), tau_mem=draw(vector, 2e-3, 1e-2), w_in=draw(vector, 2, 6), **neuron(vector), **firing(vector)),
        nir.Delay(np.full(vector, 2e-3)),
        nir.Linear(draw((7, 7), -1, 1)),
        nir.CubaLI(tau_syn=draw(vector, 2e-3, 1e-2), tau_mem=draw(vector, 2e-3, 1e-2), w_in=draw(vector, 2, 6), **neuron(vector)),
        nir.LI(tau=draw(vector, 2e-3, 1e-2), **neuron(vector)),
        nir.I(r=draw(vector, 20, 60)),
        nir.Threshold(draw(vector, -0.1, 0.1)),
        nir.Output(np.array(vector)),
    ]
    nir.write(path, nir.NIRGraph.from_list(*nodes))
    if packed:
        with h5py.File(path, "a") as file:
            def pack(group):
                for name, item in list(group.items()):
                    if isinstance(item, h5py.Group):
                        pack(item)
                    elif item.dtype.kind == "f" and item.shape:
                        data = item[()]
                        del group[name]
                        group.create_dataset(name, data=data, chunks=True, compression="gzip", shuffle=True)
            pack(file)


command, path, *more = sys.argv[1:]
read(path, "unchecked" not in more) if command == "read" else write(path, "gzip" in more)
