# SPDX-License-Identifier: Apache-2.0
"""That of embd, as in configure.ac."""

__version__ = "0.1.0"
