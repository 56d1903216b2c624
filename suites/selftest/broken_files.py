"""Files to break loaders with: random ones, hostile ones, and valid ones with one thing wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from fixtures.config.paths import CONFIGS_DIR

from .rules.cases import aggregated, pair
from .rules.collected import CASES
from .rules.user_files import (
    AGG_ENV,
    COMPUTE_DOMAIN,
    LAUNCH_SCRIPT,
    MANIFEST,
    PICTURES_ENV,
    SERVE_AGG,
    guide,
)

SUFFIXES = (".yaml", ".yml", ".sh", ".env", ".md")
_KEYS = (
    *("name", "title", "seed", "model", "served_model_name", "system", "allocation", "nodes"),
    *("router", "mode", "workload", "isl", "osl", "concurrency", "images", "roles", "workers"),
    *("aggregated", "prefill", "decode", "nodes_per_worker", "gpus_per_node", "engine_config"),
    *("engine", "flags", "environment", "versions", "dynamo", "planes", "disaggregation"),
    *("apiVersion", "kind", "metadata", "spec", "services", "components", "componentType"),
    *("subComponentType", "type", "replicas", "multinode", "nodeCount", "resources", "limits"),
    *("requests", "gpu", "extraPodSpec", "mainContainer", "podTemplate", "containers", "image"),
    *("command", "args", "envs", "env", "value", "valueFrom", "sharedMemory", "size", "data"),
    *("annotations", "labels", "numNodes", "startupProbe", "periodSeconds", "backendFramework"),
    *("Common", "Frontend", "Processor", "Router", "VllmWorker", "PrefillWorker", "ServiceArgs"),
    *("common-configs", "block-size", "max-model-len", "kv-transfer-config", "remote-prefill"),
    *("tensor-parallel-size", "backend", "backend_type", "sweep", "benchmark", "sbatch_directives"),
    *(
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "moe_expert_parallel_size",
        "trtllm_config",
    ),
    *("enable_attention_dp", "max_batch_size", "max_num_tokens", "max_seq_len", "moe_config"),
    *("kv_cache_config", "dtype", "tokens_per_block", "cache_transceiver_config", "load_balancer"),
    *("num_slots", "cuda_graph_config", "batch_sizes", "speculative_config", "pp_partition"),
    *("cp_config", "decoding_type", "num_nextn_predict_layers", "prefill_nodes", "decode_nodes"),
)
_WORDS = (
    *("auto", "kv", "2", "4", "16", "fp8", "DEFAULT", "WIDEEP", "deepseek-r1-nvfp4", "gb200"),
    *("nvidia/DeepSeek-R1-FP4", "DynamoGraphDeployment", "nvidia.com/v1alpha1", "ConfigMap"),
    *("nvidia.com/v1beta1", "ComputeDomain", "worker", "--tensor-parallel-size", "--tp", "-tp=2"),
    *("python3 -m dynamo.trtllm --extra-engine-args /mnt/e.yaml", "{{ .Values.x }}", "${NAME}"),
    *("a: [1, 2]\nb: {c: d}", "tensor_parallel_size: 8\n", "8Gi", "1e9999", "../x.yaml", "/", ""),
    *("\x00", "\x1b[31m", "\u2028", "é" * 70, "nan", "0x10", "1:30", "-1", "on", "{", '{"a": 1'),
)
_SHELL = (
    *("srun", "export", "IMAGE=x", "NUM_NODES=4", "NUM_PREFILL_NODES=99999999999999999999"),
    *("NATS_SERVER = y", "${A}", "${A:-b}", "${", "$(", ")", "`", "'", '"', "\\", "\\\n", "\n"),
    *("&", "&&", "||", ";", ";;", "|", "<<EOF", "<<'E'", "EOF", "<", ">", "2>&1", "#", "$((", "))"),
    *("[[", "]]", "if", "then", "fi", "for", "in", "do", "done", "while", "case", "esac", "f()"),
    *("{", "}", "--container-env", "A=${A},B", "--nodes", "-N", "--mpi=none", "pkill", "sleep"),
    *("150", "etcd", "dynamo serve", "-f", "ray start --head", "\t", " ", "=", "é", "```bash\n"),
    *("```\n", "# x", "eval", "exec", "--ntasks-per-node", "MOUNTS=a:b:c,d", "HEAD_NODE_IP=$(x)"),
)
_NUMBERS = st.sampled_from((0, 1, -1, 2, 3, 4, 8, 16, 256, 2**31, 2**63 - 1, -(2**63), 10**30))
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    _NUMBERS,
    st.floats(),
    st.sampled_from(_WORDS),
    st.text(max_size=8),
)
_NESTED = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=4), inner, max_size=5),
    ),
    max_leaves=12,
)
_MAPPINGS = st.dictionaries(st.sampled_from(_KEYS), _NESTED, max_size=8)


def documents() -> st.SearchStrategy[str]:
    """One to three YAML documents with keys that some format knows, and any values."""
    some = st.lists(_MAPPINGS | _NESTED, min_size=1, max_size=3)
    return some.map(lambda each: yaml.safe_dump_all(each, sort_keys=False))


def shell_like() -> st.SearchStrategy[str]:
    """Pieces of shell in any order, most of them with spaces between."""
    return st.lists(st.sampled_from(_SHELL), max_size=40).map(" ".join)


def variables() -> st.SearchStrategy[dict[str, str]]:
    """Environment variables that the public Slurm scripts read, with any values."""
    names = (
        *("IMAGE", "MOUNTS", "MODEL_PATH", "SERVED_MODEL_NAME", "ENGINE_CONFIG", "MODALITY"),
        *("NUM_NODES", "NUM_GPUS_PER_NODE", "NUM_PREFILL_NODES", "NUM_DECODE_NODES", "ACCOUNT"),
        *("NUM_PREFILL_WORKERS", "NUM_DECODE_WORKERS", "PREFILL_ENGINE_CONFIG", "HEAD_NODE"),
        *("DECODE_ENGINE_CONFIG", "HEAD_NODE_IP", "ETCD_ENDPOINTS", "NATS_SERVER"),
        *("DISAGGREGATION_STRATEGY", "DISAGGREGATION_MODE", "TRTLLM_USE_UCX_KVCACHE"),
    )
    values = st.sampled_from(_WORDS) | st.sampled_from(_SHELL) | st.text(max_size=12)
    return st.dictionaries(st.sampled_from(names), values, max_size=12)


def _shipped() -> list[Mapping[str, str]]:
    found: list[Mapping[str, str]] = []
    for path in sorted((CONFIGS_DIR / "topologies").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        engines = {}
        for role in yaml.safe_load(text)["roles"].values():
            engine = Path(role["engine_config"])
            engines[engine.name] = (path.parent / engine).read_text(encoding="utf-8")
            text = text.replace(str(engine), engine.name)
        found.append({"topology.yaml": text, **engines})
    for folder in ("kubernetes", "serve", "slurm"):
        for path in sorted((CONFIGS_DIR / folder).rglob("*.*")):
            found.append({path.name: path.read_text(encoding="utf-8")})
    return found


VALID: list[Mapping[str, str]] = [
    aggregated(),
    pair(),
    {"manifest.yaml": MANIFEST + COMPUTE_DOMAIN},
    {"serve.yaml": SERVE_AGG},
    {"launch.sh": LAUNCH_SCRIPT},
    {"agg.env": AGG_ENV},
    {"pictures.env": PICTURES_ENV},
    guide(AGG_ENV, LAUNCH_SCRIPT),
    *_shipped(),
    *(case.files for case in CASES if case.at is None),
]
"""Files that load, each set with the one to load first: every format, and all legal cases."""


@st.composite
def changed_values(draw: st.DrawFn, files: Mapping[str, str]) -> Mapping[str, str]:
    """The same files, with one to three values of one YAML file replaced, removed or added."""
    names = [name for name in files if name.endswith((".yaml", ".yml"))]
    if not names:
        return draw(changed_lines(files))
    name = draw(st.sampled_from(names))
    content = [each for each in yaml.safe_load_all(files[name]) if each is not None]
    for _ in range(draw(st.integers(1, 3))):
        parents = [parent for each in content for parent in _containers(each)]
        if parents:
            _change(draw, draw(st.sampled_from(parents)))
    return {**files, name: yaml.safe_dump_all(content, sort_keys=False)}


def _containers(value: Any) -> list[Any]:
    """Every mapping and list in a value that holds something."""
    if not isinstance(value, dict | list) or not value:
        return []
    inside = value.values() if isinstance(value, dict) else value
    return [value, *(each for one in inside for each in _containers(one))]


def _change(draw: st.DrawFn, parent: Any) -> None:
    keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    if not keys:
        return
    key = draw(st.sampled_from(keys))
    what = draw(st.sampled_from(("replace", "replace", "remove", "wrap", "text", "add")))
    if what == "remove":
        del parent[key]
    elif what == "wrap":
        parent[key] = [parent[key]]
    elif what == "text":
        parent[key] = json.dumps(parent[key], default=str)
    elif what == "add" and isinstance(parent, dict):
        parent[draw(st.sampled_from(_KEYS))] = draw(_NESTED)
    else:
        parent[key] = draw(_NESTED)


@st.composite
def changed_lines(draw: st.DrawFn, files: Mapping[str, str]) -> Mapping[str, str]:
    """The same files, with one to three lines of one of them removed, doubled, cut or retyped."""
    name = draw(st.sampled_from(list(files)))
    lines = files[name].split("\n")
    for _ in range(draw(st.integers(1, min(3, len(lines))))):
        at = draw(st.integers(0, len(lines) - 1))
        lines[at : at + 1] = draw(st.sampled_from(_retyped(lines[at])))
    return {**files, name: "\n".join(lines)}


def _retyped(line: str) -> list[list[str]]:
    key, colon, _ = line.partition(":")
    name, equals, _ = line.partition("=")
    middle = len(line) // 2
    variants = [[], [line, line], [line[:middle]], [line[middle:]], ["  " + line], [line.strip()]]
    if colon:
        values = ("", " [1, 2", " [1, 2]", " {a: b}", " !!str 4", " !!python/none", " &a", " *a")
        values += (" 1" + "0" * 30, " '4'", " 4.0", " ~", " <<: *x", " |", " >", " - 1", ' "\\x00"')
        variants += [[f"{key}:{value}"] for value in values]
    if equals:
        values = ("", "$(", "${", "'", '"', " ", "()", "$", "`x`", "1" * 40, "a:b:c,,", "\\")
        variants += [[f"{name}={value}"] for value in values]
    return variants


_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
_DEEP = 3000
HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "only blanks": b" \n\t\n  \n",
    "only a comment": b"# nothing\n",
    "nothing but dashes": b"---\n" * 4000,
    "not UTF-8": b"name: \xff\xfe\nroles: \xc3\x28\n",
    "UTF-16": "roles: {}\n".encode("utf-16"),
    "zero bytes": b"roles:\n  \x00: 1\nexport A=\x00\n",
    "control characters": b"roles: \x1b[2J\nexport A=\x07\x1b]0;x\x07\nspec: \x7f\n",
    "carriage returns": AGG_ENV.replace("\n", "\r\n").encode(),
    "only carriage returns": MANIFEST.replace("\n", "\r").encode(),
    "a byte order mark": b"\xef\xbb\xbf" + MANIFEST.encode(),
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf" + AGG_ENV.encode(),
    "a lone surrogate": b"roles: \xed\xa0\x80\n",
    "a surrogate escape": b'roles: "\\ud800"\nspec: "\\udfff"\n',
    "separators of lines": "roles: a\u2028b\u2029c\u0085d\nexport A=\u2028\n".encode(),
    "duplicate keys": b"roles: {}\nroles: []\nspec: 1\nspec: 2\n",
    "an anchor bomb": _BOMB.encode(),
    "an anchor of itself": b"roles: &a\n  prefill: *a\nspec: &b [*b]\n",
    "merge keys": b"base: &b {spec: 1}\nroles:\n  <<: *b\n  <<: [*b, *b]\n<<: *b\n",
    "an unknown tag": b"roles: !!python/object/apply:os.getcwd []\nspec: !Ref x\n",
    "odd tags": b"roles: !!set {a, b}\nspec: !!binary AAAA\nx: !!omap [a: 1]\ny: !!int x\n",
    "complex keys": b"? [roles, spec]\n: 1\n? {a: b}\n: 2\n1: 3\nnull: 4\ntrue: 5\n",
    "huge numbers": b"roles: 1" + b"0" * 5000 + b"\nspec: 1e99999\nNUM_NODES=1" + b"0" * 5000,
    "deep lists": b"roles: " + b"[" * _DEEP + b"]" * _DEEP,
    "deep mappings": b"roles: " + b"{a: " * _DEEP + b"1" + b"}" * _DEEP,
    "deep blocks": b"".join(b" " * n + b"a:\n" for n in range(400)),
    "deep dashes": b"- " * _DEEP + b"1\n",
    "unclosed lists": b"[" * 50_000,
    "unclosed quotes": b"roles: '" + b"x" * 5000 + b'\nspec: "',
    "deep substitutions": b"export A=" + b"$(" * _DEEP + b"x" + b")" * _DEEP,
    "very deep substitutions": b"export A=" + b"$(" * 20_000 + b")" * 20_000,
    "deep process substitutions": b"cat " + b"<(cat " * _DEEP + b")" * _DEEP,
    "deep expansions": b"export A=" + b"${A:-" * _DEEP + b"x" + b"}" * _DEEP,
    "deep subshells": b"(" * _DEEP + b"srun" + b")" * _DEEP,
    "deep tests": b"if true; then\n" * _DEEP + b"srun\n" + b"fi\n" * _DEEP,
    "deep functions": b"f() {\n" * 500 + b"srun\n" + b"}\n" * 500,
    "unclosed substitutions": b"srun $(" * 2000,
    "unclosed here documents": b"cat <<A\n" * 2000,
    "many here documents": b"cat " + b"<<A " * 500 + b"\n",
    "many back quotes": b"export A=" + b"`" * 5001,
    "many quotes": b"export A=" + b"\"'" * 5001,
    "many fences": b"```bash\nexport A=1\n```\n" * 3000,
    "unclosed fences": b"```bash\nsrun\n~~~sh\nexport A=1\n````\n",
    "deep quotations": b"> " * _DEEP + b"```bash\n",
    "many continued lines": b"srun \\\n" * 20_000,
    "many commands": b"srun --nodes 1 &\n" * 5000,
    "many assignments": b"export A=${A}x\n" * 5000,
    "many words": b"srun " + b"--container-env A=B " * 5000,
    "one long line": b"roles: " + b"x" * 900_000,
    "a long list of variables": b"".join(b"export NUM_%d_NODES=4\n" % n for n in range(5000)),
    "larger than a file may be": b"# " + b"x" * 1_100_000,
    "many services": b"apiVersion: nvidia.com/v1alpha1\nkind: DynamoGraphDeployment\nspec:\n"
    b"  services:\n" + b"".join(b"    W%d: {componentType: worker}\n" % n for n in range(3000)),
    "many documents": MANIFEST.encode()
    + b"".join(b"---\nkind: ConfigMap\nmetadata: {name: c%d}\n" % n for n in range(1500)),
    "a manifest of nothings": b"apiVersion: nvidia.com/v1beta1\nkind: DynamoGraphDeployment\n"
    b"metadata:\nspec:\n  components: [null, 1, [], {}, {name: [], podTemplate: 1}]\n",
    "a value where a mapping belongs": b"roles: 4\nworkload: x\nrouter: []\nspec: y\n",
}
"""Files that somebody might send by accident or on purpose."""
