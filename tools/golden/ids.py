# SPDX-License-Identifier: Apache-2.0
"""The hash behind tables that take any id."""


def xxh64(key, seed):
    """XXH64 of the eight little-endian bytes of an integer."""
    m = (1 << 64) - 1
    p1, p2, p3, p4, p5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                          0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)

    def rotate(x, r):
        return ((x << r) | (x >> (64 - r))) & m

    h = (seed + p5 + 8) & m
    k = rotate(((key & m) * p2) & m, 31) * p1 & m
    h = (rotate(h ^ k, 27) * p1 + p4) & m
    h = ((h ^ (h >> 33)) * p2) & m
    h = ((h ^ (h >> 29)) * p3) & m
    return h ^ (h >> 32)
