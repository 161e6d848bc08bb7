# SPDX-License-Identifier: Apache-2.0
"""Client of embd, a daemon that serves and trains compressed embedding tables.

    import embd

    with embd.Client() as client:
        rows = client.lookup(embd.Lookup("words", [42, 4711])).results[0].values    # [2, dim]
        client.push(embd.Push("words", [42], gradients), trainer="job-7", sequence=1)
"""
from embd.client import Client
from embd.connection import Later
from embd.errors import (Aborted, AlreadyExists, Cancelled, DataLoss, DeadlineExceeded, Error, FailedPrecondition,
                         Internal, InvalidArgument, NotFound, OutOfRange, PermissionDenied, ResourceExhausted,
                         Unavailable, Unimplemented)
from embd.groups import GroupInfo, GroupTable
from embd.lookups import Found, Lookup, Rows
from embd.pusher import Pusher
from embd.pushes import Push, Pushed
from embd.tables import Description, Explained, SnapshotInfo, TableInfo, TensorInfo
from embd.version import __version__

__all__ = ["Aborted", "AlreadyExists", "Cancelled", "Client", "DataLoss", "DeadlineExceeded", "Description", "Error",
           "Explained", "FailedPrecondition", "Found", "GroupInfo", "GroupTable", "Internal", "InvalidArgument",
           "Later", "Lookup", "NotFound", "OutOfRange", "PermissionDenied", "Push", "Pushed", "Pusher",
           "ResourceExhausted", "Rows", "SnapshotInfo", "TableInfo", "TensorInfo", "Unavailable", "Unimplemented",
           "__version__"]
