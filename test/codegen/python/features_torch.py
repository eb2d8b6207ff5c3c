"""What else PyTorch does with an exported module (adaptiveLif of a folder): one line "ok NAME" a check."""
import copy
import importlib
import sys

import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(0)


sys.path.insert(0, sys.argv[1])
m = importlib.import_module("neuron_0")
near = lambda a, b, tolerance=1e-5: bool((a - b).abs().max() <= tolerance * b.abs().max())
d = torch.randn(33, 5, 7)


def check_gradient_of_a_plain_loop():
    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx, u):
            ctx.save_for_backward(u)
            return (u >= 0).to(u)

        @staticmethod
        def backward(ctx, g):
            return g / (1 + (torch.pi * ctx.saved_tensors[0]) ** 2)

    def plain(x, beta):
        v = a = torch.zeros_like(x[0])
        out = []
        for t in range(x.shape[0]):
            h = v * 0.9 + x[t]
            s = Spike.apply(h - a * beta - 1)
            out.append(s)
            v, a = h - s, a * 0.97 + s
        return torch.stack(out)

    x, beta = torch.randn(33, 5, 7) * 0.6 + 0.3, torch.rand(7) * 0.4
    ours, theirs = [(x.clone().requires_grad_(), beta.clone().requires_grad_()) for _ in range(2)]
    out, expected = m.adaptiveLif(ours[0], beta=ours[1])[0], plain(*theirs)
    assert torch.equal(out, expected)
    (out * d).sum().backward()
    (expected * d).sum().backward()
    assert near(ours[0].grad, theirs[0].grad) and near(ours[1].grad, theirs[1].grad)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 32), m.AdaptiveLif(learn=("beta",), channels=32), nn.Linear(32, 4), m.AdaptiveLif())

    def forward(self, x):
        self.net[1].reset()
        self.net[3].reset()
        return self.net(x).mean(0)


def check_torch_compile():
    net, x = Net(), torch.randn(9, 6, 20) * 2
    net(x).sum().backward()
    expected = {name: p.grad.clone() for name, p in net.named_parameters()}
    net.zero_grad()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x), net(x))
    compiled(x).sum().backward()
    assert all(near(p.grad, expected[name]) for name, p in net.named_parameters()) and "net.1.beta" in expected
    assert compiled(torch.randn(9, 8, 20)).shape == (8, 4)


def check_functional_transforms():
    f = lambda x, b: (m.adaptiveLif(x, beta=b)[0] * d[:, 0]).sum()
    x, beta, betas = torch.randn(4, 33, 7), torch.rand(7) * 0.4, torch.rand(4, 7) * 0.4
    grad = torch.func.grad(f, argnums=(0, 1))
    for dims, bs in (((0, None), [beta] * 4), ((0, 0), betas)):
        batched = torch.func.vmap(grad, in_dims=dims)(x, betas if dims[1] == 0 else beta)
        one = [grad(x[i], bs[i]) for i in range(4)]
        assert all(near(batched[k], torch.stack([each[k] for each in one])) for k in (0, 1))
    over = torch.func.vmap(grad, in_dims=(None, 0))(x[0], betas)
    assert near(over[1], torch.stack([grad(x[0], b)[1] for b in betas]))


def check_narrow_types():
    net, x = Net(), torch.randn(8, 6, 20) * 2
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = net(x)
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    x = torch.randn(40, 9).bfloat16().requires_grad_()
    spikes, state = m.adaptiveLif(x)
    spikes.float().sum().backward()
    assert spikes.dtype == x.grad.dtype == torch.bfloat16 and state["v"].dtype == torch.float32
    assert torch.equal(spikes.float(), m.adaptiveLif(x.detach().float())[0])


def check_windows_and_steps():
    x = torch.randn(20, 3, 5) * 0.8
    whole, last = m.adaptiveLif(x)
    cell, v, a, out = m.AdaptiveLifCell(), None, None, []
    for row in x:
        spk, v, a = cell(row, v, a)
        out.append(spk)
    assert torch.equal(torch.stack(out), whole) and torch.equal(v, last["v"]) and whole.sum() > 0
    layer = m.AdaptiveLif(trace=True)
    assert torch.equal(torch.cat([layer(x[:7]), layer(x[7:])]), whole) and layer.trace["a"].shape == (13, 3, 5)
    layer.reset()
    layer.step_mode = "s"
    assert torch.equal(torch.stack([layer(row) for row in x]), whole)
    one, two = x.clone().requires_grad_(), x.clone().requires_grad_()
    weight = torch.arange(20.0)[:, None, None]
    first, state = m.adaptiveLif(two[:7])
    (m.adaptiveLif(one)[0] * weight).sum().backward()
    (torch.cat([first, m.adaptiveLif(two[7:], state)[0]]) * weight).sum().backward()
    assert near(two.grad, one.grad)


def check_parameters_of_images_and_neurons():
    x = torch.randn(6, 2, 3, 4, 4)
    beta = torch.rand(3).requires_grad_()
    out = m.adaptiveLif(x, beta=beta)[0]
    assert torch.equal(out, m.adaptiveLif(x.movedim(2, -1), beta=beta, channel_dim=-1)[0].movedim(-1, 2))
    each = torch.rand(3, 4, 4).requires_grad_()
    m.adaptiveLif(x, beta=each, rho=torch.rand(3))[0].sum().backward()
    assert each.grad.shape == each.shape and not m.adaptiveLif(x[:, :0])[0].numel()


def check_operators():
    args = [torch.randn(18, 5)], [torch.rand(1)] * 3, [torch.zeros(5)] * 2, 1, True, True
    assert set(torch.library.opcheck(m._forward.default, args, test_utils=("test_schema", "test_faketensor")).values()) == {"SUCCESS"}
    before = m.adaptiveLif(d)[0]
    assert torch.equal(importlib.reload(m).adaptiveLif(d)[0], before)
    net = copy.deepcopy(Net())
    assert {"net.1.beta", "net.1.rho", "net.3.decay"} <= set(net.state_dict())
    torch.export.export(Net().eval(), (torch.randn(8, 6, 20),))


def second_gradient():
    x = d.clone().requires_grad_()
    first, = torch.autograd.grad(m.adaptiveLif(x)[0].sum(), x, create_graph=True)
    first.sum().backward()


def check_refusals():
    for error, call in ((RuntimeError, second_gradient), (ValueError, lambda: m.adaptiveLif(torch.ones(3, 4, dtype=torch.int64))), (ValueError, lambda: m.adaptiveLif(d, {"w": d[0]})),
                        (ValueError, lambda: m.adaptiveLif(d, beta=torch.rand(4))), (ValueError, lambda: m.AdaptiveLif(learn=("bta",)))):
        try:
            call()
        except error:
            continue
        raise AssertionError(error)


def check_names():
    reserved = set(sys.argv[2].split(","))
    assert {name for name in dir(nn.Module()) if not name.startswith("_")} <= reserved


for name, check in list(globals().items()):
    if name.startswith("check_"):
        check()
        print("ok", name.removeprefix("check_"))
