/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of the HTTP address. The main thread's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct control;
struct evbuffer;

/* Whether the daemon does all of its work, and the sentences for /readyz, a line each. */
bool metrics_ready(struct evbuffer *out, const struct control *control);
/* Everything that is measured, in Prometheus' text format, version 0.0.4. */
void metrics_write(struct evbuffer *out, const struct control *control);

/* metrics_calls.c: the part that is about calls. */
void metrics_calls(struct evbuffer *out, const struct control *control);
/* metrics_training.c: pushes, snapshots, the log. */
void metrics_training(struct evbuffer *out, const struct control *control);

/* HELP and TYPE of a family of metrics; `name` without the "embd_" before it. */
void metrics_family(struct evbuffer *out, const char *name, const char *type, const char *help);
/* A family of one number. */
void metrics_whole(struct evbuffer *out, const char *name, const char *type, const char *help,
                   uint64_t value);
void metrics_real(struct evbuffer *out, const char *name, const char *type, const char *help,
                  double value);
