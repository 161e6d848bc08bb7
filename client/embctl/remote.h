/* SPDX-License-Identifier: Apache-2.0 */
/* What the remote commands share: the connection to the daemon and unary calls with protobuf-c. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "client/embctl/command.h"
#include "client/embdclient.h"

struct remote {
    bool
        patient; /* set by the caller: for long work, no deadline unless the command line has one */
    embd_client *client;
    struct arena arena; /* the replies */
};

/* Prepare to talk to the daemon that the command line names; ST_INVALID for a bad address. */
MUST_CHECK enum status remote_open(struct remote *r, const struct arguments *a, struct error *e);
void remote_close(struct remote *r);
/* One call. `*reply` lives as long as the remote, or until the next remote_forget(). */
MUST_CHECK enum status remote_call(struct remote *r, const char *path,
                                   const ProtobufCMessage *request,
                                   const ProtobufCMessageDescriptor *kind, void *reply,
                                   struct error *e);
/* Give the memory of earlier replies back. */
void remote_forget(struct remote *r);
/* For commands of one call: all of the above; the error is printed. Returns EXIT_DONE with *reply,
   or the exit status. remote_close() in any case. */
int remote_ask(struct remote *r, const struct arguments *a, const char *path,
               const ProtobufCMessage *request, const ProtobufCMessageDescriptor *kind,
               void *reply);
