"""A TP16 engine and a very fast simulation of it, for selftests that need no files."""

from __future__ import annotations

from pathlib import Path

from fixtures.model.engine import EngineConfig
from fixtures.model.topology import Simulation

SIMULATION = Simulation(speedup=1e6, load_s=1, prefill_ms_per_1k_tokens=1, ms_per_token=1)
CONFIG = EngineConfig(
    path=Path("engine.yaml"),
    tensor_parallel=16,
    pipeline_parallel=1,
    context_parallel=1,
    expert_parallel=16,
    attention_data_parallel=False,
    max_batch_size=8,
    max_num_tokens=64,
    max_seq_len=None,
    chunked_prefill=False,
    expert_load_balancer=False,
)
