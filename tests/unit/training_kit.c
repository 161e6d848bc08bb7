/* SPDX-License-Identifier: Apache-2.0 */
/* See training_kit.h. */
#include "tests/unit/training_kit.h"

#include "base/memory.h"
#include "table/create.h"
#include "table/optimizer_settings.h"
#include "table/safetensors.h"

static struct table *open_file(const char *path, enum region_mode memory)
{
    const struct table_options options = {.memory = memory};
    struct table *t = NULL;
    struct error e;

    assert_ok(table_open(&t, path, &options, &e), e);
    return t;
}

struct table *kit_table_file(struct unit_folder *folder, const char *name, const char *method,
                             uint64_t rows, uint32_t dim, uint64_t budget, const char *settings)
{
    struct random r = {.state = rows * dim + budget};
    struct kit_table trained;
    struct plan plan;
    struct layout layout;
    struct fit_filling filling = {.fit = &trained.fit, .layout = &layout};
    const struct table_source source = {fit_fill, &filling};
    struct error e;

    kit_plan(&plan, method_find(method, strlen(method)), rows, dim, budget, settings);
    assert_ok(layout_open(&layout, plan.method, rows, dim, NULL, budget, plan.value, &e), e);
    plan_done(&plan);
    kit_table_init(&trained, rows, dim);
    kit_table_random(&trained, &r, false);
    trained.fit.progress = NULL;
    assert_ok(fit_layout(&trained.fit, &layout, &e), e);
    assert_ok(table_create(unit_path(folder, name), &layout, &source, NULL, NULL, &e), e);
    layout_done(&layout);
    kit_table_done(&trained);
    return open_file(unit_path(folder, name), REGION_MAP);
}

/* All tensors of the file to be: those of the base, then the states. */
struct state_names {
    struct tensor *tensor;
    size_t count;
    char (*name)[256];
};

static void add_states(struct state_names *s, const struct parameters *p, const struct optimizer *o,
                       const char *without)
{
    for (size_t k = 0; k < p->method->tensors_count; k++)
        for (size_t i = 0; i < OPTIMIZER_STATES && o->state[i]; i++) {
            struct tensor *t = &s->tensor[s->count];
            char *name = s->name[s->count];

            if (!p->tensor[k].data || !(p->method->tensors[k].flags & TENSOR_TRAINED))
                continue;
            snprintf(name, sizeof s->name[0], "optimizer.%s.%s", p->tensor[k].name, o->state[i]);
            if (without && !strcmp(without, name))
                continue;
            *t = p->tensor[k];
            t->name = name;
            t->dtype = DT_F32;
            if (!strcmp(o->name, "rowwise_adagrad") && !tensor_element_wise(p, (unsigned)k)) {
                t->rank = 1;
                t->count = (size_t)unit_count(p, (unsigned)k);
                t->shape[0] = t->count;
            }
            t->bytes = t->count * sizeof(float);
            s->count++;
        }
}

static void make_file(const char *path, const struct table *base, const char *optimizer,
                      const char *without, bool counted)
{
    size_t most =
        1 + base->header.tensor_count + base->part_count * METHOD_TENSORS_MAX * OPTIMIZER_STATES;
    struct state_names s = {.tensor = calloc(most, sizeof *s.tensor),
                            .name = calloc(most, sizeof *s.name)};
    struct metadata *metadata = calloc(base->header.metadata_count + 1, sizeof *metadata);
    struct optimizer_settings settings;
    struct safetensors_writer w = {0};
    size_t metadatas = 0;
    struct error e;

    assert_true(s.tensor && s.name && metadata);
    assert_ok(optimizer_settings_read(&settings, optimizer, 0, &e), e);
    for (size_t i = 0; i < base->header.tensor_count; i++)
        s.tensor[s.count++] = base->header.tensor[i].tensor;
    if (counted)
        s.tensor[s.count++] = (struct tensor){.name = "frequency",
                                              .dtype = DT_I64,
                                              .rank = 1,
                                              .shape = {base->rows},
                                              .count = (size_t)base->rows,
                                              .bytes = (size_t)base->rows * sizeof(int64_t)};
    for (size_t i = 0; i < base->part_count; i++)
        add_states(&s, &base->part[i], settings.optimizer, without);
    for (size_t i = 0; i < base->header.metadata_count; i++)
        if (strcmp(base->header.metadata[i].key, "embd.checksum") &&
            strcmp(base->header.metadata[i].key, "embd.header")) /* of the base's bytes */
            metadata[metadatas++] = base->header.metadata[i];
    metadata[metadatas++] = (struct metadata){"embd.optimizer", optimizer};
    assert_ok(safetensors_create(&w, path, metadata, metadatas, s.tensor, s.count, 0, &e), e);
    for (size_t i = 0; i < s.count; i++) {
        const struct file_tensor *from = header_tensor(&base->header, s.tensor[i].name);

        if (from && s.tensor[i].bytes)
            memcpy(s.tensor[i].data, table_tensor(base, from), s.tensor[i].bytes);
        if (s.tensor[i].dtype == DT_I64) /* the file's bytes are zeros */
            continue;
        for (size_t j = 0; !from && j < s.tensor[i].count; j++)
            ((float *)s.tensor[i].data)[j] =
                strstr(s.tensor[i].name, ".sum") ? (float)settings.initial_accumulator : 0;
    }
    assert_ok(safetensors_commit(&w, &e), e);
    optimizer_settings_done(&settings);
    free(metadata);
    free(s.tensor);
    free(s.name);
}

void kit_trainable_file(const char *path, const struct table *base, const char *optimizer,
                        const char *without)
{
    make_file(path, base, optimizer, without, false);
}

struct table *kit_counted(struct unit_folder *folder, const struct table *base,
                          const char *optimizer)
{
    const char *path = unit_path(folder, "counted.safetensors");

    make_file(path, base, optimizer, NULL, true);
    return open_file(path, REGION_COPY);
}

struct table *kit_trainable(struct unit_folder *folder, const struct table *base,
                            const char *optimizer)
{
    const char *path = unit_path(folder, "trainable.safetensors");

    kit_trainable_file(path, base, optimizer, NULL);
    return open_file(path, REGION_COPY);
}

static void prepare(struct kit_push *push, const struct table *t)
{
    struct error e;
    size_t at;

    arena_init(&push->arena, SIZE_MAX);
    assert_ok(update_prepare(&push->update, t, &push->query, 1, PUSH_SKIP,
                             &(struct update_limits){0}, &push->arena, &at, &e),
              e);
}

static void pool(struct kit_push *push, struct random *r, size_t ids)
{
    size_t bags = 0;

    push->offset[0] = 0;
    while (push->offset[bags] < ids) {
        uint32_t end = push->offset[bags] + (uint32_t)random_below(r, 5);

        push->offset[++bags] = end < ids ? end : (uint32_t)ids;
    }
    push->query.pooling = random_below(r, 2) ? POOLING_SUM : POOLING_MEAN;
    push->query.offsets = push->offset;
    push->query.offset_count = bags + 1;
    if (push->query.pooling == POOLING_SUM && random_below(r, 2)) {
        for (size_t i = 0; i < ids; i++)
            push->weight[i] = random_normal(r);
        push->query.weights = push->weight;
        push->query.weight_count = ids;
    }
}

void kit_push(struct kit_push *push, const struct table *t, struct random *r, size_t ids,
              float scale)
{
    size_t rows, room = 20 * ids + 2; /* bags may be empty */

    *push = (struct kit_push){.id = calloc(ids + 1, sizeof *push->id),
                              .offset = calloc(room, sizeof *push->offset),
                              .weight = calloc(ids + 1, sizeof *push->weight),
                              .gradient = calloc(room * t->dim, sizeof *push->gradient)};
    assert_true(push->id && push->offset && push->weight && push->gradient);
    for (size_t i = 0; i < ids; i++)
        push->id[i] = (int64_t)random_below(r, t->rows + 1); /* the last one is unknown */
    push->query.ids = push->id;
    push->query.id_count = ids;
    if (random_below(r, 2))
        pool(push, r, ids);
    rows = push->query.pooling == POOLING_NONE ? ids : push->query.offset_count - 1;
    assert_true(rows <= room);
    for (size_t i = 0; i < rows * t->dim; i++)
        push->gradient[i] = scale * random_normal(r);
    push->query.gradients = push->gradient;
    push->query.gradient_bytes = rows * t->dim * sizeof(float);
    prepare(push, t);
}

void kit_push_rows(struct kit_push *push, const struct table *t, const int64_t *id, size_t n,
                   const float *gradient)
{
    *push = (struct kit_push){.query = {.ids = id,
                                        .id_count = n,
                                        .gradients = gradient,
                                        .gradient_bytes = n * t->dim * sizeof(float)}};
    prepare(push, t);
}

void kit_push_done(struct kit_push *push)
{
    arena_done(&push->arena);
    free(push->id);
    free(push->offset);
    free(push->weight);
    free(push->gradient);
}

void kit_apply(struct training *t, const struct kit_push *push, float rate, uint64_t version)
{
    struct error e;

    assert_ok(training_reserve(t, &push->update, &e), e);
    training_step(t, &push->update, rate, version);
    training_mark(t);
    training_write(t);
}
