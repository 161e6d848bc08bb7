/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that people write: "host:port", "[v6]:port", "unix:path". Parsing asks nobody. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define ADDRESS_HOST_MAX 255

struct address {
    char host[ADDRESS_HOST_MAX + 1]; /* without brackets; empty for a Unix socket */
    uint16_t port;                   /* 0: any free one */
    char path[108];                  /* of a Unix socket, as sun_path holds it; else empty */
};

/* ST_INVALID with a sentence that quotes the text. */
MUST_CHECK enum status address_parse(struct address *a, const char *text, struct error *e);
/* True if nobody but this machine can reach it: a Unix socket, 127.0.0.0/8, ::1 or "localhost". */
bool address_local(const struct address *a);
