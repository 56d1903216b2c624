"""The command that repeats one check."""

from __future__ import annotations

import shlex


def repeat_command(
    node_id: str, site: str, topology: str | None = None, fault: str | None = None
) -> str:
    """A shell command that runs just this check on that site.

    `topology` is the name or path where the user named one; `fault` the defect of a rehearsal.
    """
    words = ["pytest", node_id, "--site", site]
    if topology is not None:
        words += [f"--topology={topology}"]
    if fault:
        words += [f"--fault={fault}"]
    return shlex.join(words)
