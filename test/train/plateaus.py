"""Writes plateaus.json: the learning rates of PyTorch's ReduceLROnPlateau on made-up series of a metric.

    python3 test/train/plateaus.py > test/train/plateaus.json
"""

import json
import random

import torch

CASES = [
    {"patience": 2, "factor": 0.5},
    {"patience": 0, "factor": 0.4, "threshold": 0.05, "cooldown": 2},
    {"patience": 1, "factor": 0.3, "threshold": 0.1, "threshold_mode": "abs", "min_lr": 0.02},
    {"mode": "max", "patience": 3, "factor": 0.5, "threshold": 0.02},
    {"mode": "max", "patience": 1, "factor": 0.5, "threshold": 0.05, "threshold_mode": "abs", "cooldown": 1},
]

random.seed(1)
results = []
for options in CASES:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    values = [round(random.uniform(0.2, 1.0), 2) for _ in range(40)]
    rates = []
    for value in values:
        schedule.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    results.append({"options": options, "values": values, "rates": rates})
print(json.dumps({"torch": torch.__version__, "cases": results}))
