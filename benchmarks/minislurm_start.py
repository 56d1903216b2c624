"""How long a mini cluster takes from nothing to all nodes idle, and back to nothing.

    python benchmarks/minislurm_start.py [--nodes 8] [--rounds 20] [--no-containers]

Compiling the option plugin is part of the start. Memory is what the daemons of all nodes share out
among themselves (proportional set size), once all nodes are idle.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from fixtures.minislurm.cluster import Cluster, ClusterShape


def memory_mib(cluster: Cluster) -> float:
    """Proportional set size of every process of the cluster."""
    outer = psutil.Process(int(cluster.net_namespace.parts[2]))
    everybody = [outer, *outer.children(recursive=True)]
    return sum(each.memory_full_info().pss for each in everybody) / 2**20


def spread(name: str, values: list[float], unit: str) -> str:
    """Median, range and the nine-in-ten mark, in one line."""
    ordered = sorted(values)
    high = ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))]
    return (
        f"{name}: {statistics.median(ordered):.2f} {unit} median of {len(ordered)}, "
        f"{ordered[0]:.2f} to {ordered[-1]:.2f}, nine in ten up to {high:.2f}"
    )


def main() -> int:
    """Measure, and print the spreads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--no-containers", action="store_true")
    options = parser.parse_args()
    shape = ClusterShape(nodes=options.nodes, containers=not options.no_containers)
    starts, stops, sizes = [], [], []
    with tempfile.TemporaryDirectory() as directory:
        for number in range(options.rounds):
            began = time.perf_counter()
            cluster = Cluster.start(Path(directory, str(number)), shape)
            starts.append(time.perf_counter() - began)
            sizes.append(memory_mib(cluster))
            began = time.perf_counter()
            cluster.stop()
            stops.append(time.perf_counter() - began)
    plugin = "with" if cluster.container_options else "without"
    print(f"{options.nodes} nodes, {plugin} container options")
    print(spread("start", starts, "s"))
    print(spread("stop", stops, "s"))
    print(spread("memory", sizes, "MiB"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
