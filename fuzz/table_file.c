/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes -> table file. Whatever table_open() accepts must serve every row, in every format and
   pooling; and our writer must be able to write it so that it is accepted again and gives the same
   rows. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "table/explain.h"
#include "table/lookup.h"

#define ROWS_MOST 300 /* of the first and of the last rows each */
#define WORK_MOST 4000000 /* multiply-adds for them: a costly method decodes fewer */
#define FLOATS_MOST ((size_t)1 << 22)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good, const char *what, const struct error *e)
{
    if (good)
        return;
    fprintf(stderr, "%s: %s\n", what, e->text);
    abort();
}

static void start(void)
{
    static bool started;
    struct error e;

    if (started)
        return;
    region_init();
    must(kernels_init(NULL, &e) == ST_OK, "kernels", &e);
    started = true;
}

static int memory_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("table", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    return fd;
}

/* Row numbers from both ends of the table; ids are found again through them. */
static size_t choose_rows(const struct table *t, uint64_t *row)
{
    uint64_t most = t->work > WORK_MOST / ROWS_MOST ? WORK_MOST / t->work + 1 : ROWS_MOST;
    size_t n = 0;

    for (uint64_t i = 0; i < t->rows && i < most; i++)
        row[n++] = i;
    for (uint64_t i = t->rows > 2 * most ? t->rows - most : n; i < t->rows; i++)
        row[n++] = i;
    return n;
}

/* One lookup of all of them, as ids 0, 1, …, -1, in two bags and the rest. */
static void look_up(const struct table *t, const int64_t *ids, size_t n, enum pooling pooling,
                    enum vector_format format, bool weighted)
{
    const uint32_t offsets[] = {0, 0, (uint32_t)(n / 3), (uint32_t)n};
    float *weights = mem_zero(n, sizeof *weights);
    const struct lookup_query query = {.ids = ids,
                                       .id_count = n,
                                       .pooling = pooling,
                                       .offsets = offsets,
                                       .offset_count = pooling ? 4 : 0,
                                       .weights = weights,
                                       .weight_count = weighted ? n : 0,
                                       .format = format};
    struct lookup_scratch scratch = {0};
    struct arena arena;
    struct lookup l;
    struct error e;
    void *out;

    for (size_t i = 0; i < n; i++)
        weights[i] = (float)i - 1;
    arena_init(&arena, SIZE_MAX);
    must(lookup_prepare(&l, t, &query, &arena, &e) == ST_OK, "prepare", &e);
    out = mem_zero(l.rows, l.row_bytes);
    for (size_t done = 0, slice; done < l.rows; done += slice) {
        slice = lookup_slice(&l, done, 7);
        must(slice > 0 && slice <= l.rows - done, "slice", &e);
        must(lookup_run(&l, done, slice, (char *)out + done * l.row_bytes, &scratch, &e) == ST_OK,
             "run", &e);
    }
    mem_free(out);
    mem_free(weights);
    lookup_scratch_done(&scratch);
    arena_done(&arena);
}

static void look_up_all(const struct table *t)
{
    int64_t ids[2 * ROWS_MOST + 2];
    uint64_t row[2 * ROWS_MOST];
    size_t n = choose_rows(t, row);

    for (size_t i = 0; i < n; i++)
        ids[i] = (int64_t)row[i];
    ids[n++] = -1;
    ids[n++] = INT64_MIN;
    for (int format = FORMAT_F32; format <= FORMAT_INT8; format++) {
        look_up(t, ids, n, POOLING_NONE, (enum vector_format)format, false);
        look_up(t, ids, n, POOLING_SUM, (enum vector_format)format, true);
        look_up(t, ids, n, POOLING_MEAN, (enum vector_format)format, false);
    }
}

/* The first row, the last and no row: each is told with the values that a lookup has. */
static void explain(const struct table *t)
{
    const int64_t ids[] = {0, (int64_t)t->rows - 1, -1};

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct explained x;
        struct error e;

        must(table_explain(&x, t, ids[i], 1 << 16, &e) == ST_OK, "explain", &e);
        must(!x.known || x.facts.count > 0, "nothing explained", &e);
        explained_done(&x);
    }
}

/* The same tensors and metadata by our writer. The checksums go, since tensors may change places. */
static void write_again(const struct table *t, const char *path)
{
    size_t count = t->header.tensor_count, metadatas = 0;
    struct metadata *metadata = mem_zero(t->header.metadata_count, sizeof *metadata);
    struct tensor *tensor = mem_zero(count, sizeof *tensor);
    struct safetensors_writer w;
    struct error e;

    for (size_t i = 0; i < t->header.metadata_count; i++)
        if (strcmp(t->header.metadata[i].key, "embd.checksum") &&
            strcmp(t->header.metadata[i].key, "embd.header"))
            metadata[metadatas++] = t->header.metadata[i];
    for (size_t i = 0; i < count; i++)
        tensor[i] = t->header.tensor[i].tensor;
    must(safetensors_create(&w, path, metadata, metadatas, tensor, count, 0, &e) == ST_OK, "create",
         &e);
    for (size_t i = 0; i < count; i++)
        if (tensor[i].bytes)
            memcpy(tensor[i].data, table_tensor(t, &t->header.tensor[i]), tensor[i].bytes);
    must(safetensors_commit(&w, &e) == ST_OK, "commit", &e);
    mem_free(tensor);
    mem_free(metadata);
}

static void compare(const struct table *a, const struct table *b)
{
    const struct error e = {"the written table differs"};
    uint64_t row[2 * ROWS_MOST];
    size_t n = choose_rows(a, row);
    float *x, *y;

    must(a->rows == b->rows && a->dim == b->dim && a->method == b->method && a->ids == b->ids &&
             a->seed == b->seed && a->bytes == b->bytes && a->extra_bytes == b->extra_bytes,
         "compare", &e);
    must(!memcmp(a->fallback, b->fallback, a->dim * sizeof(float)), "default", &e);
    if (n * a->dim > FLOATS_MOST)
        return;
    x = mem_zero(n * a->dim, sizeof *x);
    y = mem_zero(n * a->dim, sizeof *y);
    table_rows(a, row, n, x);
    table_rows(b, row, n, y);
    must(!memcmp(x, y, n * a->dim * sizeof *x), "rows", &e);
    mem_free(x);
    mem_free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct table_options map = {.memory = REGION_MAP}, copy = {.memory = REGION_COPY};
    struct table *t = NULL, *other = NULL;
    struct error e, again;
    char path[64];
    int fd;

    start();
    fd = memory_file(data, size);
    if (table_open_fd(&t, fd, "input", &map, &e) != ST_OK) {
        must(!strncmp(e.text, "input: ", 7), "sentence", &e);
        must(table_open_fd(&other, fd, "input", &copy, &again) != ST_OK, "copy accepts", &e);
        must(!strcmp(e.text, again.text), "copy says other than map", &again);
        close(fd);
        return 0;
    }
    must(table_open_fd(&other, fd, "input", &copy, &e) == ST_OK, "copy refuses", &e);
    close(fd);
    compare(t, other);
    table_close(other);
    look_up_all(t);
    explain(t);
    snprintf(path, sizeof path, "/dev/shm/embd-fuzz-%ld", (long)getpid());
    write_again(t, path);
    must(table_open(&other, path, &map, &e) == ST_OK, "written table refused", &e);
    unlink(path);
    compare(t, other);
    table_close(other);
    table_close(t);
    return 0;
}
