"""What the peers' benchmarks share: the checkouts, the threads, the environment and the summary of timings."""

import os
import statistics
import subprocess
import sys

import torch


def use_checkout(directory):
    """Makes a git checkout importable and gives its commit."""
    sys.path.insert(0, directory)
    return subprocess.check_output(["git", "-C", directory, "rev-parse", "--short", "HEAD"], text=True).strip()


def use_threads(threads):
    """PyTorch's own loops start with one thread in some builds, whatever the BLAS uses."""
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))


def environment():
    parallel = torch.__config__.parallel_info()
    essentials = ("get_num_threads", "OpenMP 2", "MKL", "MKL-DNN", "hardware_concurrency", "parallel backend")
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "parallel": [line.strip() for line in parallel.splitlines() if any(word in line for word in essentials)],
        "loadAverage": round(os.getloadavg()[0], 2),
    }


def summary(milliseconds):
    return {
        "medianMs": round(statistics.median(milliseconds), 3),
        "minMs": round(min(milliseconds), 3),
        "maxMs": round(max(milliseconds), 3),
        "repetitions": len(milliseconds),
    }
