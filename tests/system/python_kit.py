# SPDX-License-Identifier: Apache-2.0
"""Finds the Python package: the one beside us, or with EMBD_PACKAGE=installed the one that the interpreter has."""
import os
import sys

from daemon import SOURCE

if os.environ.get("EMBD_PACKAGE") != "installed":
    sys.path.insert(0, str(SOURCE / "client/python"))

import embd  # noqa: E402

if os.environ.get("EMBD_PACKAGE") == "installed":
    assert not embd.__file__.startswith(str(SOURCE / "client")), embd.__file__
