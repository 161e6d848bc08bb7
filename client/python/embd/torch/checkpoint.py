# SPDX-License-Identifier: Apache-2.0
"""The file of a checkpoint: what is not in embd. Written under another name and renamed when it is on disk."""
from __future__ import annotations

import os
import pathlib
from typing import Any, Callable, Optional, Union

import torch

Path = Union[str, pathlib.Path]
FORMAT, FLOAT = "embd checkpoint 1", "embd.float"
KEYS = {"format", "label", "lsn", "step", "extra", "model", "optimizer"}


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same with each part changed, from within."""
    if isinstance(value, dict):
        value = {key: _changed(one, change) for key, one in value.items()}
    elif type(value) in (list, tuple):
        value = type(value)(_changed(one, change) for one in value)
    return change(value)


def _packed(value: Any) -> Any:
    """PyTorch 1.13 reads no plain floats where it runs no code: they are written as texts."""
    return {FLOAT: value.hex()} if type(value) is float else value


def _unpacked(value: Any) -> Any:
    return float.fromhex(value[FLOAT]) if isinstance(value, dict) and list(value) == [FLOAT] else value


def state(label: str, lsn: int, model: Optional[torch.nn.Module], optimizer: Any, step: int, extra: Any
          ) -> dict[str, Any]:
    """What the file holds. `lsn` is that of the group of tables."""
    return {"format": FORMAT, "label": label, "lsn": lsn, "step": step, "extra": _changed(extra, _packed),
            "model": None if model is None else model.state_dict(),
            "optimizer": None if optimizer is None else _changed(optimizer.state_dict(), _packed)}


def write(path: Path, content: dict[str, Any]) -> None:
    """All of it, or the file as it was."""
    path = pathlib.Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(path: Path, label: str) -> dict[str, Any]:
    """What state() made. ValueError if it is none, or that of another label."""
    with open(path, "rb") as file:
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever a file can be
            words = str(error).splitlines() or [type(error).__name__]
            raise ValueError(f"{path} is no checkpoint: {words[0]}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or not KEYS <= content.keys():
        raise ValueError(f"{path} is no checkpoint of a session")
    if content["label"] != label:
        raise ValueError(f"{path} belongs to the checkpoint {content['label']}, not to {label}")
    content["extra"] = _changed(content["extra"], _unpacked)
    content["optimizer"] = _changed(content["optimizer"], _unpacked)
    return content


def load(content: dict[str, Any], model: Optional[torch.nn.Module], optimizer: Any) -> None:
    """Give model and optimizer the states that they had."""
    for name, one in (("model", model), ("optimizer", optimizer)):
        if one is not None and content[name] is None:
            raise ValueError(f"the checkpoint {content['label']} has no {name}")
    if model is not None:
        model.load_state_dict(content["model"])
    if optimizer is not None:
        optimizer.load_state_dict(content["optimizer"])
