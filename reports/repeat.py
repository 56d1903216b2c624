"""The command that repeats one check."""

from __future__ import annotations

import shlex


def repeat_command(node_id: str, site: str, topology_path: str | None = None) -> str:
    """A shell command that runs just this check on that site.

    `topology_path` is given where the topology is the user's own file.
    """
    words = ["pytest", node_id, "--site", site]
    if topology_path is not None:
        words += [f"--topology={topology_path}"]
    return shlex.join(words)
