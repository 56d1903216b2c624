"""Configuration files: every shipped one loads, and every broken one gets a readable answer.

Not covered: files that are no YAML at all, see `test_yaml_source.py`, what an engine would refuse
to read, see `test_engine_files.py`, and whether the numbers of a well-formed file can work, see
`rules/`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError, mask_credentials
from fixtures.config.load import (
    CONFIGS_DIR,
    load_model,
    load_profile,
    load_profiles,
    load_site,
    load_system,
    load_topology,
)

pytestmark = pytest.mark.selftest

MTP = "topologies/deepseek-r1-mtp-disagg.yaml"
AGGREGATED = "topologies/deepseek-r1-wide-ep-agg.yaml"
DECODE = "engines/trtllm/deepseek-r1/mtp-decode.yaml"
Edit = Callable[[str, str, str], Path]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Copies the shipped configs, replaces one text in one file, and returns that file."""
    shutil.copytree(CONFIGS_DIR, tmp_path / "configs")
    monkeypatch.chdir(tmp_path)

    def replace(file: str, old: str, new: str) -> Path:
        path = tmp_path / "configs" / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return replace


def place(file: Path, text: str) -> str:
    """Line and column of the first line with that text, as messages name them."""
    lines = file.read_text(encoding="utf-8").splitlines()
    number = next(index for index, line in enumerate(lines) if text in line)
    return f"{number + 1}:{len(lines[number]) - len(lines[number].lstrip()) + 1}"


def refusal(load: Callable[[Path], object], path: Path) -> str:
    """The text of the ConfigError that `load` raises for `path`."""
    with pytest.raises(ConfigError, match=r"^\S+: ") as caught:
        load(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("folder", "load"),
    [
        ("topologies", load_topology),
        ("sites", load_site),
        ("profiles", load_profile),
        ("models", load_model),
        ("systems", load_system),
    ],
)
def test_every_shipped_file_loads_by_name(folder: str, load: Callable[[str], object]) -> None:
    names = [path.stem for path in (CONFIGS_DIR / folder).glob("*.yaml")]

    assert names
    assert [load(name).name for name in names] == names  # type: ignore[attr-defined]


def test_a_topology_brings_its_engines_numbers_and_positions() -> None:
    topology = load_topology("deepseek-r1-mtp-disagg")

    prefill, decode = topology.roles
    assert (prefill.name, decode.name) == ("prefill", "decode")
    assert prefill.engine.attention_data_parallel
    assert (decode.engine.max_num_tokens, decode.engine.max_seq_len) == (512, 8704)
    assert decode.gpus_per_node == topology.system.gpus_per_node
    position = decode.engine.positions["speculative_config.num_nextn_predict_layers"]
    line = decode.engine.path.read_text(encoding="utf-8").splitlines()[position.line - 1]
    assert line[position.column - 1 :].startswith("num_nextn_predict_layers:")
    assert topology.positions["roles.decode.nodes_per_worker"].file.name == topology.path.name


def test_the_gb200_profile_lists_its_topologies_in_order() -> None:
    assert load_profiles()["gb200"].topologies == (
        "deepseek-r1-wide-ep-agg",
        "deepseek-r1-wide-ep-disagg",
        "deepseek-r1-mtp-disagg",
        "llama4-maverick-disagg",
    )


def test_a_typo_names_the_nearest_key(edit: Edit) -> None:
    path = edit(MTP, "    workers: 1", "    wrokers: 1")

    text = refusal(load_topology, path)

    first, allowed, meant = text.splitlines()
    at = f"configs/{MTP}:{place(path, 'wrokers')}"
    assert first == f'{at}: unknown key "wrokers" in roles.prefill'
    assert allowed.startswith("  allowed: engine, engine_config, ")
    assert meant == '  did you mean "workers"?'


def test_a_misspelt_role_is_one_problem_and_not_three(edit: Edit) -> None:
    text = refusal(load_topology, edit(AGGREGATED, "  aggregated:", "  agregated:"))

    assert text.count("unknown key") == 1
    assert "missing" not in text
    assert 'did you mean "aggregated"?' in text


def test_typos_inside_each_other_are_each_reported_where_they_stand(edit: Edit) -> None:
    edit(AGGREGATED, "  aggregated:", "  agregated:")
    path = edit(AGGREGATED, "    engine_config:", "    engine_conf:")

    with pytest.raises(ConfigError, match="engine_conf") as caught:
        load_topology(path)

    places = [problem.where.rpartition("ep-agg.yaml:")[2] for problem in caught.value.problems]
    assert places == [place(path, "agregated:"), place(path, "engine_conf:")]


def test_all_problems_of_a_file_are_reported_in_order(edit: Edit) -> None:
    edit(MTP, "title:", "titel:")
    edit(MTP, "isl: 4000", "isl: many")
    path = edit(MTP, "round-robin", "round-robbin")

    with pytest.raises(ConfigError, match="titel") as caught:
        load_topology(path)

    places = [problem.where.rpartition("mtp-disagg.yaml:")[2] for problem in caught.value.problems]
    assert places == [place(path, each) for each in ("titel:", "mode: round-robbin", "isl: many")]


def test_problems_of_several_files_are_reported_together(edit: Edit) -> None:
    edit(DECODE, "max_batch_size: 256", "max_batch_size: 256\nmax_batch_size: 0")
    path = edit(MTP, "system: gb200", "system: gb20")

    text = refusal(load_topology, path)

    assert 'duplicate key "max_batch_size"' in text
    assert 'there is no system named "gb20"' in text
    assert 'did you mean "gb200"?' in text


@pytest.mark.parametrize(
    ("file", "old", "new", "answer"),
    [
        (MTP, "nodes: 2", 'nodes: "2"', 'allocation.nodes must be a whole number, not "2"'),
        (MTP, "nodes: 2", "nodes: 2.0", "allocation.nodes must be a whole number, not 2.0"),
        (MTP, "nodes: 2", "nodes: true", "allocation.nodes must be a whole number, not true"),
        (MTP, "nodes: 2", "nodes: 0", "allocation.nodes must be at least 1, not 0"),
        (MTP, "nodes: 2", "nodes: .nan", ".nan is not a finite number"),
        (MTP, "nodes: 2", "nodes: 1:30", 'must be a whole number, not "1:30"'),
        (MTP, "  osl: 1000\n", "", 'missing key "osl" in workload'),
        (MTP, "decode_first", "decode_frist", 'did you mean "decode_first"?'),
        (MTP, "decode_first", "decode_frist", "allowed: decode_first, prefill_first"),
        (MTP, "  decode:\n", "  aggregated:\n", "roles.prefill has no place here"),
        (AGGREGATED, "roles:", "disaggregation: {strategy: decode_first}\nroles:", "no place here"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(
    edit: Edit, file: str, old: str, new: str, answer: str
) -> None:
    text = refusal(load_topology, edit(file, old, new))

    assert f"configs/{file}:" in text
    assert answer in text


def test_an_unknown_name_lists_all_names_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match='no site named "mcok"') as caught:
        load_site("mcok")

    known = "k8s, k8s-local, minislurm, mock, mock-containers, ray, ray-local, slurm"
    assert f"allowed: {known}" in str(caught.value)
    assert 'did you mean "mock"?' in str(caught.value)


def test_a_missing_file_names_its_neighbour(edit: Edit) -> None:
    path = edit(MTP, "mtp-decode.yaml", "mtp-decoder.yaml")

    text = refusal(load_topology, path)

    at = place(path, "mtp-decoder.yaml")
    assert text.startswith(f"configs/{MTP}:{at}: there is no file configs/engines/")
    assert 'did you mean "mtp-decode.yaml"?' in text


def test_a_file_called_otherwise_than_its_name_is_refused(
    edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = edit("systems/gb200.yaml", "name: gb200", "name: gb300")
    monkeypatch.setattr("fixtures.config.paths.CONFIGS_DIR", path.parents[1])

    with pytest.raises(ConfigError, match=r'gb200\.yaml:1:1: name is "gb300"'):
        load_system("gb200")


def test_a_profile_with_an_unknown_topology_is_refused(edit: Edit) -> None:
    path = edit("profiles/gb200.yaml", "deepseek-r1-mtp-disagg", "deepseek-r1-mpt-disagg")

    text = refusal(load_profile, path)

    assert "gb200.yaml:7:5: there is no topology" in text
    assert 'did you mean "deepseek-r1-mtp-disagg"?' in text


@pytest.mark.parametrize(
    ("old", "new", "answer"),
    [
        ("frontend: auto", "frontend: packege", 'did you mean "package"?'),
        ("127.0.0.1", "localhost", "write an IPv4 address"),
        ("speedup: 100", "speedup: 0", "simulation.speedup must be more than 0, not 0"),
        ("node2,", "node1,", "nodes lists a value twice"),
        ("provider: auto", "provider: endpoint", 'missing key "endpoint" in services.etcd'),
        ("provider: auto", "provider: auto\n    image: x", "services.etcd.image has no place"),
    ],
)
def test_a_wrong_site_is_explained(edit: Edit, old: str, new: str, answer: str) -> None:
    assert answer in refusal(load_site, edit("sites/mock.yaml", old, new))


@pytest.mark.parametrize("key", ["endpoint", "provider", "endpiont"])
def test_no_error_prints_a_password(edit: Edit, key: str) -> None:
    secret = f"provider: auto\n    {key}: nats://operator:pa,ss/w@rd@10.0.0.1:4222"
    text = refusal(load_site, edit("sites/mock.yaml", "provider: auto", secret))

    assert "operator" not in text
    assert "w@rd" not in text


def test_masking_keeps_the_host() -> None:
    assert mask_credentials("nats://u:p@h:4222") == "nats://***@h:4222"
    assert mask_credentials("u:p@h:4222") == "***@h:4222"
    assert mask_credentials("http://h:2379") == "http://h:2379"


def test_a_model_path_is_seen_from_the_topology_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = CONFIGS_DIR / "topologies" / "deepseek-r1-mtp-disagg.yaml"
    engines = str(CONFIGS_DIR / "engines")
    text = shipped.read_text().replace("../engines", engines)
    (tmp_path / "mine.yaml").write_text(text.replace("deepseek-r1-nvfp4", "./model.yaml"))
    model = (CONFIGS_DIR / "models" / "deepseek-r1-nvfp4.yaml").read_text()
    (tmp_path / "model.yaml").write_text(model.replace("layers: 61", "layers: 60"))
    monkeypatch.chdir("/")

    assert load_topology(tmp_path / "mine.yaml").model.layers == 60
