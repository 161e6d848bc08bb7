/* SPDX-License-Identifier: Apache-2.0 */
/* Times the decoding of rows on one thread: tables by libembd, and the best that plain C could do.

       rows IDS              IDS: how many rows the tables have

   Says that it is ready, then reads a line for each thing to do, and answers it with a line:

       SUBJECT time SECONDS      nanoseconds a row, in batches of fresh random ids
       SUBJECT rows FILE         nothing; rows of the ids 0, 977, 1954, ... below IDS go to FILE

   SUBJECT is one of these, and is opened when it is first named:

       table:FILE            a table file, mapped
       copy:FILE             a table file, in memory on huge pages
       gather:FILE           a bare loop that asks for float32 rows ahead and copies them: on the
                             pages of the mapped file, with the best of several distances and caches
       gather-huge:FILE      the same in memory on huge pages
       sgemm:K,L,M,...       OpenBLAS: a batch times matrices K x L, L x M, ... */
#include <cblas.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "table/embd.h"

#define DIM 64
#define BATCH 4096
#define STEP 977 /* from one id to the next of those that are written out */
#define LAYERS_MOST 16
#define SUBJECTS_MOST 256

struct subject {
    char *name;
    void (*run)(const struct subject *s, const int64_t *ids, size_t n, float *out);
    embd_table *table;
    const float *array; /* gather */
    size_t ahead;
    bool second;                          /* into the second-level cache */
    size_t size[LAYERS_MOST + 1], layers; /* sgemm */
    float *matrix[LAYERS_MOST], *middle[2];
};

static int64_t id_count;
static uint64_t random_state[4] = {1, 2, 3, 4};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "rows: %s: %s\n", what, why);
    exit(1);
}

static void *memory(size_t bytes, int advice)
{
    size_t huge = (size_t)2 << 20, whole = (bytes + huge - 1) / huge * huge;
    char *p = mmap(NULL, whole + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        die("mmap", strerror(errno));
    p += huge - (uintptr_t)p % huge;
    madvise(p, whole, advice);
    return p;
}

/* ---- Ids: xoshiro256++ ---- */

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static uint64_t draw(void)
{
    uint64_t *s = random_state, result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static void draw_ids(int64_t *ids)
{
    for (size_t i = 0; i < BATCH; i++)
        ids[i] = (int64_t)((unsigned __int128)draw() * (uint64_t)id_count >> 64);
}

/* ---- What is timed ---- */

static void run_table(const struct subject *s, const int64_t *ids, size_t n, float *out)
{
    char error[EMBD_ERROR_MAX];

    if (embd_table_lookup(s->table, ids, n, out, NULL, error))
        die(s->name, error);
}

#define GATHER(LEVEL)                                                                              \
    for (size_t i = 0; i < n; i++) {                                                               \
        const float *next = s->array + ids[i + s->ahead < n ? i + s->ahead : n - 1] * DIM;         \
                                                                                                   \
        for (size_t line = 0; line < DIM; line += 16)                                              \
            __builtin_prefetch(next + line, 0, LEVEL);                                             \
        memcpy(out + i * DIM, s->array + ids[i] * DIM, DIM * sizeof *out);                         \
    }

static void run_gather(const struct subject *s, const int64_t *ids, size_t n, float *out)
{
    if (s->second)
        GATHER(2)
    else
        GATHER(3)
}

/* What goes into the first matrix stays: a product takes as long for any numbers. */
static void run_sgemm(const struct subject *s, const int64_t *ids, size_t n, float *out)
{
    const float *in = s->middle[1];

    (void)ids;
    for (size_t l = 0; l < s->layers; l++) {
        float *to = l + 1 == s->layers ? out : s->middle[l % 2];
        blasint rows = (blasint)n, k = (blasint)s->size[l], width = (blasint)s->size[l + 1];

        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, width, k, 1, in, k,
                    s->matrix[l], width, 0, to, width);
        in = to;
    }
}

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Nanoseconds a row; the drawing of ids does not count. */
static double measure(const struct subject *s, double seconds, float *out)
{
    double spent = 0, end = seconds_now() + seconds;
    int64_t ids[BATCH];
    size_t batches = 0;

    draw_ids(ids);
    s->run(s, ids, BATCH, out); /* warm */
    do {
        double start;

        draw_ids(ids);
        start = seconds_now();
        s->run(s, ids, BATCH, out);
        spent += seconds_now() - start;
        batches++;
    } while (seconds_now() < end);
    return spent * 1e9 / (double)(batches * BATCH);
}

/* ---- Opening ---- */

/* The array of a table of method full: its only tensor, behind the header. */
static void open_gather(struct subject *s, const char *path, bool huge, float *out)
{
    static const size_t distances[] = {6, 8, 12, 16, 24, 32, 48, 64};
    size_t bytes = (size_t)id_count * DIM * sizeof(float), ahead = 0;
    bool second = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    double best = 0;
    uint64_t header;
    struct stat st;
    const char *map;

    if (fd < 0 || fstat(fd, &st) < 0)
        die(path, strerror(errno));
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        die(path, strerror(errno));
    memcpy(&header, map, sizeof header);
    if ((uint64_t)st.st_size != sizeof header + header + bytes)
        die(path, "is no table of method full and this size");
    s->array = (const float *)(map + sizeof header + header);
    if (huge) {
        float *copy = memory(bytes, MADV_HUGEPAGE);

        memcpy(copy, s->array, bytes);
        s->array = copy;
    }
    s->run = run_gather;
    s->ahead = 1;
    measure(s, 0.2, out); /* touches the pages */
    for (size_t i = 0; i < 2 * sizeof distances / sizeof distances[0]; i++) {
        double ns;

        s->ahead = distances[i / 2];
        s->second = i % 2;
        ns = measure(s, 0.05, out);
        if (!ahead || ns < best) {
            ahead = s->ahead;
            second = s->second;
            best = ns;
        }
    }
    s->ahead = ahead;
    s->second = second;
    fprintf(stderr, "%s: %zu rows ahead, cache %d\n", s->name, ahead, 1 + second);
}

static void open_table(struct subject *s, const char *path, int mode)
{
    char error[EMBD_ERROR_MAX];

    if (embd_table_open(&s->table, path, mode, error))
        die(path, error);
    if (embd_table_rows(s->table) != (uint64_t)id_count || embd_table_dim(s->table) != DIM)
        die(path, "has another size");
    s->run = run_table;
}

static void open_sgemm(struct subject *s, const char *sizes)
{
    size_t widest = 0;

    for (char *end; *sizes && s->layers <= LAYERS_MOST; sizes = *end ? end + 1 : end)
        s->size[s->layers++] = strtoul(sizes, &end, 10);
    if (!s->layers || --s->layers < 1 || s->size[s->layers] > DIM)
        die(s->name, "is no list of sizes that ends with the columns");
    for (size_t l = 0; l <= s->layers; l++)
        widest = s->size[l] > widest ? s->size[l] : widest;
    for (size_t i = 0; i < 2; i++) {
        s->middle[i] = memory(BATCH * widest * sizeof(float), MADV_HUGEPAGE);
        for (size_t k = 0; k < BATCH * widest; k++)
            s->middle[i][k] = (float)(k % 7) - 3;
    }
    for (size_t l = 0; l < s->layers; l++) {
        size_t n = s->size[l] * s->size[l + 1];

        s->matrix[l] = memory(n * sizeof(float), MADV_HUGEPAGE);
        for (size_t k = 0; k < n; k++)
            s->matrix[l][k] = ((float)(k % 13) - 6) / (float)s->size[l];
    }
    s->run = run_sgemm;
}

static void subject_open(struct subject *s, const char *name, float *out)
{
    const char *what = strchr(name, ':');
    size_t kind = what ? (size_t)(what++ - name) : 0;

    s->name = strdup(name);
    if (kind == 5 && !memcmp(name, "table", kind))
        open_table(s, what, EMBD_MEMORY_MAP);
    else if (kind == 4 && !memcmp(name, "copy", kind))
        open_table(s, what, EMBD_MEMORY_COPY);
    else if (kind == 6 && !memcmp(name, "gather", kind))
        open_gather(s, what, false, out);
    else if (kind == 11 && !memcmp(name, "gather-huge", kind))
        open_gather(s, what, true, out);
    else if (kind == 5 && !memcmp(name, "sgemm", kind))
        open_sgemm(s, what);
    else
        die(name, "is nothing to measure");
}

static struct subject *subject_find(const char *name, float *out)
{
    static struct subject all[SUBJECTS_MOST];
    size_t i = 0;

    while (i < SUBJECTS_MOST && all[i].name && strcmp(all[i].name, name) != 0)
        i++;
    if (i == SUBJECTS_MOST)
        die(name, "is one too many");
    if (!all[i].name)
        subject_open(&all[i], name, out);
    return &all[i];
}

static void write_rows(const struct subject *s, const char *path, float *out)
{
    int64_t ids[BATCH];
    size_t n = 0;
    FILE *f;

    for (int64_t id = 0; id < id_count && n < BATCH; id += STEP)
        ids[n++] = id;
    s->run(s, ids, n, out);
    f = fopen(path, "wb");
    if (!f || fwrite(out, DIM * sizeof *out, n, f) != n || fclose(f))
        die(path, strerror(errno));
}

int main(int argc, char **argv)
{
    float *out = memory(BATCH * DIM * sizeof *out, MADV_HUGEPAGE);
    char line[4096], name[2048], what[8], with[2048];

    if (argc != 2 || (id_count = strtoll(argv[1], NULL, 10)) < 1)
        die("usage", "rows IDS");
    openblas_set_num_threads(1);
    memset(out, 0, BATCH * DIM * sizeof *out);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        struct subject *s;

        if (sscanf(line, "%2047s %7s %2047s", name, what, with) != 3)
            die(line, "is no line that this program knows");
        s = subject_find(name, out);
        if (!strcmp(what, "rows")) {
            write_rows(s, with, out);
            printf("\n");
        } else {
            printf("%.6g\n", measure(s, strtod(with, NULL), out));
        }
        fflush(stdout);
    }
    return 0;
}
