"""The defects that public deployment guides carry are all found, at the line that has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.model.remark import Severity

from .cases import aggregated, line_of, pair, remarks_on
from .engine_files import model_file, pictures
from .user_files import (
    AGG_ENV,
    LAUNCH_SCRIPT,
    MANIFEST,
    PICTURES_ENV,
    SERVE_AGG,
    guide,
    with_line,
)

pytestmark = pytest.mark.selftest


@dataclass(frozen=True, slots=True)
class Defect:
    """A file with one defect: which rule says so, how loudly, and a text in the guilty line."""

    name: str
    rule: str
    severity: Severity
    at: str
    files: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.rule}-{self.name}"


_NAMES_ONLY = "ETCD_ENDPOINTS,NATS_SERVER,HEAD_NODE_IP,DISAGGREGATION_MODE,ENGINE_CONFIG"
_WITH_VALUES = '"ETCD_ENDPOINTS=${ETCD_ENDPOINTS},NATS_SERVER=${NATS_SERVER}"'
_PREFIXED = """\
export IMAGE="/images/tensorrtllm-runtime.sqsh"
DISAGGREGATION_MODE=prefill \\
srun --mpi pmix --container-image "${IMAGE}" --container-env ETCD_ENDPOINTS \\
  --nodes 1 --ntasks-per-node 4 --export "ALL,DISAGGREGATION_MODE=${DISAGGREGATION_MODE}" \\
  /mnt/multinode/start_trtllm_worker.sh
"""
_SPACED = """\
export NATS_SERVER = 'nats://10.0.0.1:4222'
dynamo serve components.prefill_worker:PrefillWorker -f ./configs/multinode-405b.yaml
"""
_CLEAN_UP = "# stop everything that was started above\npkill srun"
_WAIT = """\
srun --overlap --nodes 1 /mnt/multinode/start_frontend_services.sh &
sleep 150
srun --mpi pmix --overlap --nodes 1 /mnt/multinode/start_trtllm_worker.sh &
"""
_WITHOUT_MODALITY = with_line(PICTURES_ENV, 'export MODALITY="multimodal"\n', "")
_QUOTED_NODES = with_line(MANIFEST, "nodeCount: 2", 'nodeCount: "2"')
_WIFEEP = {"moe_config": {"backend": "WIFEEP"}}

ERROR, WARNING, ADVICE = Severity.ERROR, Severity.WARNING, Severity.ADVICE
DEFECTS = [
    Defect(
        "TP16 for 40 heads",
        "PAR-007",
        ERROR,
        "tensor_parallel_size: 16",
        aggregated(
            {"enable_attention_dp": False, "moe_expert_parallel_size": 1}, model="model.yaml"
        )
        | model_file(),
    ),
    Defect(
        "TP8/EP16 on 8 GPUs",
        "PAR-002",
        ERROR,
        "moe_expert_parallel_size: 16",
        pictures({"moe_expert_parallel_size": 16}),
    ),
    Defect(
        "256 tokens without chunked prefill",
        "ENG-002",
        ERROR,
        "max_num_tokens: 256",
        aggregated({"max_num_tokens": 256}),
    ),
    Defect("WIFEEP", "ENG-010", ERROR, "backend: WIFEEP", pair(decode=_WIFEEP)),
    Defect(
        "NAME=VALUE in --container-env",
        "ENV-002",
        ERROR,
        "--container-env",
        {"launch.sh": with_line(LAUNCH_SCRIPT, _NAMES_ONLY, _WITH_VALUES)},
    ),
    Defect(
        "NAME=VALUE in --container-env of a guide",
        "ENV-002",
        ERROR,
        "--container-env",
        guide(AGG_ENV, f"srun --mpi pmix --container-env {_WITH_VALUES} ./start_trtllm_worker.sh"),
    ),
    Defect(
        "expansion before assignment",
        "ENV-003",
        ERROR,
        "ALL,DISAGGREGATION_MODE=",
        {"prefill.sh": _PREFIXED},
    ),
    Defect(
        "expansion before assignment in a guide",
        "ENV-003",
        ERROR,
        "ALL,DISAGGREGATION_MODE=",
        guide(AGG_ENV, _PREFIXED),
    ),
    Defect("export NATS_SERVER =", "ENV-004", ERROR, "export NATS_SERVER =", {"node2.sh": _SPACED}),
    Defect(
        "export NATS_SERVER = in a guide",
        "ENV-004",
        ERROR,
        "export NATS_SERVER =",
        guide(_SPACED, "ray status"),
    ),
    Defect(
        'nodeCount: "2"', "K8S-002", ERROR, 'nodeCount: "2"', {"deployment.yaml": _QUOTED_NODES}
    ),
    Defect(
        "gpu '1' with TP16 and no Ray",
        "RAY-007",
        WARNING,
        "gpu: '1'",
        {"agg.yaml": with_line(SERVE_AGG, "  distributed-executor-backend: ray\n", "")},
    ),
    Defect(
        "pkill srun", "ENV-014", ERROR, "pkill srun", {"stop.sh": f"#!/bin/bash\n{_CLEAN_UP}\n"}
    ),
    Defect("pkill srun in a guide", "ENV-014", ERROR, "pkill srun", guide(AGG_ENV, _CLEAN_UP)),
    Defect(
        "sleep as readiness",
        "ENV-013",
        WARNING,
        "sleep 150",
        {"launch.sh": f"#!/bin/bash\n{_WAIT}"},
    ),
    Defect("sleep as readiness in a guide", "ENV-013", WARNING, "sleep 150", guide(AGG_ENV, _WAIT)),
    Defect(
        "MODALITY never set",
        "ENG-023",
        WARNING,
        "export MODEL_PATH",
        {"launch.env": _WITHOUT_MODALITY},
    ),
    Defect(
        "MODALITY never set in a guide",
        "ENG-023",
        WARNING,
        "export MODEL_PATH",
        guide(_WITHOUT_MODALITY, "./srun_disaggregated.sh"),
    ),
    Defect(
        "images planned, MODALITY never set",
        "ENG-023",
        ERROR,
        "images: true",
        pictures(workload={"isl": 4000, "osl": 256, "images": True}),
    ),
]


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
def test_a_defect_of_a_public_guide_is_found(defect: Defect, tmp_path: Path) -> None:
    remarks = remarks_on(defect.files, tmp_path)

    said = "\n".join(f"{r.rule} {r.severity} {r.where}: {r.violation.actual}" for r in remarks)
    own = [remark for remark in remarks if remark.rule == defect.rule]
    assert own, f"{defect.rule} said nothing; others:\n{said}"
    assert {remark.severity for remark in own} == {defect.severity}, said
    assert all(defect.at in line_of(remark) for remark in own), said


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
def test_a_defect_raises_no_other_error(defect: Defect, tmp_path: Path) -> None:
    errors = [each for each in remarks_on(defect.files, tmp_path) if each.severity is ERROR]

    said = "\n".join(f"{r.rule} {r.where}: {r.violation.actual}" for r in errors)
    assert {each.rule for each in errors} <= {defect.rule}, said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("agg.env", AGG_ENV),
        ("pictures.env", PICTURES_ENV),
        ("launch.sh", LAUNCH_SCRIPT),
        ("deployment.yaml", MANIFEST),
        ("multinode_agg_r1.yaml", SERVE_AGG),
    ],
)
def test_the_file_that_the_defects_start_from_is_sound(
    name: str, text: str, tmp_path: Path
) -> None:
    above = [r for r in remarks_on({name: text}, tmp_path) if r.severity is not ADVICE]

    assert above == []
