"""Cases of the ENV rules on commands: container options, assignments, exports, kills."""

from __future__ import annotations

from .cases import Case
from .launch_files import bare, document, exports, script

_NAMES = "ETCD_ENDPOINTS,NATS_SERVER,ENGINE_CONFIG"
_VALUES = "ETCD_ENDPOINTS=${ETCD_ENDPOINTS},NATS_SERVER=${NATS_SERVER},ENGINE_CONFIG=x"
_WORKER = "/mnt/multinode/start_trtllm_worker.sh"
_HEREDOC = """cat > notes.txt <<'EOF'
X = y
pkill srun
M=x srun ${M}
EOF"""

CONTAINER_ENV = [
    Case(
        "ENV-002",
        "values-as-in-a-guide",
        document(exports(), f'srun --mpi pmix \\\n  --container-env "{_VALUES}" \\\n  {_WORKER} &'),
        at="--container-env",
        says=f"--container-env {_NAMES}, with each of them exported",
    ),
    Case(
        "ENV-002",
        "says-what-arrives-corrupted",
        script(f'srun --container-env "A,NATS_SERVER=${{NATS_SERVER}}" {_WORKER}'),
        at="NATS_SERVER=",
        says="Pyxis takes all of NATS_SERVER=... for a name",
    ),
    Case("ENV-002", "one-word", bare("srun --container-env=A=1 hostname"), at="A=1", says="A is"),
    Case(
        "ENV-002", "in-a-directive", bare("#SBATCH --container-env=A=1", "srun hostname"), at="A=1"
    ),
    Case(
        "ENV-002",
        "in-an-array",
        bare("options=(", "  --label", '  --container-env "A=${A}"', ")", 'srun "${options[@]}" x'),
        at="--container-env",
        says="--container-env A,",
    ),
    Case("ENV-002", "names", script(f"srun --container-env {_NAMES} {_WORKER}")),
    Case("ENV-002", "names-in-one-word", script(f"srun --container-env={_NAMES} {_WORKER}")),
    Case("ENV-002", "export-of-slurm", bare("srun --export=ALL,A=1 --container-env A hostname")),
    Case("ENV-002", "option-of-the-program", bare("srun ./run.py --container-env A=1")),
    Case("ENV-002", "docker", bare("docker run -e A=1 --env B=2 image")),
]

PREFIXES = [
    Case(
        "ENV-003",
        "as-in-a-guide",
        document('DISAGGREGATION_MODE=prefill \\\nsrun \\\n  -J "job-${DISAGGREGATION_MODE}" x &'),
        at="job-${DISAGGREGATION_MODE}",
        says="export DISAGGREGATION_MODE=prefill on a line before",
    ),
    Case("ENV-003", "without-braces", bare('M=x srun "$M"'), at='"$M"', says="becomes nothing"),
    Case("ENV-003", "with-a-default", bare("M=x srun ${M:-none}"), at="${M:-none}"),
    Case("ENV-003", "inside-double-quotes", bare('M=x bash -c "echo ${M}"'), at="echo ${M}"),
    Case("ENV-003", "inside-a-substitution", bare("M=x srun $(name-of $M)"), at="$M"),
    Case(
        "ENV-003",
        "another-value-from-before",
        bare("M=a", "M=b srun ${M}"),
        at="M=b srun",
        says="it becomes what it was before",
    ),
    Case("ENV-003", "exported-earlier", bare("export M=x", "srun ${M}")),
    Case("ENV-003", "same-value-from-before", bare("export M=x", "M=x srun ${M}")),
    Case("ENV-003", "not-expanded-by-this-shell", bare("M=x bash -c 'echo ${M}'")),
    Case("ENV-003", "adds-to-itself", bare('PATH="$PATH:/opt/bin" srun "$PATH"')),
    Case("ENV-003", "of-a-loop", bare("for M in a b; do M=$M srun $M; done")),
    Case("ENV-003", "read", bare("read -r M", 'M=$(echo "$M") srun "$M"')),
    Case("ENV-003", "expanded-in-the-next-line", bare("A=1 B=2", 'echo "$A$B"')),
    Case("ENV-003", "two-assignments-and-a-command", bare("A=1 B=2 ; echo $A")),
    Case("ENV-003", "words-of-env", bare("env M=x srun --export ALL hostname")),
]

SPACES = [
    Case(
        "ENV-004",
        "export-as-in-a-guide",
        document("export NATS_SERVER = '<your-nats-server-address>' # starts with nats://"),
        at="export NATS_SERVER =",
        says="export NATS_SERVER='<your-nats-server-address>'",
    ),
    Case("ENV-004", "plain", bare("X = y"), at="X = y", says="a program called X"),
    Case("ENV-004", "two-of-them", bare('export A=1 B = "2"'), at="B =", says="export B="),
    Case("ENV-004", "nothing-behind-it", bare("export A ="), at="A =", says="export A="),
    Case("ENV-004", "in-a-function", bare("f() {", "  local name = x", "}"), at="local name"),
    Case(
        "ENV-004",
        "in-an-environment",
        {"launch.env": f"{exports()}MODALITY = text\n"},
        at="MODALITY = text",
        says="MODALITY=text",
    ),
    Case("ENV-004", "environment-of-something-else", {"app.env": "DEBUG = 1\nexport A=1\n"}),
    Case("ENV-004", "test", bare('[ "$X" = y ] && [[ $X = y ]] && test "$X" = y')),
    Case("ENV-004", "several-assignments", bare("export A=b C=d", "export E", "A= B=c run")),
    Case("ENV-004", "arguments-of-a-program", bare("expr A = B", "psql -c 'X = 1'", "let A = 1")),
    Case("ENV-004", "here-document", bare(_HEREDOC)),
    Case("ENV-004", "comment", bare("# export X = y", "echo X = y")),
    Case("ENV-004", "arithmetic", bare("((X = 1))", "for ((I = 0; I < 3; I++)); do x; done")),
    Case("ENV-004", "array", bare("A=(x = y)")),
]

_MODES = "--container-env ETCD_ENDPOINTS,DISAGGREGATION_STRATEGY"
EXPORTS = [
    Case(
        "ENV-006",
        "strategy-of-the-public-script",
        script(
            'DISAGGREGATION_STRATEGY="${DISAGGREGATION_STRATEGY:-x}"', f"srun {_MODES} {_WORKER}"
        ),
        at="DISAGGREGATION_STRATEGY=",
        says="export DISAGGREGATION_STRATEGY",
    ),
    Case(
        "ENV-006",
        "modality-before-the-launch",
        document("MODALITY=multimodal\n./srun_disaggregated.sh"),
        at="MODALITY=",
        says="srun_disaggregated.sh and its containers read it",
    ),
    Case(
        "ENV-006",
        "exported-by-itself",
        script("DISAGGREGATION_STRATEGY=x", "export DISAGGREGATION_STRATEGY", f"srun {_MODES} x"),
    ),
    Case("ENV-006", "in-front", script(f"DISAGGREGATION_STRATEGY=x srun {_MODES} {_WORKER}")),
    Case(
        "ENV-006",
        "everything-is-exported",
        script("set -a", "DISAGGREGATION_STRATEGY=x", f"srun {_MODES} {_WORKER}"),
    ),
    Case(
        "ENV-006",
        "with-the-export-option",
        script(
            "DISAGGREGATION_STRATEGY=x",
            f'srun --export "ALL,DISAGGREGATION_STRATEGY=x" {_MODES} {_WORKER}',
        ),
    ),
    Case(
        "ENV-006",
        "maybe-in-another-file",
        bare(". ./settings.sh", "DISAGGREGATION_STRATEGY=x", f"srun {_MODES} {_WORKER}"),
    ),
    Case("ENV-006", "for-this-shell-only", bare("N=4", 'srun --nodes "${N}" ./srun_aggregated.sh')),
]

KILLS = [
    Case("ENV-014", "as-in-a-guide", document("pkill srun"), at="pkill srun", says="scancel"),
    Case("ENV-014", "pattern", bare("pkill -f dynamo"), at="pkill -f dynamo", says="has that name"),
    Case("ENV-014", "killall", bare("killall -9 etcd || true"), at="killall -9"),
    Case("ENV-014", "in-a-trap", bare("trap 'pkill srun' EXIT"), at="trap"),
    Case(
        "ENV-014", "in-a-function", bare("stop() {", "  pkill -9 nats-server", "}"), at="pkill -9"
    ),
    Case("ENV-014", "on-another-host", bare("ssh node2 pkill -f trtllm"), at="ssh node2"),
    Case("ENV-014", "on-all-nodes", bare("srun --overlap pkill -9 python3"), at="srun --overlap"),
    Case(
        "ENV-014", "inside-a-text", bare("ssh node2 'cd /x && sudo killall python3'"), at="killall"
    ),
    Case("ENV-014", "ids-of-a-name", bare("kill -9 $(pgrep -f dynamo)"), at="pgrep -f"),
    Case("ENV-014", "ids-of-a-program", bare("kill `pidof etcd`"), at="pidof"),
    Case("ENV-014", "recorded-id", bare('scancel "${STEP_ID}"', "kill $PID", "kill %1 -- -$GROUP")),
    Case("ENV-014", "children-of-a-process", bare("pkill -P $$", "kill $(pgrep -P $PID)")),
    Case("ENV-014", "pid-file", bare("pkill -F /run/etcd.pid")),
    Case("ENV-014", "only-looks", bare("pkill -0 etcd && echo runs", "pgrep srun")),
    Case("ENV-014", "only-says-so", bare("echo 'pkill srun'", "# pkill srun", "man pkill")),
    Case("ENV-014", "children-in-a-trap", bare('trap "pkill -P $$" EXIT', "trap 'kill 0' TERM")),
    Case("ENV-014", "here-document", bare(_HEREDOC)),
]

CASES = [*CONTAINER_ENV, *PREFIXES, *SPACES, *EXPORTS, *KILLS]
