/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of every method to take snapshots of, and changes to them such as a writer makes. */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/memory.h"
#include "kernels/kernels.h"
#include "storage/snapshot.h"
#include "table/optimizer_settings.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define SCENE_TENSORS 6

/* A table file: dim 6, so that no tensor ends with a block. */
struct scene_table {
    const char *name, *method, *config, *rows, *fields;
    struct {
        const char *name;
        enum dtype dtype;
        unsigned rank;
        uint64_t shape[2];
    } tensor[SCENE_TENSORS];
};

#define SCENE_ROWS "300"
static const struct scene_table scene_tables[] = {
    {"full", "full", "{}", SCENE_ROWS, NULL, {{"weight", DT_F32, 2, {300, 6}}}},
    {"full_extras",
     "full",
     "{}",
     SCENE_ROWS,
     NULL,
     {{"weight", DT_F32, 2, {300, 6}},
      {"keys", DT_I64, 1, {300}},
      {"default", DT_F32, 1, {6}},
      {"frequency", DT_I64, 1, {300}}}},
    {"fp16", "fp16", "{}", SCENE_ROWS, NULL, {{"weight", DT_F16, 2, {300, 6}}}},
    {"bf16", "bf16", "{}", SCENE_ROWS, NULL, {{"weight", DT_BF16, 2, {300, 6}}}},
    {"int8_table",
     "int8",
     "{\"digit\":8,\"signed\":false,\"qparam\":\"table\",\"scale\":0.01}",
     SCENE_ROWS,
     NULL,
     {{"q", DT_U8, 2, {300, 6}}}},
    {"int8_row",
     "int8",
     "{\"digit\":8,\"signed\":true,\"qparam\":\"row\"}",
     SCENE_ROWS,
     NULL,
     {{"q", DT_I8, 2, {300, 6}}, {"qparams", DT_F32, 2, {300, 2}}}},
    {"int16_row",
     "int16",
     "{\"digit\":16,\"signed\":false,\"qparam\":\"row\"}",
     SCENE_ROWS,
     NULL,
     {{"q", DT_U16, 2, {300, 6}}, {"qparams", DT_F32, 2, {300, 2}}}},
    {"hash", "hash", "{}", SCENE_ROWS, NULL, {{"table", DT_F32, 2, {101, 6}}}},
    {"compo",
     "compo",
     "{\"collisions\":20,\"op\":\"mult\"}",
     SCENE_ROWS,
     NULL,
     {{"q.weight", DT_F32, 2, {15, 6}}, {"r.weight", DT_F32, 2, {20, 6}}}},
    {"fields",
     "hash",
     "{\"per_field\":[{},{\"method\":\"full\"},{}]}",
     SCENE_ROWS,
     "[200,70,30]",
     {{"f0.table", DT_F32, 2, {90, 6}},
      {"f1.weight", DT_F32, 2, {70, 6}},
      {"f2.table", DT_F32, 2, {9, 6}}}},
};
#define SCENE_TABLES (sizeof scene_tables / sizeof scene_tables[0])

static inline bool scene_ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n >= m && !strcmp(name + n - m, end);
}

/* A value that a table may hold there. */
static inline void scene_value(struct random *r, const char *name, enum dtype dtype, void *out)
{
    bool sign = !scene_ends(name, "qparams") && !scene_ends(name, ".sum") &&
                !scene_ends(name, ".v") && !scene_ends(name, "frequency");
    float x = (float)random_unit(r);
    uint64_t bits = random_u64(r);

    switch (dtype) {
    case DT_F32:
        x = sign && bits & 1 ? -x : x;
        memcpy(out, &x, sizeof x);
        break;
    case DT_F16: /* the exponent is not all ones */
        bits &= 0xbbff;
        memcpy(out, &bits, 2);
        break;
    case DT_BF16:
        bits &= 0xbfff;
        memcpy(out, &bits, 2);
        break;
    default:
        if (!sign)
            bits >>= 1;
        memcpy(out, &bits, dtype_size(dtype));
    }
}

static inline void scene_fill(struct random *r, struct tensor *t)
{
    size_t width = dtype_size(t->dtype);

    for (size_t i = 0; i < t->count; i++)
        if (!strcmp(t->name, "keys"))
            ((int64_t *)t->data)[i] = (int64_t)i * 7 - 30;
        else
            scene_value(r, t->name, t->dtype, (unsigned char *)t->data + i * width);
}

/* Write the file; `state` and `optimizer` may be NULL: a tensor with the shape of the first one,
   and embd.optimizer. */
static inline void scene_write(const char *path, const struct scene_table *s, struct random *r,
                               const char *state, const char *optimizer)
{
    struct metadata metadata[8] = {{"embd.version", "1"},      {"embd.method", s->method},
                                   {"embd.rows", s->rows},     {"embd.dim", "6"},
                                   {"embd.config", s->config}, {"foreign", "caf\xc3\xa9"}};
    struct tensor tensor[SCENE_TENSORS + 1] = {{0}};
    struct safetensors_writer w;
    size_t metadatas = 6, tensors = 0;
    struct error e;

    if (s->fields)
        metadata[metadatas++] = (struct metadata){"embd.fields", s->fields};
    if (optimizer)
        metadata[metadatas++] = (struct metadata){"embd.optimizer", optimizer};
    for (; tensors < SCENE_TENSORS && s->tensor[tensors].name; tensors++) {
        struct tensor *t = &tensor[tensors];

        *t = (struct tensor){.name = s->tensor[tensors].name,
                             .dtype = s->tensor[tensors].dtype,
                             .rank = s->tensor[tensors].rank,
                             .count = 1};
        for (unsigned i = 0; i < t->rank; i++)
            t->count *= (size_t)(t->shape[i] = s->tensor[tensors].shape[i]);
        t->bytes = t->count * dtype_size(t->dtype);
    }
    if (state) {
        tensor[tensors] = tensor[0];
        tensor[tensors].name = state;
        tensor[tensors].dtype = DT_F32;
        tensor[tensors].bytes = tensor[tensors].count * sizeof(float);
        tensors++;
    }
    assert_ok(safetensors_create(&w, path, metadata, metadatas, tensor, tensors, 0, &e), e);
    for (size_t i = 0; i < tensors; i++)
        scene_fill(r, &tensor[i]);
    assert_ok(safetensors_commit(&w, &e), e);
}

static inline struct table *scene_open(const char *path, enum region_mode memory)
{
    const struct table_options options = {.memory = memory};
    struct table *t = NULL;
    struct error e;

    assert_ok(table_open(&t, path, &options, &e), e);
    return t;
}

static inline struct optimizer_settings scene_settings(const char *optimizer)
{
    struct optimizer_settings s;

    optimizer_settings_init(&s);
    s.optimizer = optimizer_find(optimizer, strlen(optimizer));
    assert_non_null(s.optimizer);
    return s;
}

/* A table that is open for changes, and its folder of snapshots. */
struct scene {
    struct unit_folder folder;
    char name[128]; /* DATA_DIR/tables/T */
    struct random random;
    struct optimizer_settings settings;
    struct table *table;
    struct blocks *blocks;
    uint64_t version, lsn;
    struct snapshot newest[LINEAGES]; /* path "": none */
};

static inline void scene_begin(struct scene *s)
{
    struct error e;

    memset(s, 0, sizeof *s);
    unit_folder_make(&s->folder);
    snprintf(s->name, sizeof s->name, "%s/tables/T", s->folder.path);
    s->version = 10;
    s->lsn = 100;
    assert_ok(kernels_init(NULL, &e), e);
}

static inline void scene_close(struct scene *s)
{
    blocks_free(s->blocks);
    table_close(s->table);
    s->blocks = NULL;
    s->table = NULL;
}

static inline void scene_end(struct scene *s)
{
    scene_close(s);
    unit_folder_remove(&s->folder);
}

static inline struct table *scene_open_snapshot(const struct snapshot *snapshot)
{
    const struct table_options options = {.memory = REGION_COPY};
    struct table *t = NULL;
    struct error e;

    assert_ok(snapshot_open(&t, snapshot, &options, &e), e);
    return t;
}

/* Write a table's file, its first snapshot, and open that for changes. */
static inline void scene_start(struct scene *s, const struct scene_table *table,
                               const char *optimizer)
{
    const char *path = unit_path(&s->folder, "source");
    struct snapshot_start start = {
        .settings = &s->settings, .generation = 3, .version = s->version, .lsn = s->lsn};
    struct table *source;
    struct error e;

    s->settings = scene_settings(optimizer);
    scene_write(path, table, &s->random, NULL, NULL);
    source = scene_open(path, REGION_MAP);
    assert_ok(snapshot_start(s->name, source, &start, &s->newest[0], &e), e);
    table_close(source);
    s->table = scene_open_snapshot(&s->newest[0]);
    assert_ok(blocks_new(&s->blocks, s->table->region->data, s->table->region->size, &e), e);
}

/* One element gets another value. */
static inline void scene_change(struct scene *s)
{
    const struct header *h = &s->table->header;
    const struct file_tensor *ft;
    unsigned char value[8], *to;
    size_t width;

    do
        ft = &h->tensor[random_below(&s->random, h->tensor_count)];
    while (!strcmp(ft->tensor.name, "keys"));
    width = dtype_size(ft->tensor.dtype);
    to = s->table->region->data + (ft->offset - h->data_offset) +
         random_below(&s->random, ft->tensor.count) * width;
    scene_value(&s->random, ft->tensor.name, ft->tensor.dtype, value);
    blocks_keep(s->blocks, to, width);
    memcpy(to, value, width);
}

/* Changes go on while a snapshot is written. */
static inline bool scene_change_on(void *context, double done)
{
    (void)done;
    for (int i = 0; i < 5; i++)
        scene_change(context);
    return true;
}

/* One push that changes `n` elements. */
static inline void scene_push(struct scene *s, unsigned n)
{
    while (n--)
        scene_change(s);
    s->version++;
    s->lsn += 2;
    s->settings.step++;
}

/* The moment of a snapshot, its image begun; `copy`, if not NULL, gets the memory at that instant.
 */
static inline enum status scene_moment(struct scene *s, struct snapshot_moment *m, unsigned lineage,
                                       bool whole, unsigned char *copy, struct error *e)
{
    *m = (struct snapshot_moment){.table = s->table,
                                  .settings = &s->settings,
                                  .generation = 3,
                                  .version = s->version,
                                  .lsn = s->lsn,
                                  .lineage = lineage,
                                  .base = whole ? NULL : &s->newest[lineage],
                                  .context = s};
    if (copy)
        memcpy(copy, s->table->region->data, s->table->region->size);
    return image_begin(&m->image, s->blocks, lineage, whole, e);
}

/* Take a snapshot. */
static inline enum status scene_snapshot(struct scene *s, unsigned lineage, bool whole,
                                         unsigned char *copy,
                                         bool (*progress)(void *context, double done),
                                         struct error *e)
{
    struct snapshot_moment m;
    struct snapshot made;
    enum status st = scene_moment(s, &m, lineage, whole, copy, e);

    if (st != ST_OK)
        return st;
    m.progress = progress;
    st = snapshot_write(s->name, &m, &made, e);
    image_end(m.image, st == ST_OK);
    if (st == ST_OK)
        s->newest[lineage] = made;
    return st;
}

/* How many files the folder of snapshots holds. */
static inline size_t scene_files(const struct scene *s, const char *ending)
{
    char command[PATH_MAX + 64];
    size_t n = 0;
    FILE *list;

    snprintf(command, sizeof command, "find '%s' -type f -name '*%s' | wc -l", s->name, ending);
    list = popen(command, "r");
    assert_non_null(list);
    assert_int_equal(fscanf(list, "%zu", &n), 1);
    pclose(list);
    return n;
}

/* A table with a snapshot in each lineage, and changes since. */
static inline void scene_two(struct scene *s)
{
    struct error e;

    scene_begin(s);
    scene_start(s, &scene_tables[1], "rowwise_adagrad");
    scene_push(s, 4);
    assert_ok(scene_snapshot(s, 1, true, NULL, NULL, &e), e);
    scene_push(s, 4);
}

/* What was there before the snapshot that failed is all there is, and good. */
static inline void scene_expect_two(const struct scene *s)
{
    struct error e;

    assert_int_equal(scene_files(s, ""), 2);
    assert_ok(snapshot_verify(&s->newest[0], &e), e);
    assert_ok(snapshot_verify(&s->newest[1], &e), e);
}

/* A later try takes what an earlier one had begun. */
static inline void scene_expect_next(struct scene *s, bool whole)
{
    unsigned char *copy = malloc(s->table->region->size);
    struct table *t;
    struct error e;

    assert_ok(scene_snapshot(s, 0, whole, copy, NULL, &e), e);
    t = scene_open_snapshot(&s->newest[0]);
    assert_memory_equal(t->region->data, copy, t->region->size);
    table_close(t);
    free(copy);
}
