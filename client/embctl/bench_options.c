/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `embctl bench`, as data and as a plan. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/address.h"
#include "client/embctl/bench.h"
#include "client/embctl/print.h"

#define SECONDS_MAX 1e6
#define CALLS_MAX 1e12
#define SLOTS_MAX (1u << 20) /* calls in flight */
#define TIMEOUT_MS_MAX INT64_C(86400000)

const struct option_decl bench_option_list[BENCH_OPTIONS] = {
    {"table", 'T', "TABLE", "a table that every request asks; repeat it for several"},
    {"ids", 'n', "N", "ids of each table in a request (64)"},
    {"distribution", 'd', "LAW", "uniform, or zipf or zipf:S with the exponent S (uniform; S = 1)"},
    {"trace", 0, "FILE", "take ids from a .npy file in its order; one for all tables or one each"},
    {"bags", 'b', "LEN", "pool the ids in bags of LEN, or of MIN-MAX"},
    {"pooling", 'p', "HOW", "none, sum or mean (sum with --bags; one bag without)"},
    {"format", 'f', "FORMAT", "of the rows: f32, f16, bf16 or int8 (f32)"},
    {"connections", 'c', "N", "connections over all threads (one a thread)"},
    {"streams", 'm', "N", "calls in flight on each connection (1; 100 with --rate)"},
    {"threads", 0, "N", "threads that make the load (1)"},
    {"rate", 'r', "R", "open loop: R calls a second, whatever the answers (closed loop)"},
    {"poisson", 0, NULL, "open loop: at random times, as many independent callers would"},
    {"seconds", 0, "S", "how long to measure (10)"},
    {"calls", 0, "N", "how many calls to measure, instead of a time"},
    {"warmup", 0, "S", "seconds of load before that (1; 0 with --calls)"},
    {"rows", 0, "N", "rows of the tables, instead of asking the server"},
    {"dim", 0, "D", "columns of the tables, instead of asking the server"},
    {"seed", 0, "N", "of the ids and of Poisson's times (1)"},
    {"server-pid", 0, "PID",
     "the server's process, to show its CPU time (known over Unix sockets)"},
};

const char *const bench_formats[4] = {"f32", "f16", "bf16", "int8"};
const char *const bench_poolings[3] = {"none", "sum", "mean"};

/* These read one option, if it was given; a bad value is a usage error and ends in `failed`. */
struct reader {
    const struct arguments *a;
    int failed; /* -1: not */
};

static uint64_t read_count(struct reader *r, const char *name, uint64_t fallback, uint64_t least,
                           uint64_t most)
{
    const char *text = option_value(r->a, name);
    uint64_t n;

    if (!text || r->failed >= 0)
        return fallback;
    if (!parse_u64(text, strlen(text), &n) || n < least || n > most) {
        r->failed =
            usage_error(r->a, "--%s: %s is no number from %s to %s", name, QUOTE(text),
                        format_count((char[32]){0}, least), format_count((char[32]){0}, most));
        return fallback;
    }
    return n;
}

static double read_real(struct reader *r, const char *name, double fallback, double least,
                        double most)
{
    const char *text = option_value(r->a, name);
    double x;

    if (!text || r->failed >= 0)
        return fallback;
    if (!parse_double(text, &x) || x < least || x > most) {
        r->failed = usage_error(r->a, "--%s: %s is no number from %g to %g", name, QUOTE(text),
                                least, most);
        return fallback;
    }
    return x;
}

static uint32_t read_word(struct reader *r, const char *name, uint32_t fallback,
                          const char *const *word, uint32_t count)
{
    const char *text = option_value(r->a, name);

    if (!text || r->failed >= 0)
        return fallback;
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(word[i], text))
            return i;
    r->failed = usage_error(r->a, "--%s: %s is none of %s … %s", name, QUOTE(text), word[0],
                            word[count - 1]);
    return fallback;
}

static void read_distribution(struct reader *r, struct load_plan *plan)
{
    const char *text = option_value(r->a, "distribution");

    plan->exponent = 1;
    if (!text || !strcmp(text, "uniform"))
        return;
    plan->distribution = IDS_ZIPF;
    if (!strcmp(text, "zipf") ||
        (!strncmp(text, "zipf:", 5) && parse_double(text + 5, &plan->exponent) &&
         plan->exponent > 0 && plan->exponent <= ZIPF_EXPONENT_MAX))
        return;
    r->failed =
        usage_error(r->a, "--distribution: %s is neither uniform nor zipf nor zipf:S, S up to %g",
                    QUOTE(text), ZIPF_EXPONENT_MAX);
}

/* "LEN" or "MIN-MAX". */
static void read_bags(struct reader *r, struct load_plan *plan)
{
    const char *text = option_value(r->a, "bags"), *dash = text ? strchr(text, '-') : NULL;
    uint64_t least, most;

    plan->bag_min = plan->bag_max = plan->ids ? plan->ids : 1;
    if (!text || r->failed >= 0)
        return;
    if (!parse_u64(text, dash ? (size_t)(dash - text) : strlen(text), &least) ||
        !parse_u64(dash ? dash + 1 : text, strlen(dash ? dash + 1 : text), &most) || least < 1 ||
        most < least || most > LOAD_IDS_MAX) {
        r->failed = usage_error(r->a, "--bags: %s is neither LEN nor MIN-MAX", QUOTE(text));
        return;
    }
    if (!plan->pooling) {
        r->failed = usage_error(r->a, "--bags and --pooling none exclude each other");
        return;
    }
    plan->bag_min = (uint32_t)least;
    plan->bag_max = (uint32_t)most;
}

static void read_tables(struct reader *r, struct bench *b)
{
    uint64_t rows = read_count(r, "rows", 0, 1, INT64_MAX);
    uint64_t dim = read_count(r, "dim", 0, 1, 65536);
    size_t n = 0;

    while (option_nth(r->a, "table", n))
        n++;
    if (!n && r->failed < 0)
        r->failed = usage_error(r->a, "which --table?");
    if (n > LOAD_TABLES_MAX && r->failed < 0)
        r->failed = usage_error(r->a, "more than %d tables", LOAD_TABLES_MAX);
    if (r->failed >= 0)
        return;
    b->table = need_zero(n, sizeof *b->table);
    b->plan.table = b->table;
    b->plan.tables = n;
    for (size_t i = 0; i < n && r->failed < 0; i++) {
        const char *name = option_nth(r->a, "table", i);

        b->table[i] = (struct load_table){.name = name, .rows = rows, .dim = (uint32_t)dim};
        if (!table_name_valid(name, strlen(name)))
            r->failed = usage_error(r->a, "--table: %s is no table's name", QUOTE(name));
    }
}

static void read_pace(struct reader *r, struct load_plan *plan)
{
    bool by_calls = option_value(r->a, "calls") != NULL;
    double seconds = read_real(r, "seconds", by_calls ? 0 : 10, 0.001, SECONDS_MAX);
    int64_t timeout_ms = r->a->timeout_ms ? r->a->timeout_ms : 10000;

    plan->rate = read_real(r, "rate", 0, 1e-6, 1e9);
    plan->poisson = option_value(r->a, "poisson") != NULL;
    plan->duration_ns = (uint64_t)(seconds * 1e9);
    plan->calls = read_count(r, "calls", 0, 1, (uint64_t)CALLS_MAX);
    plan->warmup_ns = (uint64_t)(read_real(r, "warmup", by_calls ? 0 : 1, 0, SECONDS_MAX) * 1e9);
    plan->timeout_ns = (uint64_t)timeout_ms * 1000000;
    plan->threads = (unsigned)read_count(r, "threads", 1, 1, LOAD_THREADS_MAX);
    plan->connections = read_count(r, "connections", plan->threads, plan->threads, SLOTS_MAX);
    plan->streams = read_count(r, "streams", plan->rate > 0 ? 100 : 1, 1, SLOTS_MAX);
    if (r->failed >= 0)
        return;
    if (plan->poisson && plan->rate == 0)
        r->failed = usage_error(r->a, "--poisson goes with --rate");
    else if (timeout_ms > TIMEOUT_MS_MAX)
        r->failed = usage_error(r->a, "--timeout: a call may take a day at most");
    else if (plan->connections * plan->streams > SLOTS_MAX)
        r->failed = usage_error(r->a, "more than %s calls in flight",
                                format_count((char[32]){0}, SLOTS_MAX));
}

int bench_options(struct bench *b, const struct arguments *a)
{
    struct reader r = {a, -1};
    struct load_plan *plan = &b->plan;

    *b = (struct bench){0};
    plan->server = a->server ? a->server : secure_getenv("EMBD_SERVER");
    if (!plan->server)
        plan->server = ADDRESS_DEFAULT;
    plan->ids = (uint32_t)read_count(&r, "ids", 64, 0, LOAD_IDS_MAX);
    plan->format = read_word(&r, "format", 0, bench_formats, 4);
    plan->pooling = read_word(&r, "pooling", option_value(a, "bags") ? 1 : 0, bench_poolings, 3);
    plan->seed = read_count(&r, "seed", 1, 0, UINT64_MAX);
    plan->server_pid = (int)read_count(&r, "server-pid", 0, 1, INT32_MAX);
    read_distribution(&r, plan);
    read_bags(&r, plan);
    read_tables(&r, b);
    read_pace(&r, plan);
    return r.failed;
}

void bench_done(struct bench *b)
{
    for (size_t i = 0; i < b->traces; i++)
        npy_close(&b->trace[i]);
    mem_free(b->trace);
    mem_free(b->table);
}
