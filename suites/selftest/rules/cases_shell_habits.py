"""Cases of the ENV rules on habits: fixed waits, comments that are wrong, benchmarks."""

from __future__ import annotations

from .cases import Case
from .launch_files import FRONTEND, SRUN_DISAGGREGATED, START_FRONTEND, bare, document, script

_READY = 'until curl -fs "http://${HEAD_NODE_IP}:8000/v1/models"; do'

SLEEPS = [
    Case(
        "ENV-013",
        "as-in-a-guide",
        document(f'{FRONTEND}\n\necho "=== 150 s ==="\nsleep 150'),
        at="sleep 150",
        says="sleep of 150 s",
    ),
    Case(
        "ENV-013",
        "services-of-the-public-script",
        {"start_frontend_services.sh": START_FRONTEND},
        at="sleep 3",
        says="sleep of 3 s after etcd --listen-client-urls",
    ),
    Case("ENV-013", "minutes", bare("serve &", "sleep 2m", "curl x"), at="sleep 2m", says="120 s"),
    Case("ENV-013", "in-a-variable", bare("W=60", "serve &", "sleep $W", "curl x"), at="sleep $W"),
    Case("ENV-013", "detached", bare("docker run -d nats", "sleep 10", "curl x"), at="sleep 10"),
    Case("ENV-013", "ray", bare("ray start --head", "sleep 10", "ray status"), at="sleep 10"),
    Case("ENV-013", "poll", script(FRONTEND, _READY, "  sleep 5", "done", "curl x")),
    Case(
        "ENV-013", "poll-in-a-for-loop", bare("a &", "for i in 1 2; do x && break; sleep 9; done")
    ),
    Case(
        "ENV-013",
        "pause-of-a-poll-in-a-function",
        bare("pause() {", "  sleep 10", "}", "a &", "while ! x; do pause; done", "curl x"),
    ),
    Case("ENV-013", "nothing-was-started", bare("sleep 30", "srun hostname")),
    Case("ENV-013", "after-a-stop", bare("a &", "P=$!", "b", "kill $P", "sleep 10", "nvidia-smi")),
    Case("ENV-013", "after-a-wait", bare("a &", "wait", "sleep 5", "nvidia-smi")),
    Case("ENV-013", "shorter-than-a-wait", bare("a &", "sleep 1", "b")),
    Case("ENV-013", "for-ever", bare("a &", "sleep infinity", "b")),
    Case("ENV-013", "holds-the-allocation", bare("a &", "sleep 36000", "b")),
    Case("ENV-013", "nothing-follows", bare("a &", "sleep 60", "echo done")),
    Case("ENV-013", "argument-of-something-else", bare("a &", "timeout 9 b sleep 9", "c")),
    Case("ENV-013", "only-said", bare("a &", 'echo "sleep 150"', "# sleep 150", "b")),
]

_MM_DEFAULTS = """\
# Defaults set in srun_disaggregated.sh, but can customize here.
# export PREFILL_ENGINE_CONFIG="/mnt/engine_configs/multimodal/llama4/prefill.yaml"

# Customize NUM_PREFILL_NODES to match the parallelism in PREFILL_ENGINE_CONFIG
# export NUM_PREFILL_NODES=2
# export NUM_DECODE_NODES=4
./srun_disaggregated.sh"""
_BY_HAND = 'export PREFILL_ENGINE_CONFIG="/mnt/x.yaml"\nexport NUM_PREFILL_NODES=2\n'
_BESIDE = {"srun_disaggregated.sh": SRUN_DISAGGREGATED}

COMMENTS = [
    Case(
        "ENV-015",
        "other-config",
        document(_MM_DEFAULTS),
        at="# export PREFILL_ENGINE_CONFIG",
        says="has /mnt/engine_configs/deepseek_r1/wide_ep/wide_ep_prefill.yaml",
    ),
    Case(
        "ENV-015",
        "other-number-of-nodes",
        document(_MM_DEFAULTS),
        at="# export NUM_PREFILL_NODES=2",
        says="srun_disaggregated.sh as published has 4",
    ),
    Case(
        "ENV-015",
        "against-the-script-that-is-there",
        document(_MM_DEFAULTS) | _BESIDE,
        at="# export NUM_PREFILL_NODES=2",
        says="srun_disaggregated.sh has 4, and that is what runs",
    ),
    Case(
        "ENV-015",
        "in-the-script",
        bare("# NUM_NODES defaults to 8.", 'NUM_NODES="${NUM_NODES:-4}"'),
        at="defaults to 8",
        says="it is 4",
    ),
    Case(
        "ENV-015", "behind-it", bare('N="${N:-4}"  # default: 8'), at="default: 8", says="it is 4"
    ),
    Case(
        "ENV-015",
        "in-brackets",
        bare("#   IMAGE_TAG (default: v1)", "IMAGE_TAG=${IMAGE_TAG:-v2}"),
        at="default: v1",
        says="IMAGE_TAG defaults to v1; it is v2",
    ),
    Case("ENV-015", "all-set-by-hand", document(f"{_BY_HAND}{_MM_DEFAULTS}")),
    Case(
        "ENV-015",
        "the-same",
        document(
            "# Default set in srun_aggregated.sh.\n# export NUM_NODES=4\n./srun_aggregated.sh"
        ),
    ),
    Case("ENV-015", "only-an-example", document("# export NUM_NODES=8\n./srun_aggregated.sh")),
    Case(
        "ENV-015",
        "another-script",
        document("# Defaults set in other.sh\n# export NUM_NODES=8\n./srun_aggregated.sh"),
    ),
    Case(
        "ENV-015",
        "far-away",
        document("# Default set in srun_aggregated.sh\n./srun_aggregated.sh\n# export NUM_NODES=8"),
    ),
    Case("ENV-015", "agrees", bare("# NUM_NODES defaults to 4.", 'NUM_NODES="${NUM_NODES:-4}"')),
    Case("ENV-015", "no-default-in-the-script", bare("# X defaults to 8", "X=4")),
    Case("ENV-015", "prose", bare("# By default N is unset. default: see below", 'N="${N:-4}"')),
]

_BENCH = "python3 -m sglang.bench_serving --backend sglang-oai-chat --model r1"
_LOOP = "for c in 1 2 4; do"
_LOCAL = {"MODEL_PATH": "/models/r1", "SERVED_MODEL_NAME": "r1", "HF_HUB_OFFLINE": "1"}
BENCHMARKS = [
    Case(
        "ENV-018",
        "one-file-for-all-levels",
        bare("set -e", _LOOP, f"  {_BENCH} --max-concurrency $c --output-file all.out", "done"),
        at="all.out",
        says="every round writes to all.out",
    ),
    Case(
        "ENV-018",
        "appended",
        bare("set -e", _LOOP, f"  {_BENCH} --max-concurrency $c >> all.out", "done"),
        at="all.out",
        says="result-${concurrency}.json",
    ),
    Case(
        "ENV-018",
        "nobody-checks",
        bare(_LOOP, f"  {_BENCH} --output-file $c.json", "done"),
        at="sglang.bench_serving",
        says="decides nothing",
    ),
    Case(
        "ENV-018",
        "no-tokenizer",
        script(_BENCH, **_LOCAL),
        at="--model r1",
        says="--tokenizer /models/r1",
    ),
    Case("ENV-018", "single-level-smoke", bare(f"{_BENCH} --output-file all.out")),
    Case("ENV-018", "one-file-each", bare("set -eu", _LOOP, f"  {_BENCH} >> run-$c.out", "done")),
    Case("ENV-018", "checked", bare(_LOOP, f"  {_BENCH} --output-file $c || exit 1", "done")),
    Case("ENV-018", "code-kept", bare(_LOOP, f"  {_BENCH}", '  [ "$?" = 0 ] || echo $?', "done")),
    Case("ENV-018", "tokenizer", script(f"{_BENCH} --tokenizer /models/r1", **_LOCAL)),
    Case("ENV-018", "hub-id", script(_BENCH.replace("r1", "nvidia/DeepSeek-R1-FP4"))),
    Case("ENV-018", "something-else", bare(_LOOP, "  echo sglang.bench_serving >> log", "done")),
]


CASES = [*SLEEPS, *COMMENTS, *BENCHMARKS]
