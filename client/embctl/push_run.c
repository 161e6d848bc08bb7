/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes on a stream, several at a time. One thread. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/push.h"
#include "client/progress.h"

#define IN_FLIGHT 8
#define LOOK_MS 100       /* how often to look for Ctrl-C */
#define TIMEOUT_MS 10000  /* as that of the library */
#define LARGE (16u << 20) /* bytes of gradients for which --batch is worth a word */

/* Wait for an answer, but not longer than the user wants to. */
static enum status wait_for(const struct push_run *run, embd_client *client,
                            embd_push_stream *stream, struct error *e)
{
    int64_t limit_ms = run->timeout_ms ? run->timeout_ms : TIMEOUT_MS;
    uint64_t until_us = clock_now_us() + (uint64_t)limit_ms * 1000;
    char text[32];

    while (!embd_client_poll(client, LOOK_MS)) {
        if (interrupted())
            return error_set(e, ST_CANCELLED, "interrupted");
        if (clock_now_us() >= until_us)
            return error_set(e, ST_DEADLINE, "no answer within %s",
                             format_duration(text, (double)limit_ms * 1000));
    }
    return (enum status)embd_push_stream_next(stream, e->text);
}

static void note(struct push_run *run, const struct batch *b)
{
    run->done++;
    run->duplicates += b->result.duplicate != 0;
    run->skipped += b->result.skipped;
    run->admitted += b->result.admitted;
    run->version = b->push.version;
    run->lsn = b->result.lsn;
}

/* Whether a push that ended like this may be in the log nevertheless. */
static bool unsure(enum status st)
{
    return st == ST_UNAVAILABLE || st == ST_DEADLINE || st == ST_CANCELLED || st == ST_UNKNOWN ||
           st == ST_INTERNAL;
}

/* Say which push failed, and what to do about it. `sent`: it had been sent. */
static enum status explain(const struct push_run *run, bool sent, enum status st, struct error *e)
{
    size_t n = strlen(e->text), room = sizeof e->text - n;
    size_t first = run->done * run->batch, left = run->in->rows - first;
    char *end = e->text + n;

    if (sent && unsure(st) && run->trainer)
        snprintf(end, room,
                 "; whether it was applied is not known: the same command with --sequence %" PRIu64
                 " tells, and counts it once",
                 run->sequence);
    else if (sent && unsure(st))
        snprintf(end, room,
                 "; whether it was applied is not known, and without --trainer it may count twice "
                 "when pushed again");
    else if (run->done && run->trainer)
        snprintf(end, room,
                 "; %s before it %s applied, and once it is mended the same command with "
                 "--sequence %" PRIu64 " goes on",
                 run->done == 1 ? "the one" : "those", run->done == 1 ? "is" : "are",
                 run->sequence);
    else if (run->done)
        snprintf(end, room, "; %s before it %s applied", run->done == 1 ? "the one" : "those",
                 run->done == 1 ? "is" : "are");
    else if (st == ST_EXHAUSTED && run->batch >= run->in->rows &&
             (uint64_t)run->in->rows * run->in->dim * sizeof(float) > LARGE)
        snprintf(end, room, "; --batch pushes fewer rows at a time");
    if (run->pushes == 1)
        return st;
    return error_prefix(e, st, "push %zu of %zu, rows %zu to %zu", run->done + 1, run->pushes,
                        first, first + (left < run->batch ? left : run->batch) - 1);
}

static enum status push_next(struct push_run *run, embd_push_stream *stream, struct batch *b,
                             size_t number, struct error *e)
{
    size_t first = number * run->batch, left = run->in->rows - first;
    enum status st = batch_make(b, run->in, first, left < run->batch ? left : run->batch, e);

    run->options.sequence = run->trainer ? run->sequence + number : 0;
    if (st == ST_OK)
        st = (enum status)embd_push_stream_push(stream, &b->push, 1, &run->options, &b->result,
                                                e->text);
    return st;
}

/* Keep pushes on their way until all are answered or one fails. */
static enum status run_stream(struct push_run *run, embd_client *client, embd_push_stream *stream,
                              struct batch *batch, bool *sent, struct error *e)
{
    enum status failed = ST_OK, st = ST_OK; /* of what could not be sent; of what was */
    size_t next = 0;
    struct progress progress;
    struct error later;

    progress_start(&progress, "push", run->in->rows, "rows");
    while (run->done < run->pushes && st == ST_OK) {
        while (failed == ST_OK && next < run->pushes && next < run->done + IN_FLIGHT) {
            failed = push_next(run, stream, &batch[next % IN_FLIGHT], next, &later);
            next += failed == ST_OK;
        }
        if (run->done == next)
            break;
        st = wait_for(run, client, stream, e);
        if (st == ST_OK)
            note(run, &batch[run->done % IN_FLIGHT]);
        progress_show(&progress, (double)run->done / (double)run->pushes);
    }
    progress_end(&progress);
    *sent = st != ST_OK;
    if (st != ST_OK || failed == ST_OK)
        return st;
    *e = later;
    return failed;
}

enum status push_all(struct push_run *run, embd_client *client, struct error *e)
{
    struct batch batch[IN_FLIGHT] = {{.first = 0}};
    embd_push_stream *stream = NULL;
    bool sent = false;
    enum status st;

    run->pushes = run->in->rows ? (run->in->rows - 1) / run->batch + 1 : 1;
    run->options.trainer = run->trainer;
    st = (enum status)embd_push_stream_open(client, run->timeout_ms, &stream, e->text);
    if (st == ST_OK)
        st = run_stream(run, client, stream, batch, &sent, e);
    if (st == ST_OK)
        (void)embd_push_stream_close(stream, NULL); /* all of it was answered */
    else
        embd_push_stream_cancel(stream);
    for (size_t i = 0; i < IN_FLIGHT; i++)
        batch_done(&batch[i]);
    return st == ST_OK ? st : explain(run, sent, st, e);
}
