"""Site files for Slurm: what they may say, and a readable answer for everything else.

Not covered: what the environment says on top, see `test_slurm_variables.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError
from fixtures.config.load import CONFIGS_DIR, load_site
from fixtures.config.site import EVERYWHERE, OURS
from fixtures.model.slurm import Ports, PreflightLimits, SlurmSite
from fixtures.model.topology import ServiceChoice, Simulation

pytestmark = pytest.mark.selftest

FULL = """\
name: full
launcher: slurm
engine: trtllm
frontend: package
lease_ttl_s: 30
grace_period_s: 5
deadlines: {service_s: 1, ready_s: 2, request_s: 3, worker_stop_s: 4, frontend_stop_s: 5,
            service_stop_s: 6}
services:
  etcd: {provider: auto}
  nats: {provider: endpoint, endpoint: "nats://10.0.0.9:4222"}
slurm:
  cluster: local
  allocation: {nodes: 9, partition: gb200, account: team, time_limit: "1-02:00:00",
               gres: "gpu:4", wait_s: 7}
  head_node: node3
  head_node_ip: 10.0.0.3
  container:
    runtime: pyxis
    image: nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.6.1
    mounts: ["/lustre:/lustre:ro", "../:/mnt"]
  model_path: /lustre/r1
  python: /usr/bin/python3
  mpi: pmix_v4
  world: rendezvous
  call_s: 5
  srun_options: ["--cpu-bind=none", "--no-container-mount-home"]
  ports: {frontend: 8001, etcd: 12379, etcd_peer: 12380, nats: 14222, nats_monitor: 18222,
          system: 9081, rendezvous: 29501}
  preflight:
    min_time_left_s: 1
    min_shm_mib: 2
    min_free_shm_fraction: 0.25
    max_gpu_memory_used_mib: 3
    max_clock_skew_s: 0.5
    min_open_files: 4
    need_unlimited_locked_memory: false
  versions: {dynamo: "1.6.1", trtllm: "1.3.0rc29"}
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the full site with one text replaced, beside which error texts are short."""
    monkeypatch.chdir(tmp_path)

    def replaced(old: str = "", new: str = "") -> Path:
        assert old in FULL
        path = tmp_path / "site.yaml"
        path.write_text(FULL.replace(old, new, 1) if old else FULL)
        return path

    return replaced


def place_of(path: Path, begins: str) -> str:
    """The line that begins so, as messages name it."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    return f"site.yaml:{next(i for i, line in enumerate(lines, 1) if line.startswith(begins))}:"


def test_everything_that_a_site_says_arrives(write: Write) -> None:
    site = load_site(write())

    assert site.slurm is not None
    assert (site.nodes, site.bind_address) == ((), EVERYWHERE)
    assert site.simulation == Simulation(1.0, 0.0, 0.0, 0.0)
    assert site.nats == ServiceChoice("endpoint", "nats://10.0.0.9:4222", None)
    assert site.slurm == SlurmSite(
        cluster="local",
        partition="gb200",
        account="team",
        time_limit="1-02:00:00",
        nodes=9,
        gres="gpu:4",
        allocation_wait_s=7,
        head_node="node3",
        head_node_ip="10.0.0.3",
        runtime="pyxis",
        image="nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.6.1",
        mounts=("/lustre:/lustre:ro", "../:/mnt"),
        model_path="/lustre/r1",
        python="/usr/bin/python3",
        mpi="pmix_v4",
        world="rendezvous",
        call_s=5,
        ports=Ports(8001, 12379, 12380, 14222, 18222, 9081, 29501),
        preflight=PreflightLimits(1, 2, 0.25, 3, 0.5, 4, need_unlimited_locked_memory=False),
        srun_options=("--cpu-bind=none", "--no-container-mount-home"),
        versions={"dynamo": "1.6.1", "trtllm": "1.3.0rc29"},
        positions=site.slurm.positions,
    )
    assert site.slurm.positions["slurm.head_node"].line == 1 + FULL[
        : FULL.index("head_node")
    ].count("\n")


def test_what_a_site_leaves_out_has_the_defaults_of_its_class() -> None:
    shipped = load_site("slurm").slurm

    assert shipped is not None
    default = SlurmSite()
    for name in ("partition", "nodes", "gres", "ports", "mpi", "world", "call_s", "versions"):
        assert getattr(shipped, name) == getattr(default, name)


def test_the_shipped_slurm_site_runs_the_real_engine_in_containers() -> None:
    site = load_site("slurm")

    assert site.slurm is not None
    assert (site.launcher, site.engine, site.slurm.runtime) == ("slurm", "trtllm", "pyxis")
    assert site.deadlines.ready_s == 3600


def test_the_mini_cluster_rehearses_with_the_times_of_the_mock_site() -> None:
    mini, mock = load_site("minislurm"), load_site("mock")

    assert mini.slurm is not None
    assert (mini.slurm.cluster, mini.slurm.runtime) == ("minislurm", "none")
    assert (mini.engine, mini.simulation) == (mock.engine, mock.simulation)
    assert not mini.slurm.preflight.need_unlimited_locked_memory


def test_a_mock_site_has_nothing_of_slurm() -> None:
    assert load_site("mock").slurm is None


SLURM_ONLY = FULL[FULL.index("slurm:\n") :]
WRONG = [
    # what is replaced, by what, the beginning of the line that is answered, and parts of the answer
    ("launcher: slurm", "launcher: slrum", "launcher:", 'did you mean "slurm"?'),
    ("launcher: slurm", "launcher: mock", "slurm:", "slurm has no place here"),
    ("launcher: slurm", "launcher: mock", "engine:", "fix: real engines need launcher: slurm,"),
    ("launcher: slurm", "launcher: mock", "name:", 'missing key "nodes"'),
    (
        "launcher: slurm",
        "launcher: slurm\nnodes: [a]",
        "nodes:",
        "slurm.allocation.nodes says how many",
    ),
    (
        "launcher: slurm",
        "launcher: slurm\nbind_address: 10.0.0.1",
        "bind_address:",
        "slurm.head_node_ip",
    ),
    (SLURM_ONLY, "", "name:", 'missing key "slurm"'),
    ("engine: trtllm", "engine: simulated", "name:", 'missing key "simulation"'),
    ("engine: trtllm", "engine: vllm", "engine:", "allowed: simulated, trtllm"),
    ("frontend: package", "frontend: runtime", "frontend:", "allowed: auto, package"),
    ("provider: auto", "provider: container", "etcd:", "allowed: auto, binary, endpoint"),
    ("cluster: local", "cluster: minisulrm", "cluster:", 'did you mean "minislurm"?'),
    ("partition: gb200", "partiton: gb200", "allocation:", 'did you mean "partition"?'),
    ("partition: gb200", 'partition: "a b"', "allocation:", "name one partition"),
    ("nodes: 9", "nodes: 0", "allocation:", "slurm.allocation.nodes must be at least 1, not 0"),
    ('"1-02:00:00"', '"2 hours"', "allocation:", "write hours:minutes:seconds"),
    ("wait_s: 7", "wait_s: 0", 'gres: "gpu:4"', "must be more than 0"),
    ("head_node: node3", "head_node: -w", "head_node:", "a node name holds letters"),
    ("10.0.0.3", "fe80::1", "head_node_ip:", "write the IPv4 address by which other nodes reach"),
    ("10.0.0.3", "127.0.1.1", "head_node_ip:", '"127.0.1.1" is reachable from its own node only'),
    ("10.0.0.3", "224.0.0.1", "head_node_ip:", "is no address of one node"),
    ("    runtime: pyxis\n", "", "container:", 'missing key "runtime" in slurm.container'),
    ("runtime: pyxis", "runtime: docker", "runtime:", "allowed: none, pyxis"),
    ("runtime: pyxis", "runtime: none", "image:", "an image is used with runtime: pyxis only"),
    ("runtime: pyxis", "runtime: none", "mounts:", "mounts are used with runtime: pyxis only"),
    ('"../:/mnt"', '"/data:mnt"', "mounts:", "its place in the container does not begin with /"),
    ('"../:/mnt"', '":/mnt"', "mounts:", "it lacks the side of the host"),
    ('"../:/mnt"', '"/a:/b:ro:x"', "mounts:", "it has 4 parts"),
    ('"../:/mnt"', '"/a:/b:R/O"', "mounts:", "its flags are no words joined by +"),
    ('"../:/mnt"', '"/a:/b,/c:/d"', "mounts:", "a character that no mount can have"),
    ("model_path: /lustre/r1", 'model_path: "/my model"', "model_path:", "without spaces"),
    ("mpi: pmix_v4", 'mpi: "pmix --pty"', "mpi:", "srun --mpi=list"),
    ("world: rendezvous", "world: mpich", "world:", "allowed: auto, mpi, rendezvous"),
    ("call_s: 5", "call_s: 0", "call_s:", "slurm.call_s must be more than 0"),
    ("etcd: 12379", "etcd: 70000", "ports:", "slurm.ports.etcd must be at most 65535"),
    (
        "etcd_peer: 12380",
        "etcd_peer: 12379",
        "ports:",
        "port 12379 is given to etcd and to etcd_peer",
    ),
    (
        "min_free_shm_fraction: 0.25",
        "min_free_shm_fraction: 2",
        "min_free_shm_fraction:",
        "must be at most 1",
    ),
    ("max_clock_skew_s", "max_clock_skew", "max_clock_skew", 'did you mean "max_clock_skew_s"?'),
    ('dynamo: "1.6.1"', "dynamo: 1.6", "versions:", "must be text, not 1.6"),
    ('dynamo: "1.6.1"', "dynamo: latest", "versions:", 'write a release such as "1.6.1"'),
]


@pytest.mark.parametrize(("old", "new", "begins", "answer"), WRONG)
def test_a_wrong_site_is_answered_at_its_line(
    write: Write, old: str, new: str, begins: str, answer: str
) -> None:
    path = write(old, new)

    with pytest.raises(ConfigError, match=r"^site\.yaml:") as caught:
        load_site(path)

    texts, place = [str(each) for each in caught.value.problems], place_of(path, begins)
    found = [text for text in texts if text.startswith(place) and answer in text]
    assert len(found) == 1, "\n".join(texts)


def test_a_directory_may_be_mounted_under_its_own_name(write: Write) -> None:
    site = load_site(write('"../:/mnt"', '"/data"'))

    assert site.slurm is not None
    assert site.slurm.mounts[1] == "/data"


@pytest.mark.parametrize("name", sorted(OURS))
def test_an_option_that_the_launcher_sets_is_refused_with_a_fix(write: Write, name: str) -> None:
    path = write("--cpu-bind=none", f"--{name}=x")

    with pytest.raises(ConfigError, match=f"cannot hold --{name}") as caught:
        load_site(path)

    (problem,) = caught.value.problems
    assert problem.where == place_of(path, "srun_options:") + "18"
    assert problem.fix == OURS[name]


@pytest.mark.parametrize(
    ("option", "answer"),
    [
        ("--nodel=a", 'did you mean "--nodelist"?'),
        ("--over", 'did you mean "--overlap"?'),
        ("-N4", "write each option in its long form"),
        ("bash", "write each option in its long form"),
        ("--", "write each option in its long form"),
    ],
)
def test_no_way_of_writing_an_option_gets_past(write: Write, option: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=r"site\.yaml:\d+:18: ") as caught:
        load_site(write("--cpu-bind=none", option))

    assert answer in str(caught.value)


@pytest.mark.parametrize(
    "option", ["--gres=gpu:4", "--mem=0", "--propagate", "--network=x", "--immediate=60"]
)
def test_other_options_of_srun_are_taken(write: Write, option: str) -> None:
    site = load_site(write("--cpu-bind=none", option))

    assert site.slurm is not None
    assert site.slurm.srun_options[0] == option


def test_options_of_containers_need_a_container(tmp_path: Path) -> None:
    path = tmp_path / "mini.yaml"
    text = (CONFIGS_DIR / "sites" / "minislurm.yaml").read_text()
    path.write_text(text + '  srun_options: ["--no-container-mount-home"]\n')

    with pytest.raises(ConfigError, match="need runtime: pyxis"):
        load_site(path)
