"""Prints what torch.optim makes of three weights in five updates, for optimizer.test.ts: python3 optimizers.py > optimizers.json"""
import json
import torch

GRADIENTS = [[0.5, -2.0, 0.0], [0.25, 1.0, -0.125], [-1.5, 0.75, 3.0], [0.0625, -0.5, 0.0], [1.0, 1.0, -1.0]]
RATES = [1.0, 0.5, 0.5, 0.25, 0.25]
CASES = [
    ("sgd", torch.optim.SGD, dict(lr=0.1)),
    ("sgd", torch.optim.SGD, dict(lr=0.1, weight_decay=0.01)),
    ("sgd", torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
    ("sgd", torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ("adam", torch.optim.Adam, dict(lr=0.05)),
    ("adam", torch.optim.Adam, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
    ("adamW", torch.optim.AdamW, dict(lr=0.05)),
    ("adamW", torch.optim.AdamW, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
]
NAMES = dict(weight_decay="weightDecay")

cases = []
for name, make, options in CASES:
    p = torch.tensor([1.0, -0.5, 0.25], dtype=torch.float64, requires_grad=True)
    optimizer = make([p], **options)
    weights = []
    for gradient, rate in zip(GRADIENTS, RATES):
        for group in optimizer.param_groups:
            group["lr"] = options["lr"] * rate
        p.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        weights.append([round(x, 9) for x in p.tolist()])
    cases.append(dict(optimizer=name, options={NAMES.get(k, k): v for k, v in options.items()}, weights=weights))
start = [1.0, -0.5, 0.25]
rows = ",\n    ".join(json.dumps(case) for case in cases)
print(f'{{\n  "torch": "{torch.__version__}",\n  "start": {start},\n  "gradients": {GRADIENTS},\n  "rates": {RATES},\n  "cases": [\n    {rows}\n  ]\n}}')
