/* SPDX-License-Identifier: Apache-2.0 */
/* OptEmbed: lookup and explanation. */
#include "methods/optembed.h"

#include <string.h>

#include "base/prefetch.h"
#include "methods/explain.h"

#define AHEAD PREFETCH_AHEAD

static const struct setting settings[] = {
    [OPTEMBED_FORM] = {"form", SETTING_CHOICE, .choices = "remap compact",
                       .help = "a row of emb for each id by its number, or by a bitmap"},
};

static const struct tensor_decl tensors[] = {
    [OPTEMBED_EMB] = {"emb", DT(F32), "K W", .flags = TENSOR_TRAINED,
                      .help = "the rows that were kept; with form=remap W = D"},
    [OPTEMBED_REMAP] = {"remap", DT(I32), "N", .when = "form=remap", .flags = TENSOR_ADDRESS,
                        .help = "each id's row of emb; -1 for a pruned id, which is zero"},
    [OPTEMBED_CANDIDATE] = {"candidate", DT(I32), "F", .when = "form=remap",
                            .flags = TENSOR_ADDRESS | TENSOR_NONNEGATIVE,
                            .help = "each field's last column that counts"},
    [OPTEMBED_KEPT] = {"kept", DT(U8), "B", .when = "form=compact", .flags = TENSOR_ADDRESS,
                       .help = "a bit for each id that has a row, least significant bit first"},
};

/* Bits of a bitmap before `row` within its block. */
static uint64_t bits_before(const struct tensor *kept, uint64_t row)
{
    uint64_t first = row / OPTEMBED_BLOCK * (OPTEMBED_BLOCK / 8), left = kept->count - first;
    uint64_t word = 0;

    if (left >= sizeof word)
        memcpy(&word, (const unsigned char *)kept->data + first, sizeof word);
    else
        memcpy(&word, (const unsigned char *)kept->data + first, (size_t)left);
    word &= ((uint64_t)1 << row % OPTEMBED_BLOCK) - 1;
    return (uint64_t)__builtin_popcountll(word);
}

uint64_t optembed_place(const struct parameters *p, uint64_t row)
{
    const unsigned char *kept = p->tensor[OPTEMBED_KEPT].data;
    const struct optembed_state *state = p->state;
    int32_t place;

    if (p->value[OPTEMBED_FORM].i == OPTEMBED_REMAP_FORM) {
        place = ((const int32_t *)p->tensor[OPTEMBED_REMAP].data)[row];
        return place < 0 ? OPTEMBED_PRUNED : (uint64_t)place;
    }
    if (!(kept[row / 8] >> row % 8 & 1))
        return OPTEMBED_PRUNED;
    return state->rank[row / OPTEMBED_BLOCK] + bits_before(&p->tensor[OPTEMBED_KEPT], row);
}

uint32_t optembed_width(const struct parameters *p, uint64_t row)
{
    const int32_t *candidate = p->tensor[OPTEMBED_CANDIDATE].data;

    if (p->value[OPTEMBED_FORM].i != OPTEMBED_REMAP_FORM)
        return (uint32_t)p->tensor[OPTEMBED_EMB].shape[1];
    return (uint32_t)candidate[field_of(&p->fields, row)] + 1;
}

static void put_row(const struct parameters *p, uint64_t row, uint64_t place, unsigned char *to)
{
    const struct tensor *emb = &p->tensor[OPTEMBED_EMB];
    size_t bytes = 0;

    if (place != OPTEMBED_PRUNED) {
        bytes = optembed_width(p, row) * sizeof(float);
        memcpy(to, (const float *)emb->data + place * emb->shape[1], bytes);
    }
    memset(to + bytes, 0, p->dim * sizeof(float) - bytes);
}

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    const float *emb = p->tensor[OPTEMBED_EMB].data;
    uint64_t columns = p->tensor[OPTEMBED_EMB].shape[1], place[AHEAD];
    const int32_t *remap = p->tensor[OPTEMBED_REMAP].data; /* NULL with a bitmap */
    size_t row_bytes = p->dim * sizeof *emb;
    unsigned char *to = out;

    for (size_t i = 0; remap && i < n && i < AHEAD; i++)
        __builtin_prefetch(remap + row[i]);
    for (size_t i = 0; i < n + AHEAD; i++) {
        uint64_t *at = &place[i % AHEAD];

        if (i >= AHEAD) {
            put_row(p, row[i - AHEAD], *at, to);
            to += row_bytes;
        }
        if (remap && i + AHEAD < n)
            __builtin_prefetch(remap + row[i + AHEAD]);
        if (i < n && (*at = optembed_place(p, row[i])) != OPTEMBED_PRUNED)
            prefetch(emb + *at * columns, columns * sizeof *emb);
    }
}

/* How many other ids have the same row of emb. */
static uint64_t sharers(const struct parameters *p, uint64_t row, const struct explanation *x)
{
    const int32_t *remap = p->tensor[OPTEMBED_REMAP].data;
    uint64_t count = 0;

    if (p->value[OPTEMBED_FORM].i != OPTEMBED_REMAP_FORM)
        return 0;
    if (!explain_may_scan(x, p->rows))
        return SHARERS_UNKNOWN;
    for (uint64_t i = 0; i < p->rows; i++)
        count += remap[i] == remap[row];
    return count - 1;
}

static void explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    uint64_t place = optembed_place(p, row);
    uint32_t width = optembed_width(p, row);

    explain_number(x, "width", width);
    if (place == OPTEMBED_PRUNED)
        explain_text(x, "id", "pruned: a zero row");
    else
        explain_cells(x, p, OPTEMBED_EMB, place, 0, width, sharers(p, row, x));
}

static double author_words(const struct plan *plan)
{
    uint64_t kept = 0, width = 0;

    (void)symbols_get(&plan->size, "K", 1, &kept);
    (void)symbols_get(&plan->size, "W", 1, &width);
    return (double)kept * (double)width;
}

const struct method method_optembed = {
    .name = "optembed",
    .title = "OptEmbed",
    .source = "Lyu et al., CIKM 2022",
    .per_field = true,
    .per_field_unless = "form=remap",
    .fit_extension = true,
    .settings = settings,
    .settings_count = sizeof settings / sizeof settings[0],
    .tensors = tensors,
    .tensors_count = sizeof tensors / sizeof tensors[0],
    .check = optembed_check,
    .release = optembed_release,
    .rows = rows,
    .gradient = optembed_gradient,
    .unit_place = optembed_unit_place,
    .unit_most = optembed_unit_most,
    .plan = optembed_plan,
    .author_words = author_words,
    .init = optembed_init,
    .explain = explain,
};
