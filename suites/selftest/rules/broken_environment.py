"""Valid launches of many sizes, and the same with one variable or one command broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import strategies as st

from fixtures.config.load import load_topology
from fixtures.loaders import shell, slurm_env
from fixtures.model.position import Position, Setting
from fixtures.model.topology import Topology

from .launch_files import PAIR_ENV, exports
from .pairs import Breaks, Pair

_HERE = Position(Path("topology.yaml"), 1, 1)
_UCX, _NIXL = "TRTLLM_USE_UCX_KVCACHE", "TRTLLM_USE_NIXL_KVCACHE"
_BENCH = "python3 -m sglang.bench_serving --backend sglang-oai-chat --output-file"


@dataclass(frozen=True, slots=True)
class Launch:
    """A valid deployment: variables, and the lines of its script behind them."""

    variables: Mapping[str, str]
    nodes: int

    def loaded(self, *lines: str, **changes: str | None) -> Topology:
        """The deployment as a script with these lines and changed variables."""
        head = f"#!/bin/bash\nset -e\nsalloc --no-shell --nodes {self.nodes} --time 05:00:00\n"
        text = head + exports(**{**self.variables, **changes}) + "\n".join(lines) + "\n"
        (topology,) = shell.FORMAT.load(Path("launch.sh"), text)
        return topology

    def environment(self, **changes: str | None) -> Topology:
        """The deployment as a file of variables."""
        text = exports(**{**self.variables, **changes})
        (topology,) = slurm_env.FORMAT.load(Path("launch.env"), text)
        return topology


@st.composite
def launches(draw: st.DrawFn) -> Launch:
    """Deployments over two nodes or more, of several sizes, models and addresses."""
    prefill, decode = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    address = ".".join(["10", *(str(draw(st.integers(1, 254))) for _ in range(3))])
    model = draw(st.sampled_from(("nvidia/DeepSeek-R1-FP4", "deepseek-ai/DeepSeek-R1")))
    variables = {
        "NUM_PREFILL_NODES": str(prefill),
        "NUM_DECODE_NODES": str(decode),
        "MODEL_PATH": model,
        "SERVED_MODEL_NAME": draw(st.sampled_from((model, "r1"))),
        "HEAD_NODE_IP": address,
        "ETCD_ENDPOINTS": draw(st.sampled_from(("", "http://"))) + f"{address}:2379",
        "NATS_SERVER": f"nats://{address}:4222",
    }
    return Launch({**PAIR_ENV, **variables}, prefill + decode + draw(st.integers(0, 3)))


WORDS = st.sampled_from(("prefill", "decode", "r1", "4", "a-b", "/mnt/x.yaml"))
NAMES = st.sampled_from(("MODE", "DISAGGREGATION_MODE", "ENGINE_CONFIG", "JOB_NAME", "MY_X1"))
_Change = Callable[[st.DrawFn, Launch], Pair]


def changed(change: _Change) -> st.SearchStrategy[Pair]:
    """A drawn deployment, as a change makes a pair of it."""

    @st.composite
    def pairs(draw: st.DrawFn) -> Pair:
        return change(draw, draw(launches()))

    return pairs()


def variables(**broken: st.SearchStrategy[str]) -> st.SearchStrategy[Pair]:
    """An environment, and the same with one of these variables at one of these values."""

    def change(draw: st.DrawFn, launch: Launch) -> Pair:
        name = draw(st.sampled_from(sorted(broken)))
        return launch.environment(), launch.environment(**{name: draw(broken[name])})

    return changed(change)


def lines(valid: str, broken: str) -> st.SearchStrategy[Pair]:
    """Scripts with a line in two forms; NAME, WORD and COUNT in it are drawn."""

    def change(draw: st.DrawFn, launch: Launch) -> Pair:
        drawn = {"NAME": draw(NAMES), "WORD": draw(WORDS), "COUNT": str(draw(st.integers(3, 900)))}
        texts = [valid, broken]
        for key, value in drawn.items():
            texts = [text.replace(key, value) for text in texts]
        return launch.loaded(texts[0]), launch.loaded(texts[1])

    return changed(change)


def _transports(draw: st.DrawFn, launch: Launch) -> Pair:
    first, second = draw(st.permutations((_UCX, _NIXL)))
    return launch.environment(**{first: "1"}), launch.environment(**{first: "1", second: "1"})


@st.composite
def _planes(draw: st.DrawFn) -> Pair:
    """A shipped pair whose workers name a plane, and the same with another one on decode."""
    base = load_topology("deepseek-r1-mtp-disagg")
    plane, values = draw(
        st.sampled_from((("request", ("tcp", "nats")), ("event", ("zmq", "nats"))))
    )
    same, other = draw(st.permutations(values))
    workers = draw(st.integers(1, 4))

    def with_planes(*each: str) -> Topology:
        roles = tuple(
            replace(
                role,
                workers=workers,
                environment={f"DYN_{plane.upper()}_PLANE": Setting(value, _HERE)},
            )
            for role, value in zip(base.roles, each, strict=True)
        )
        return replace(base, roles=roles, allocation_nodes=2 * workers)

    return with_planes(same, same), with_planes(same, other)


def _balancers(draw: st.DrawFn, launch: Launch) -> Pair:
    """Two balancers on one node, with names of their own, and with the same."""
    node, name = draw(st.sampled_from(("node1", "gb07", "10.0.0.9"))), draw(NAMES)
    base = load_topology("deepseek-r1-wide-ep-disagg")

    def pinned(second: str) -> Topology:
        steps = [
            f"TRTLLM_EPLB_SHM_NAME={own} DISAGGREGATION_MODE={role} srun --mpi pmix"
            f" --nodelist {node} /mnt/multinode/start_trtllm_worker.sh &"
            for role, own in (("prefill", name), ("decode", second))
        ]
        topology = launch.loaded(*steps)
        found = {role.name: role for role in topology.roles}
        roles = tuple(
            replace(role, environment=found[role.name].environment) for role in base.roles
        )
        return replace(base, roles=roles, script=topology.script)

    return pinned(f"{name}_2"), pinned(name)


def _images(draw: st.DrawFn, launch: Launch) -> Pair:
    """Frontend and worker of one release, and of two."""
    minor, patch = draw(st.integers(0, 6)), draw(st.integers(0, 3))
    other = draw(st.integers(0, 6).filter(lambda each: each != minor))

    def of(frontend: int) -> Topology:
        options = 'srun --overlap --nodelist "${HEAD_NODE}" --container-image registry/ai-dynamo'
        first = f"{options}/tensorrtllm-runtime:1.{frontend}.0 /a/start_frontend_services.sh &"
        worker = f"{options}/tensorrtllm-runtime:1.{minor}.{patch} /a/start_trtllm_worker.sh &"
        return launch.loaded(first, worker)

    return of(minor), of(other)


def _comments(draw: st.DrawFn, launch: Launch) -> Pair:
    real, said = draw(st.integers(1, 64)), draw(st.integers(65, 99))
    name = draw(NAMES)
    line = f'{name}="${{{name}:-{real}}}"'
    return launch.loaded(f"# {name} defaults to {real}", line), launch.loaded(
        f"# {name} defaults to {said}", line
    )


_EMPTY = st.sampled_from(("", " "))
_LOOPBACK = st.integers(1, 254).map(lambda last: f"127.0.0.{last}")
BREAKS: Breaks = {
    "ENV-001": variables(IMAGE=_EMPTY, MODEL_PATH=_EMPTY, SERVED_MODEL_NAME=_EMPTY),
    "ENV-002": lines(
        "export NAME=WORD; srun --container-env ETCD_ENDPOINTS,NAME hostname",
        "export NAME=WORD; srun --container-env ETCD_ENDPOINTS,NAME=WORD hostname",
    ),
    "ENV-003": lines(
        "export NAME=WORD; srun --job-name ${NAME} hostname",
        "NAME=WORD srun --job-name ${NAME} hostname",
    ),
    "ENV-004": lines("export NAME='WORD'", "export NAME = 'WORD'"),
    "ENV-005": variables(
        HEAD_NODE=_EMPTY,
        HEAD_NODE_IP=_LOOPBACK | st.just("10.0.0.1 10.1.0.1") | st.just("169.254.0.9"),
        ACCOUNT=st.just("one\ntwo"),
    ),
    "ENV-006": lines(
        "export NAME=WORD; srun --container-env NAME,NATS_SERVER hostname",
        "NAME=WORD; srun --container-env NAME,NATS_SERVER hostname",
    ),
    "ENV-007": variables(
        MOUNTS=st.sampled_from(("/a:/b", "/a:/mnt,:/b", "/a:/mnt, /b:/c", "/a:/mnt:ro:x")),
        PREFILL_ENGINE_CONFIG=st.sampled_from(("/configs/x.yaml", "/mntx/y.yaml")),
    ),
    "ENV-008": variables(
        ETCD_ENDPOINTS=_LOOPBACK.map(lambda host: f"{host}:2379"),
        NATS_SERVER=_LOOPBACK.map(lambda host: f"nats://{host}:4222") | st.just("node1:4222"),
    ),
    "ENV-009": lines(
        "etcd --advertise-client-urls http://10.0.0.1:COUNT &",
        "etcd --advertise-client-urls http://localhost:COUNT &",
    ),
    "ENV-010": changed(_transports),
    "ENV-011": changed(_balancers),
    "ENV-012": lines(
        "trtllm-llmapi-launch env UCX_TLS=WORD python3 -m dynamo.trtllm",
        "UCX_TLS=WORD trtllm-llmapi-launch python3 -m dynamo.trtllm",
    ),
    "ENV-013": lines(
        "serve &\nuntil look; do sleep COUNT; done\nask",
        "serve &\nsleep COUNT\nask",
    ),
    "ENV-014": lines('kill "${NAME}"', "pkill -COUNT WORD"),
    "ENV-015": changed(_comments),
    "ENV-016": changed(_images),
    "ENV-017": _planes(),
    "ENV-018": lines(
        f"for c in 1 COUNT; do {_BENCH} WORD-$c.json; done",
        f"for c in 1 COUNT; do {_BENCH} WORD.json; done",
    ),
    "ENV-019": lines(
        'curl node1:8000 -d \'{"image_url": {"url": "data:image/png;base64,WORD"}}\'',
        'curl node1:8000 -d \'{"image_url": {"url": "https://example.com/WORD.png"}}\'',
    ),
}
