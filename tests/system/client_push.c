/* SPDX-License-Identifier: Apache-2.0 */
/* The C client against a real daemon; client_push_test.py starts it and looks at the rows
   afterwards.

     client_push ADDRESS       tables "a" and "b", sgd, 64 rows of 8 columns, a version of 0

   Pushes number 1 to 60 of the trainer "c" go to both tables: each adds 1 to the rows (number % 64)
   and 63 of "a", and twice 1 to those of "b", by a rate of its own. */
#include <embdclient.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 64
#define DIM 8
#define PUSHES 60
enum { INVALID = 3, NOT_FOUND = 5, EXISTS = 6, PRECONDITION = 9, ABORTED = 10 };

static char error[EMBD_CLIENT_ERROR_MAX];
static embd_client *client;

#define CHECK(rule)                                                                                \
    do {                                                                                           \
        if (!(rule)) {                                                                             \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #rule, error);                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static const float rate = 1;
static float minus_one[2 * DIM], minus_two[2 * DIM];

struct step {
    int64_t ids[2];
    embd_push push[2];
    embd_push_options options;
    embd_push_result result;
};

static void make(struct step *s, uint64_t number)
{
    memset(s, 0, sizeof *s);
    s->ids[0] = (int64_t)(number % ROWS);
    s->ids[1] = ROWS - 1;
    s->push[0] =
        (embd_push){"a", s->ids, 2, .gradients = minus_one, .gradient_bytes = sizeof minus_one};
    s->push[1] =
        (embd_push){"b", s->ids, 2, .gradients = minus_two, .gradient_bytes = sizeof minus_two};
    s->options = (embd_push_options){.trainer = "c", .sequence = number, .learning_rate = &rate};
}

static uint64_t position(const char *trainer)
{
    uint64_t sequence = 999;

    CHECK(embd_client_position(client, trainer, &sequence, error) == 0);
    return sequence;
}

static float first_of(const char *table, int64_t id)
{
    float row[DIM];
    embd_lookup l = {table, &id, 1, .out = row, .out_bytes = sizeof row};

    CHECK(embd_client_lookup(client, &l, 1, NULL, error) == 0);
    return row[0];
}

/* Pushes on a stream, all on their way at once. */
static void push_all(void)
{
    static struct step step[PUSHES];
    embd_push_stream *stream;

    CHECK(embd_push_stream_open(client, 0, &stream, error) == 0);
    for (uint64_t n = 1; n <= PUSHES; n++) {
        struct step *s = &step[n - 1];

        make(s, n);
        CHECK(embd_push_stream_push(stream, s->push, 2, &s->options, &s->result, error) == 0);
    }
    for (uint64_t n = 1; n <= PUSHES; n++) {
        const struct step *s = &step[n - 1];

        CHECK(embd_push_stream_next(stream, error) == 0);
        CHECK(s->push[0].version == n && s->push[1].version == n);
        CHECK(!s->result.duplicate && !s->result.skipped);
        CHECK(n == 1 || s->result.lsn == step[n - 2].result.lsn + 1);
    }
    CHECK(embd_push_stream_close(stream, error) == 0);
    CHECK(position("c") == PUSHES);
    CHECK(first_of("a", ROWS - 1) == PUSHES && first_of("b", ROWS - 1) == 2 * PUSHES);
}

/* What was sent before, in calls and on a stream; and what must not be sent. */
static void push_again(void)
{
    embd_push_stream *stream;
    struct step s, gap;

    for (uint64_t n = PUSHES - 3; n <= PUSHES; n++) {
        make(&s, n);
        CHECK(embd_client_push(client, s.push, 2, &s.options, &s.result, error) == 0);
        CHECK(s.result.duplicate && s.push[0].version == n && s.push[1].version == n);
    }
    make(&s, PUSHES);
    s.ids[0]++;
    CHECK(embd_client_push(client, s.push, 2, &s.options, NULL, error) == EXISTS);
    make(&s, PUSHES + 2);
    CHECK(embd_client_push(client, s.push, 2, &s.options, NULL, error) == ABORTED);
    CHECK(strstr(error, "61"));

    CHECK(embd_push_stream_open(client, 0, &stream, error) == 0);
    make(&s, PUSHES);
    make(&gap, PUSHES + 2);
    CHECK(embd_push_stream_push(stream, s.push, 2, &s.options, &s.result, error) == 0);
    CHECK(embd_push_stream_push(stream, gap.push, 2, &gap.options, NULL, error) == 0);
    CHECK(embd_push_stream_next(stream, error) == 0 && s.result.duplicate);
    CHECK(embd_push_stream_next(stream, error) == ABORTED && strstr(error, "61"));
    CHECK(embd_push_stream_close(stream, error) == ABORTED);
    CHECK(position("c") == PUSHES && first_of("a", ROWS - 1) == PUSHES);
}

static void push_what_is_refused(void)
{
    const int64_t unknown[] = {1, ROWS};
    const float infinite = 1e38f * 10;
    struct step s;

    make(&s, PUSHES + 1);
    s.push[1].table = "nope";
    CHECK(embd_client_push(client, s.push, 2, &s.options, NULL, error) == NOT_FOUND);
    s.push[1].table = "plain";
    CHECK(embd_client_push(client, s.push, 2, &s.options, NULL, error) == PRECONDITION);
    make(&s, PUSHES + 1);
    s.push[1].gradient_bytes -= 4;
    CHECK(embd_client_push(client, s.push, 2, &s.options, NULL, error) == INVALID);
    s.options.learning_rate = &infinite;
    CHECK(embd_client_push(client, s.push, 1, &s.options, NULL, error) == INVALID);
    s.options = (embd_push_options){.unknown = EMBD_UNKNOWN_SKIP};
    s.push[0].ids = unknown;
    s.options.learning_rate = &(const float){0};
    CHECK(embd_client_push(client, s.push, 1, &s.options, &s.result, error) == 0);
    CHECK(s.result.skipped == 1 && s.push[0].version == PUSHES + 1);
    CHECK(first_of("a", ROWS - 1) == PUSHES); /* a rate of zero changes nothing */
}

static void save_and_restore(void)
{
    embd_snapshot snapshot;
    uint64_t now;
    struct step s;

    CHECK(embd_client_save(client, "a", -1, &snapshot, error) == 0);
    CHECK(snapshot.version == PUSHES + 1 && snapshot.bytes && snapshot.time_us && snapshot.lsn);
    make(&s, PUSHES + 1);
    CHECK(embd_client_push(client, s.push, 2, &s.options, NULL, error) == 0);
    CHECK(first_of("a", ROWS - 1) == PUSHES + 1);
    CHECK(embd_client_restore(client, "a", 0, -1, &now, error) == 0);
    CHECK(now == PUSHES + 3);
    CHECK(first_of("a", ROWS - 1) == PUSHES && first_of("b", ROWS - 1) == 2 * (PUSHES + 1));
    CHECK(embd_client_save(client, "plain", -1, NULL, error) == PRECONDITION);
    CHECK(embd_client_restore(client, "plain", 0, -1, NULL, error) == PRECONDITION);
    CHECK(embd_client_restore(client, "a", 12345, -1, NULL, error) == NOT_FOUND);
    CHECK(position("c") == PUSHES + 1);
}

static void forget(void)
{
    uint64_t sequence;

    CHECK(embd_client_forget(client, "c", &sequence, error) == 0 && sequence == PUSHES + 1);
    CHECK(position("c") == 0);
    CHECK(embd_client_forget(client, "c", NULL, error) == NOT_FOUND);
    CHECK(embd_client_position(client, "bad name", &sequence, error) == INVALID);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    for (int i = 0; i < 2 * DIM; i++) {
        minus_one[i] = -1;
        minus_two[i] = -2;
    }
    CHECK(embd_client_open(&client, argv[1], NULL, error) == 0);
    CHECK(position("c") == 0);
    push_all();
    push_again();
    push_what_is_refused();
    save_and_restore();
    forget();
    embd_client_close(client);
    return 0;
}
