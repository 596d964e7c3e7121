#!/usr/bin/env python3
"""Times one iteration of two PyTorch programs on the problems of gpu_check, on the same GPU.

  rules   the update rules of arXiv 2105.09837 as its authors run them, in plain PyTorch: every step length starts at 20
          and doubles up to 10 times while the objective of the step, computed anew each time, has not fallen enough
  adam    one full-batch Adam step (loss, gradients, update) of the same MLP

With --gamlp FILE, a gpu.json of tools/gpu_check.sh, its iterations stand beside them with their ratios.

    tools/bench_torch.py --cpu --threads 1 --adam --sizes 10x100x10620 --inputs 6556
    tools/bench_torch.py [--sizes 10x100x140,10x1000x5000] [--gamlp gpu.json] [--json FILE] [--markdown FILE]
"""

import argparse
import json
import statistics
import sys
import time

try:
    import torch
except ImportError:
    sys.exit("bench_torch: PyTorch is not installed")

SIZES = "10x100x140,10x1000x5000,10x1000x45000,10x4000x45000"
CLASSES = 7


class Problem:
    """Random inputs (nodes x features), labels and weights of an MLP."""

    def __init__(self, layers, width, nodes, device, inputs=None):
        generator = torch.Generator(device="cpu").manual_seed(1)
        inputs = inputs or min(width, 1000)
        widths = [inputs] + [width] * (layers - 1) + [CLASSES]
        self.x = torch.rand(nodes, inputs, generator=generator).to(device) - 0.5
        self.y = torch.randint(CLASSES, (nodes,), generator=generator).to(device)
        self.w = [
            (torch.randn(m, n, generator=generator) / n**0.5).to(device) for n, m in zip(widths[:-1], widths[1:])
        ]
        self.b = [torch.zeros(m, device=device) for m in widths[1:]]


class Rules:
    """The authors' iteration; p of layer 1 is the input."""

    def __init__(self, problem, rho=0.05, nu=0.05):
        self.rho, self.nu, self.y = rho, nu, problem.y
        self.w, self.b = [w.clone() for w in problem.w], [b.clone() for b in problem.b]
        self.p, self.z, self.q = [problem.x], [], []
        for w, b in zip(self.w, self.b):
            self.z.append(self.p[-1] @ w.T + b)
            self.q.append(torch.relu(self.z[-1]))
            self.p.append(self.q[-1].clone())
        self.p.pop()
        self.u = [torch.zeros_like(q) for q in self.q]

    def phi(self, layer, p, w):
        r = self.z[layer] - p @ w.T - self.b[layer]
        value = self.nu / 2 * (r * r).sum()
        if layer > 0:
            gap = p - self.q[layer - 1]
            value = value + (self.u[layer - 1] * gap).sum() + self.rho / 2 * (gap * gap).sum()
        return value

    def step(self, layer, x, gradient, value_at):
        """x - gradient/tau with the first tau that is large enough."""
        tau, value, norm2 = 20.0, value_at(x), (gradient * gradient).sum()
        for _ in range(10):
            fresh = x - gradient / tau
            if value_at(fresh) <= value - norm2 / (2 * tau):
                break
            tau *= 2
        return fresh

    def iterate(self):
        last = len(self.w) - 1
        for l in range(last + 1):
            if l > 0:
                r = self.p[l] @ self.w[l].T + self.b[l] - self.z[l]
                g = self.nu * r @ self.w[l] + self.u[l - 1] + self.rho * (self.p[l] - self.q[l - 1])
                self.p[l] = self.step(l, self.p[l], g, lambda p, l=l: self.phi(l, p, self.w[l]))
            r = self.p[l] @ self.w[l].T + self.b[l] - self.z[l]
            g = self.nu * r.T @ self.p[l]
            self.w[l] = self.step(l, self.w[l], g, lambda w, l=l: self.phi(l, self.p[l], w))
            self.b[l] = (self.z[l] - self.p[l] @ self.w[l].T).mean(0)
            a = self.p[l] @ self.w[l].T + self.b[l]
            if l < last:
                low = torch.clamp((a + self.z[l]) / 2, max=0)
                high = torch.clamp((a + self.q[l] + self.z[l]) / 3, min=0)
                values = [
                    (z - a) ** 2 + (self.q[l] - torch.relu(z)) ** 2 + (z - self.z[l]) ** 2 for z in (low, high)
                ]
                self.z[l] = torch.where(values[0] <= values[1], low, high)
            else:
                self.z[l] = self.softmax_step(a, self.z[l])
        for l in range(last):
            fz = torch.relu(self.z[l])
            self.q[l] = (self.rho * self.p[l + 1] + self.u[l] + self.nu * fz) / (self.rho + self.nu)
            self.u[l] = self.u[l] + self.rho * (self.p[l + 1] - self.q[l])

    def softmax_step(self, a, z, steps=10):
        """FISTA on cross-entropy + nu/2 |z - a|^2."""
        target = torch.nn.functional.one_hot(self.y, a.shape[1]).to(a.dtype)
        fresh, momentum, t = z, z, 1.0
        for _ in range(steps):
            gradient = torch.softmax(momentum, 1) - target + self.nu * (momentum - a)
            before, fresh = fresh, momentum - gradient / (1.0 + self.nu)
            t_next = (1 + (1 + 4 * t * t) ** 0.5) / 2
            momentum, t = fresh + (t - 1) / t_next * (fresh - before), t_next
        return fresh


class Adam:
    def __init__(self, problem):
        self.x, self.y = problem.x, problem.y
        self.w = [w.clone().requires_grad_() for w in problem.w]
        self.b = [b.clone().requires_grad_() for b in problem.b]
        self.optimizer = torch.optim.Adam(self.w + self.b, lr=1e-3)

    def iterate(self):
        h = self.x
        for l, (w, b) in enumerate(zip(self.w, self.b)):
            h = torch.nn.functional.linear(h, w, b)
            if l + 1 < len(self.w):
                h = torch.relu(h)
        self.optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(h, self.y).backward()
        self.optimizer.step()


def milliseconds(program, device, least=5):
    """Median of rounds; on a GPU by its events."""

    def once(count):
        if device.type == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            for _ in range(count):
                program.iterate()
            end.record()
            torch.cuda.synchronize()
            return start.elapsed_time(end) / count
        begin = time.perf_counter()
        for _ in range(count):
            program.iterate()
        return (time.perf_counter() - begin) * 1e3 / count

    once(3)
    count = max(1, min(50, int(100 / max(once(1), 1e-3))))
    return statistics.median(once(count) for _ in range(least))


def gamlp_rows(path):
    """Milliseconds of gpu_check's gradient iterations with float32 products, by size."""
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)["parts"]["iterations"]["rows"]
    wanted = [r for r in rows if r["update"] == "gradient" and r["products"] == "float32"]
    return {r["layers x width x nodes"].replace(" ", ""): float(r["ms"]) for r in wanted}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=SIZES, help="layers x width x nodes, separated by commas")
    parser.add_argument("--gamlp", help="gpu.json of tools/gpu_check.sh")
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--markdown", help="append the table to this file")
    parser.add_argument("--cpu", action="store_true", help="on the CPU, where there is no GPU")
    parser.add_argument("--threads", type=int, help="of PyTorch, on the CPU")
    parser.add_argument("--inputs", type=int, help="of layer 1 (default: the width, at most 1000)")
    parser.add_argument("--adam", action="store_true", help="only the Adam step")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if not arguments.cpu and not torch.cuda.is_available():
        sys.exit("bench_torch: there is no GPU that PyTorch can use (--cpu: try it out without)")
    device = torch.device("cpu" if arguments.cpu else "cuda")
    torch.backends.cuda.matmul.allow_tf32 = False
    ours = gamlp_rows(arguments.gamlp) if arguments.gamlp else {}
    rows = []
    for size in arguments.sizes.split(","):
        layers, width, nodes = (int(part) for part in size.split("x"))
        row = {"size": size, "rules_ms": None}
        for name, make in (("rules", Rules), ("adam", Adam))[1 if arguments.adam else 0 :]:
            try:
                row[name + "_ms"] = milliseconds(make(Problem(layers, width, nodes, device, arguments.inputs)), device)
            except torch.cuda.OutOfMemoryError:
                row[name + "_ms"] = None
            if device.type == "cuda":
                torch.cuda.empty_cache()
        row["gamlp_ms"] = ours.get(size)
        rows.append(row)
    name = "CPU" if arguments.cpu else torch.cuda.get_device_name()
    record = {"device": name, "torch": torch.__version__, "rows": rows}

    def text(value, factor=1.0):
        return "-" if value is None else f"{value * factor:.4g}"

    def ratio(a, b):
        return "-" if a is None or b is None else f"{a / b:.3g}"

    lines = [
        f"## Against PyTorch {torch.__version__} on {name}, float32, milliseconds per iteration",
        "",
        "| layers x width x nodes | gamlp | authors' rules | rules / gamlp | Adam step | gamlp / Adam |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        g, r, a = row["gamlp_ms"], row["rules_ms"], row["adam_ms"]
        lines.append(f"| {row['size']} | {text(g)} | {text(r)} | {ratio(r, g)} | {text(a)} | {ratio(g, a)} |")
    print("\n".join(lines))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
            file.write("\n")
    if arguments.markdown:
        with open(arguments.markdown, "a", encoding="utf-8") as file:
            file.write("\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
