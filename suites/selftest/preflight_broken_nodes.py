"""Preflight records in which one thing is broken: network, shared memory, limits."""

from __future__ import annotations

from dataclasses import replace

from fixtures.model.node_report import (
    ClockOffset,
    HeadAddress,
    PortLook,
    ProcessLimits,
    Reach,
)

from .preflight_records import (
    WEIGHTS,
    Broken,
    at,
    port,
    reach,
    shm,
)

OLD_ETCD = '{"etcdserver":"3.5.1"}'

BROKEN: list[Broken] = [
    (
        "PRE-018",
        "the address of another node",
        at("gb01", head_address=HeadAddress("10.88.0.2", ("10.88.0.2",), False)),
        "is none of gb01",
    ),
    (
        "PRE-018",
        "loopback",
        at("gb01", head_address=HeadAddress("localhost", ("127.0.0.1",), True)),
        "127.0.0.1",
    ),
    (
        "PRE-018",
        "every address",
        at("gb01", head_address=HeadAddress("::", ("::",), True)),
        ":: means ::",
    ),
    (
        "PRE-018",
        "an unknown name",
        at("gb01", head_address=HeadAddress("hed", (), False, "Name or service not known")),
        "hed: Name or service not known",
    ),
    (
        "PRE-019",
        "an old etcd",
        port("gb01", PortLook(2379, "etcd", False, "in use", "pid 5 of bob: etcd", OLD_ETCD)),
        'which says: {"etcdserver"',
    ),
    (
        "PRE-020",
        "a firewall",
        reach("gb03", Reach(4222, "NATS", False, "timed out")),
        "gb03: timed out",
    ),
    (
        "PRE-021",
        "expert weights",
        at("gb02", shared_memory=shm(WEIGHTS)),
        "gb02: 1 file(s) of user bob",
    ),
    (
        "PRE-022",
        "a NIXL segment",
        at("gb02", shared_memory=shm(replace(WEIGHTS, name="nixl_7"))),
        "nixl_7",
    ),
    (
        "PRE-025",
        "a tiny /dev/shm",
        at("gb02", shared_memory=shm(size_mib=64, free_mib=64)),
        "gb02: 64 MiB",
    ),
    (
        "PRE-026",
        "a full /dev/shm",
        at("gb02", shared_memory=shm(free_mib=100)),
        "100 of 65536 MiB free",
    ),
    (
        "PRE-029",
        "a clock ahead",
        at("gb02", clock=ClockOffset("gb01", 9.0, 0.1)),
        "gb02 is 9.000 s ahead of gb01",
    ),
    (
        "PRE-029",
        "two clocks apart",
        lambda record: at("gb02", clock=ClockOffset("gb01", 1.5, 0.1))(
            at("gb03", clock=ClockOffset("gb01", -1.5, 0.1))(record)
        ),
        "gb02 is 3.000 s ahead of gb03",
    ),
    (
        "PRE-029",
        "a clock seen from afar",
        at("gb02", clock=None, at_s=1010.0),
        "gb02 is 9.500 s ahead",
    ),
    (
        "PRE-030",
        "few open files",
        at("gb02", limits=ProcessLimits(1024, 4096, None)),
        "1024 (hard limit 4096)",
    ),
    (
        "PRE-031",
        "little locked memory",
        at("gb02", limits=ProcessLimits(1048576, None, 8388608)),
        "8388608 bytes",
    ),
]
