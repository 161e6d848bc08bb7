# SPDX-License-Identifier: Apache-2.0
"""What can become of a call: one class for each gRPC status that embd uses."""
from __future__ import annotations

from typing import Optional


class Error(Exception):
    """A call failed. `status` is the name of a gRPC status, such as "NOT_FOUND", `details` the daemon's sentence, or
    what went wrong on the way. A status without a class of its own is an Error itself."""

    status: str = "UNKNOWN"

    def __init__(self, details: str, status: Optional[str] = None) -> None:
        super().__init__(details)
        self.details = details
        if status is not None:
            self.status = status

    def __str__(self) -> str:
        return f"{self.status}: {self.details}"

    def again(self, details: Optional[str] = None) -> Error:
        """Another one of the same kind, to be raised in another place."""
        return error_of(self.status, self.details if details is None else details)


class NotFound(Error):
    """No such table."""

    status = "NOT_FOUND"


class InvalidArgument(Error):
    """A rule was broken; the sentence names the item."""

    status = "INVALID_ARGUMENT"


class OutOfRange(Error):
    """An unknown id, where that is refused."""

    status = "OUT_OF_RANGE"


class FailedPrecondition(Error):
    """The table cannot be trained, or has no snapshots."""

    status = "FAILED_PRECONDITION"


class Aborted(Error):
    """A gap in a trainer's sequence: the sentence names the number that is expected."""

    status = "ABORTED"


class AlreadyExists(Error):
    """A sequence that was applied with another content; a name that is served."""

    status = "ALREADY_EXISTS"


class ResourceExhausted(Error):
    """Over a limit, or the disk is full. Nothing was applied."""

    status = "RESOURCE_EXHAUSTED"


class DataLoss(Error):
    """The table's file was damaged under the daemon."""

    status = "DATA_LOSS"


class Unavailable(Error):
    """embd is away, stopping, or cannot write its log. Whether a push was applied is not known: the same push may be
    sent again under the same number."""

    status = "UNAVAILABLE"


class DeadlineExceeded(Error):
    """No answer in time. Whether a push was applied is not known, as with Unavailable."""

    status = "DEADLINE_EXCEEDED"


class Cancelled(Error):
    """The call was cancelled, as by Client.close(). Whether a push was applied is not known, as with Unavailable."""

    status = "CANCELLED"


class Internal(Error):
    """An answer that cannot be understood. Whether a push was applied is not known, as with Unavailable."""

    status = "INTERNAL"


class PermissionDenied(Error):
    """Not allowed."""

    status = "PERMISSION_DENIED"


class Unimplemented(Error):
    """No such call: another server, or an older embd."""

    status = "UNIMPLEMENTED"


CLASSES: tuple[type[Error], ...] = (
    NotFound, InvalidArgument, OutOfRange, FailedPrecondition, Aborted, AlreadyExists, ResourceExhausted, DataLoss,
    Unavailable, DeadlineExceeded, Cancelled, Internal, PermissionDenied, Unimplemented)
_BY_STATUS = {one.status: one for one in CLASSES}


def error_of(status: str, details: str) -> Error:
    """The error of a status."""
    kind = _BY_STATUS.get(status)
    return kind(details) if kind else Error(details, status)
