/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes and lookups within one process and one thread: no wire, no log.

       push_rows FILE OPTIMIZER RATE FOLDER IDS BATCH GRADIENTS [ROWS]

   FILE is a table; it is trained by OPTIMIZER, and FOLDER is where its first snapshot goes, as in
   the daemon's data folder (one that is there already is taken). IDS is a file of int64: batches of
   BATCH ids. GRADIENTS is a file of float32: one or more blocks of BATCH x dim, taken in turn. Each
   batch is one push, and its ids are looked up before it. Prints a line for every sixteen batches:
   microseconds for the lookups, for preparing the pushes, for gradients and steps, for marking what
   changed, for writing it, and the bytes that were written, all of one batch in the mean. With
   ROWS, the rows of the ids 0, 977, 1954, … go to that file at the end. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernels/kernels.h"
#include "storage/snapshot.h"
#include "table/optimizer_settings.h"
#include "table/training.h"

#define STEP 977 /* from one id to the next of those that are written out */
#define TURN 16  /* batches of lookups, then as many of pushes: neither finds its rows in a cache */

struct bytes_of {
    unsigned char *data;
    size_t size;
};

enum stage { LOOKUP, PREPARE, TAKE_STEP, MARK, WRITE, STAGES };

struct bench {
    struct table *table;
    struct training *training;
    struct bytes_of ids, gradients;
    size_t batch, batches, blocks;
    unsigned char *reply; /* of one lookup */
    double seconds[STAGES];
    uint64_t version;
};

static void check(enum status st, const struct error *e)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "push_rows: %s\n", e->text);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct bytes_of read_file(const char *path)
{
    struct bytes_of b = {0};
    struct stat st;
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fstat(fd, &st) < 0 || !st.st_size) {
        fprintf(stderr, "push_rows: cannot read %s\n", path);
        exit(1);
    }
    b.size = (size_t)st.st_size;
    b.data = mmap(NULL, b.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (b.data == MAP_FAILED)
        exit(1);
    close(fd);
    return b;
}

static void open_table(struct bench *b, const char *file, const char *optimizer, double rate,
                       const char *folder)
{
    const struct table_options from = {.memory = REGION_MAP}, own = {.memory = REGION_COPY};
    struct optimizer_settings settings;
    struct snapshot snapshot, *list = NULL;
    struct table *source;
    struct error e;
    size_t count;

    check(snapshot_list(&list, &count, folder, 1, &e), &e);
    if (count) {
        snapshot = list[0];
    } else {
        optimizer_settings_init(&settings);
        settings.optimizer = optimizer_find(optimizer, strlen(optimizer));
        settings.learning_rate = rate;
        if (!settings.optimizer)
            exit(2);
        check(table_open(&source, file, &from, &e), &e);
        check(snapshot_start(folder, source,
                             &(struct snapshot_start){.settings = &settings, .generation = 1},
                             &snapshot, &e),
              &e);
        table_close(source);
    }
    free(list);
    check(snapshot_open(&b->table, &snapshot, &own, &e), &e);
    check(training_new(&b->training, b->table, &e), &e);
}

static double lookup(struct bench *b, size_t batch, struct arena *arena)
{
    const struct lookup_query query = {.ids = b->ids.data + batch * b->batch * 8,
                                       .id_count = b->batch};
    struct lookup_scratch scratch = {0};
    struct lookup l;
    struct error e;
    double start = now();

    check(lookup_prepare(&l, b->table, &query, arena, &e), &e);
    check(lookup_scratch_grow(&scratch, b->table->dim, &e), &e);
    check(lookup_run(&l, 0, l.rows, b->reply, &scratch, &e), &e);
    start = now() - start;
    lookup_scratch_done(&scratch);
    arena_reset(arena);
    return start;
}

static void push(struct bench *b, size_t batch, struct arena *arena)
{
    const struct update_limits limits = {.max_norm = 1e6f};
    size_t bytes = b->batch * b->table->dim * sizeof(float), at;
    const struct update_query query = {.ids = b->ids.data + batch * b->batch * 8,
                                       .id_count = b->batch,
                                       .gradients =
                                           b->gradients.data + batch % b->blocks * bytes,
                                       .gradient_bytes = bytes};
    float rate = (float)training_settings(b->training)->learning_rate;
    struct error e;
    struct update u;
    double t[STAGES + 1];

    t[PREPARE] = now();
    check(update_prepare(&u, b->table, &query, 1, PUSH_REFUSE, &limits, arena, &at, &e), &e);
    check(training_reserve(b->training, &u, &e), &e);
    t[TAKE_STEP] = now();
    training_step(b->training, &u, rate, ++b->version);
    t[MARK] = now();
    training_mark(b->training);
    t[WRITE] = now();
    training_write(b->training);
    t[STAGES] = now();
    for (size_t i = PREPARE; i < STAGES; i++)
        b->seconds[i] += t[i + 1] - t[i];
    arena_reset(arena);
}

/* Batches [first, end). */
static void run_turn(struct bench *b, size_t first, size_t end, struct arena *arena)
{
    struct training_counts before, after;
    double batches = (double)(end - first);

    memset(b->seconds, 0, sizeof b->seconds);
    training_counts(b->training, &before);
    for (size_t i = first; i < end; i++)
        b->seconds[LOOKUP] += lookup(b, i, arena);
    for (size_t i = first; i < end; i++)
        push(b, i, arena);
    training_counts(b->training, &after);
    for (size_t i = 0; i < STAGES; i++)
        printf("%.3f ", b->seconds[i] * 1e6 / batches);
    printf("%.0f\n", (double)(after.changed_bytes - before.changed_bytes) / batches);
}

static void write_rows(const struct bench *b, const char *path)
{
    FILE *f = fopen(path, "wb");
    float row[65536];

    for (uint64_t id = 0; f && id < b->table->rows; id += STEP) {
        table_rows(b->table, &id, 1, row);
        if (fwrite(row, sizeof *row, b->table->dim, f) != b->table->dim)
            exit(1);
    }
    if (!f || fclose(f) != 0)
        exit(1);
}

int main(int argc, char **argv)
{
    struct bench b = {.table = NULL};
    struct arena arena;
    struct error e;

    if (argc < 8) {
        fprintf(stderr, "usage: push_rows FILE OPTIMIZER RATE FOLDER IDS BATCH GRADIENTS [ROWS]\n");
        return 2;
    }
    check(kernels_init(NULL, &e), &e);
    open_table(&b, argv[1], argv[2], strtod(argv[3], NULL), argv[4]);
    b.ids = read_file(argv[5]);
    b.gradients = read_file(argv[7]);
    b.batch = strtoul(argv[6], NULL, 10);
    b.batches = b.ids.size / 8 / b.batch;
    b.blocks = b.gradients.size / (b.batch * b.table->dim * sizeof(float));
    b.reply = malloc(b.batch * b.table->dim * sizeof(float));
    if (!b.blocks || !b.reply)
        return 2;
    arena_init(&arena, SIZE_MAX);
    for (size_t first = 0; first < b.batches; first += TURN)
        run_turn(&b, first, b.batches - first < TURN ? b.batches : first + TURN, &arena);
    arena_done(&arena);
    if (argc > 8)
        write_rows(&b, argv[8]);
    training_free(b.training);
    table_close(b.table);
    return 0;
}
