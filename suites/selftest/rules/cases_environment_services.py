"""Cases of the ENV rules on services, and on how processes reach each other."""

from __future__ import annotations

from .cases import Case, pair
from .launch_files import ONE_NODE, bare, document, env, script

_UCX, _NIXL = "TRTLLM_USE_UCX_KVCACHE", "TRTLLM_USE_NIXL_KVCACHE"
_LISTEN = "etcd --listen-client-urls http://0.0.0.0:2379"
_TWO = "salloc --nodes 2"

ENDPOINTS = [
    Case(
        "ENV-008",
        "nats-without-scheme",
        env(NATS_SERVER="10.0.0.1:4222"),
        at="NATS_SERVER=",
        says="nats://10.0.0.1:4222",
    ),
    Case(
        "ENV-008",
        "nats-without-scheme-of-a-variable",
        document('export NATS_SERVER="${HEAD_NODE_IP}:4222"'),
        at="NATS_SERVER=",
        says="nats://${HEAD_NODE_IP}:4222",
    ),
    Case(
        "ENV-008",
        "nats-on-localhost",
        env(NATS_SERVER="nats://localhost:4222"),
        at="NATS_SERVER=",
        says="NATS_SERVER=nats://10.0.0.1:4222",
    ),
    Case(
        "ENV-008",
        "etcd-on-localhost",
        env(ETCD_ENDPOINTS="http://127.0.0.1:2379"),
        at="ETCD_ENDPOINTS=",
        says="ETCD_ENDPOINTS=10.0.0.1:2379",
    ),
    Case("ENV-008", "etcd-without-scheme", env()),
    Case("ENV-008", "single-node", env(ETCD_ENDPOINTS="localhost:2379", **ONE_NODE)),
    Case("ENV-008", "whole-url-in-a-variable", env(NATS_SERVER="${NATS_URL}")),
    Case("ENV-008", "several-servers", env(NATS_SERVER="nats://a:4222,nats://b:4222")),
    Case("ENV-008", "placeholder", document("export NATS_SERVER='<your-nats-server-address>'")),
    Case("ENV-008", "number-of-nodes-unknown", bare("export ETCD_ENDPOINTS=localhost:2379")),
]

ETCD = [
    Case("ENV-009", "bare", script("etcd &"), at="etcd &", says="http://localhost:2379"),
    Case(
        "ENV-009",
        "listens-but-advertises-localhost",
        bare(_TWO, f"{_LISTEN} --advertise-client-urls=http://127.0.0.1:2379 &"),
        at="advertise",
        says="on every other node that is the node itself",
    ),
    Case(
        "ENV-009",
        "anywhere-is-no-address",
        bare(f"{_LISTEN} \\", "  --advertise-client-urls http://0.0.0.0:2379 &"),
        at="--advertise",
        says="which is no address to connect to",
    ),
    Case(
        "ENV-009",
        "advertises-its-address",
        script(f"{_LISTEN} --advertise-client-urls http://${{HEAD_NODE_IP}}:2379 &"),
    ),
    Case(
        "ENV-009",
        "address-from-the-environment",
        script(f"{_LISTEN} &", ETCD_ADVERTISE_CLIENT_URLS="http://10.0.0.1:2379"),
    ),
    Case(
        "ENV-009",
        "placeholder",
        bare(_TWO, f"{_LISTEN} --advertise-client-urls http://<head-node-ip>:2379"),
    ),
    Case("ENV-009", "config-file", script("etcd --config-file /etc/etcd.yaml &")),
    Case("ENV-009", "single-node", bare("salloc --nodes 1", "etcd &")),
    Case("ENV-009", "number-of-nodes-unknown", bare("etcd &")),
    Case("ENV-009", "its-client", script("etcdctl get /")),
]

TRANSPORTS = [
    Case(
        "ENV-010",
        "two-at-once",
        env(**{_UCX: "1", _NIXL: "1"}),
        at=_UCX,
        says=f"keep {_NIXL}=1 alone",
    ),
    Case(
        "ENV-010",
        "ucx-on-prefill-only",
        pair(roles__prefill__environment={_UCX: "1"}),
        at=_UCX,
        says=f"prefill: {_UCX}=1, decode: none",
    ),
    Case(
        "ENV-010",
        "in-front-of-one-step",
        script(
            f"{_UCX}=1 DISAGGREGATION_MODE=prefill srun /mnt/multinode/start_trtllm_worker.sh &",
            "DISAGGREGATION_MODE=decode srun /mnt/multinode/start_trtllm_worker.sh &",
        ),
        at=f"{_UCX}=1",
        says=f"{_UCX}=1 for decode as well",
    ),
    Case("ENV-010", "one-for-all", env(**{_UCX: "1"})),
    Case("ENV-010", "the-other-is-off", env(**{_UCX: "1", _NIXL: "0"})),
    Case("ENV-010", "none", env()),
]

PLANES = [
    Case(
        "ENV-017",
        "tcp-and-nats",
        pair(planes={"request": "tcp"}, roles__decode__flags={"request-plane": "nats"}),
        at="request-plane: nats",
        says="decode: nats",
    ),
    Case(
        "ENV-017",
        "tcp-and-nats-in-environments",
        pair(
            roles__prefill__environment={"DYN_EVENT_PLANE": "zmq"},
            roles__decode__environment={"DYN_EVENT_PLANE": "nats"},
        ),
        at="DYN_EVENT_PLANE: nats",
        says="prefill: zmq, decode: nats",
    ),
    Case(
        "ENV-017",
        "two-commands",
        bare(
            "python3 -m dynamo.frontend --request-plane=tcp &",
            "python3 -m dynamo.trtllm --request-plane nats",
        ),
        at="dynamo.trtllm",
        says="dynamo.frontend: tcp, dynamo.trtllm: nats",
    ),
    Case(
        "ENV-017",
        "response-planes-since-1.6",
        pair(
            versions={"dynamo": "1.6.0"},
            roles__prefill__flags={"response-plane": "tcp"},
            roles__decode__flags={"response-plane": "quic"},
        ),
        at="response-plane: quic",
        says="decode: quic",
    ),
    Case(
        "ENV-017",
        "response-planes-before",
        pair(
            versions={"dynamo": "1.5.0"},
            roles__prefill__flags={"response-plane": "tcp"},
            roles__decode__flags={"response-plane": "quic"},
        ),
    ),
    Case("ENV-017", "nats-set-and-not-used", env(DYN_REQUEST_PLANE="tcp")),
    Case("ENV-017", "one-says-nothing", pair(roles__prefill__flags={"request-plane": "tcp"})),
]


CASES = [*ENDPOINTS, *ETCD, *TRANSPORTS, *PLANES]
