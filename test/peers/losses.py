"""Writes losses.json: values and gradients of snnTorch's losses and of temporal efficient training, on seeded outputs.

    python3 test/peers/losses.py --snntorch DIR --out test/peers

DIR is a checkout of snnTorch. README.md beside this file describes the fixtures.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

STEPS, BATCH, CLASSES = 6, 5, 4


def tet(outputs, labels, means, lamb):
    """Equations 9 to 11 of Deng et al., ICLR 2022."""
    every_step = sum(F.cross_entropy(step, labels) for step in outputs) / len(outputs)
    return (1 - lamb) * every_step + lamb * F.mse_loss(outputs, torch.full_like(outputs, means))


def cases():
    import snntorch.functional as SF

    spikes, membranes = "spikes", "membranes"
    yield "ce_rate", spikes, SF.ce_rate_loss()
    yield "ce_rate of membranes", membranes, SF.ce_rate_loss()
    yield "ce_count", spikes, SF.ce_count_loss()
    yield "ce_max_membrane", membranes, SF.ce_max_membrane_loss()
    yield "mse_count", spikes, SF.mse_count_loss(correct_rate=0.8, incorrect_rate=0.2)
    yield "mse_membrane", membranes, SF.mse_membrane_loss(on_target=1.2, off_target=0.3)
    yield "ce_temporal", spikes, SF.ce_temporal_loss()
    yield "ce_temporal reciprocal", spikes, SF.ce_temporal_loss(inverse="reciprocal")
    # Its default off_target, -1, is clamped to on_target, 0: all outputs are then wanted at step 0, against what its documentation says.
    yield "mse_temporal", spikes, SF.mse_temporal_loss(on_target=0, off_target=STEPS - 1)
    yield "mse_temporal with tolerance", spikes, SF.mse_temporal_loss(on_target=1, off_target=4, tolerance=2)
    yield "l1_rate_sparsity", spikes, lambda out, _: SF.l1_rate_sparsity(1e-2)(out)
    yield "tet", membranes, lambda out, labels: tet(out, labels, 1.0, 0.05)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--snntorch", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    sys.path.insert(0, arguments.snntorch)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    labels = torch.tensor([0, 3, 1, 1, 2])
    spikes = (torch.rand(STEPS, BATCH, CLASSES) < 0.25).float()
    spikes[:, 0, 1] = 0  # never fires
    outputs = {"spikes": spikes, "membranes": torch.randn(STEPS, BATCH, CLASSES)}
    results = []
    for name, of, loss_fn in cases():
        out = outputs[of].clone().requires_grad_(True)
        loss = loss_fn(out, labels.clone())
        loss.sum().backward()
        results.append({"loss": name, "of": of, "value": loss.sum().item(), "gradient": out.grad.flatten().tolist()})
    commit = subprocess.run(["git", "-C", arguments.snntorch, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    document = {
        "peerCommit": commit, "torch": torch.__version__, "steps": STEPS, "batch": BATCH, "classes": CLASSES, "labels": labels.tolist(),
        **{name: values.flatten().tolist() for name, values in outputs.items()}, "cases": results,
    }
    (arguments.out / "losses.json").write_text(json.dumps(document) + "\n")


main()
