/* SPDX-License-Identifier: Apache-2.0 */
/* How threads talk: a queue that many threads may send to and one thread reads. Sending never
   blocks for long and never fails: the node is part of what is sent, and sending moves its
   ownership. An eventfd becomes readable when something waits. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail, void *receiver); /* run by the reading thread; owns `mail` */
};

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first, **last;
    int fd; /* eventfd, readable while mail waits */
};

MUST_CHECK enum status mailbox_init(struct mailbox *m, struct error *e);
void mailbox_done(struct mailbox *m); /* mail still inside is delivered to nobody: drain it first */
void mailbox_send(struct mailbox *m, struct mail *mail);
/* Take all waiting mail and deliver it in the order of sending. Returns how many. */
size_t mailbox_deliver(struct mailbox *m, void *receiver);
/* Sleep until mail waits or `timeout_us` have passed (-1: for ever). False on time-out. For threads
   without an event loop. */
bool mailbox_wait(struct mailbox *m, int64_t timeout_us);
