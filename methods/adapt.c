/* SPDX-License-Identifier: Apache-2.0 */
/* AdaptEmb: frequent ids own their rows, rare ids share. Budget, start and explanation are in files
   of their own. A list of the frequent ids is searched from a directory: ids are cut into as many
   equal ranges as there are frequent ones, and the directory says where each begins in the list. */
#include "methods/adapt.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/prefetch.h"
#include "kernels/kernels.h"
#include "methods/gradient.h"

#define AHEAD PREFETCH_AHEAD

static const struct setting settings[] = {
    [ADAPT_REMAP] = {"remap", SETTING_CHOICE, .choices = "dense hot_list",
                     .help = "a map of all ids, or a list of the frequent ones"},
    [ADAPT_RARE_HASH] = {"rare_hash", SETTING_CHOICE, .choices = "low_rank id_mod",
                         .when = "remap=hot_list",
                         .help = "whether rare ids share rows by their rank among the rare ones or "
                                 "by the id itself"},
};

static const struct tensor_decl tensors[] = {
    [ADAPT_FREQ] = {"freq", DT(F32), "H D", .flags = TENSOR_TRAINED,
                    .help = "rows of the frequent ids"},
    [ADAPT_RARE] = {"rare", DT(F32), "L D", .flags = TENSOR_TRAINED,
                    .help = "rows that the rare ids share"},
    [ADAPT_MAP] = {"remap", DT(I32), "N", "remap=dense", TENSOR_ADDRESS,
                   .help = "v >= 0: row v of freq; else row -(v + 1) mod L of rare"},
    [ADAPT_HOT_IDS] = {"hot.ids", DT(U32) | DT(U64), "H", "remap=hot_list", TENSOR_ADDRESS,
                       .help = "the frequent ids, ascending"},
};

struct directory {
    unsigned shift;   /* an id's range is id >> shift */
    uint64_t begin[]; /* of each range, and the end of the last */
};

static uint64_t hot_id(const struct tensor *t, uint64_t i)
{
    return t->dtype == DT_U32 ? ((const uint32_t *)t->data)[i] : ((const uint64_t *)t->data)[i];
}

static enum status make_directory(struct parameters *p, struct error *e)
{
    const struct tensor *ids = &p->tensor[ADAPT_HOT_IDS];
    uint64_t count = ids->shape[0], last = p->rows ? p->rows - 1 : 0, ranges, at = 0;
    struct directory *d;
    unsigned shift = 0;

    while (last >> shift > count)
        shift++;
    ranges = (last >> shift) + 1;
    d = mem_zero(1 + ranges + 1, sizeof d->begin[0]);
    if (!d)
        return error_memory(e, "directory of hot.ids");
    d->shift = shift;
    for (uint64_t r = 0; r <= ranges; r++) {
        while (at < count && hot_id(ids, at) >> shift < r)
            at++;
        d->begin[r] = at;
    }
    p->state = d;
    return ST_OK;
}

static void release(struct parameters *p)
{
    mem_free(p->state);
}

static enum status check_list(struct parameters *p, struct error *e)
{
    const struct tensor *ids = &p->tensor[ADAPT_HOT_IDS];
    uint64_t count = ids->shape[0];

    for (uint64_t i = 0; i < count; i++) {
        if (hot_id(ids, i) >= p->rows)
            return error_set(e, ST_INVALID,
                             "hot.ids[%" PRIu64 "] is %" PRIu64 "; the ids are below %" PRIu64, i,
                             hot_id(ids, i), p->rows);
        if (i && hot_id(ids, i) <= hot_id(ids, i - 1))
            return error_set(e, ST_INVALID,
                             "hot.ids[%" PRIu64 "] is %" PRIu64 ", not above the one before it", i,
                             hot_id(ids, i));
    }
    if (count < p->rows && !p->tensor[ADAPT_RARE].shape[0])
        return error_set(e, ST_INVALID,
                         "tensor \"rare\" has no row, and %" PRIu64 " ids are not in hot.ids",
                         p->rows - count);
    return make_directory(p, e);
}

static enum status check_map(const struct parameters *p, struct error *e)
{
    uint64_t hot = p->tensor[ADAPT_FREQ].shape[0], rare = p->tensor[ADAPT_RARE].shape[0];
    const int32_t *map = p->tensor[ADAPT_MAP].data;

    if (p->rows > (uint64_t)1 << 31)
        return error_set(e, ST_INVALID, "remap=dense is for at most 2^31 rows");
    for (uint64_t i = 0; i < p->rows; i++) {
        if (map[i] >= 0 && (uint64_t)map[i] >= hot)
            return error_set(e, ST_INVALID,
                             "remap[%" PRIu64 "] is %" PRId32 ", and tensor \"freq\" has %" PRIu64
                             " rows",
                             i, map[i], hot);
        if (map[i] < 0 && !rare)
            return error_set(e, ST_INVALID,
                             "remap[%" PRIu64 "] is %" PRId32 ", and tensor \"rare\" has no row", i,
                             map[i]);
    }
    return ST_OK;
}

static enum status check(struct parameters *p, struct error *e)
{
    return p->value[ADAPT_REMAP].i == ADAPT_DENSE ? check_map(p, e) : check_list(p, e);
}

/* How many hot ids are below `id`: where it is in the list, or would be. */
static uint64_t rank(const struct parameters *p, uint64_t id)
{
    const struct tensor *ids = &p->tensor[ADAPT_HOT_IDS];
    const struct directory *d = p->state;
    uint64_t low = d->begin[id >> d->shift], high = d->begin[(id >> d->shift) + 1];

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (hot_id(ids, middle) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct adapt_place adapt_place(const struct parameters *p, uint64_t id)
{
    const struct tensor *ids = &p->tensor[ADAPT_HOT_IDS];
    uint64_t rare = p->tensor[ADAPT_RARE].shape[0], place;

    if (p->value[ADAPT_REMAP].i == ADAPT_DENSE) {
        int32_t v = ((const int32_t *)p->tensor[ADAPT_MAP].data)[id];

        /* ~v is -(v + 1), also of the smallest integer */
        return v >= 0 ? (struct adapt_place){true, (uint64_t)v}
                      : (struct adapt_place){false, (uint32_t)~v % rare};
    }
    place = rank(p, id);
    if (place < ids->shape[0] && hot_id(ids, place) == id)
        return (struct adapt_place){true, place};
    if (p->value[ADAPT_RARE_HASH].i == ADAPT_LOW_RANK)
        return (struct adapt_place){false, (id - place) % rare};
    return (struct adapt_place){false, id % rare};
}

static const float *row_at(const struct parameters *p, uint64_t id)
{
    struct adapt_place at = adapt_place(p, id);
    const float *table = p->tensor[at.hot ? ADAPT_FREQ : ADAPT_RARE].data;

    return table + at.row * p->dim;
}

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    const int32_t *map = p->tensor[ADAPT_MAP].data; /* NULL with a list */
    size_t bytes = p->dim * sizeof(float);
    const float *from[AHEAD];
    unsigned char *to = out;

    for (size_t i = 0; map && i < n && i < AHEAD; i++)
        __builtin_prefetch(map + row[i]);
    for (size_t i = 0; i < n + AHEAD; i++) {
        if (i >= AHEAD) {
            memcpy(to, from[i % AHEAD], bytes);
            to += bytes;
        }
        if (map && i + AHEAD < n)
            __builtin_prefetch(map + row[i + AHEAD]);
        if (i < n) {
            from[i % AHEAD] = row_at(p, row[i]);
            prefetch(from[i % AHEAD], bytes);
        }
    }
}

static void gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                     struct gradients *out)
{
    for (size_t i = 0; i < n; i++) {
        struct adapt_place at = adapt_place(p, row[i]);

        gradient_add(out, at.hot ? ADAPT_FREQ : ADAPT_RARE, &at.row, 1, grad + i * p->dim);
    }
}

const struct method method_adapt = {
    .name = "adapt",
    .title = "AdaptEmb (frequent ids own their rows)",
    .source = "DeepRec, adaptive embedding",
    .per_field = true,
    .fit_extension = true,
    .settings = settings,
    .settings_count = sizeof settings / sizeof settings[0],
    .tensors = tensors,
    .tensors_count = sizeof tensors / sizeof tensors[0],
    .check = check,
    .release = release,
    .rows = rows,
    .gradient = gradient,
    .plan = adapt_plan,
    .author_words = adapt_author_words,
    .init = adapt_init,
    .explain = adapt_explain,
};
