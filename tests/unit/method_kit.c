/* SPDX-License-Identifier: Apache-2.0 */
/* See method_kit.h. */
#include "tests/unit/method_kit.h"

#include "base/memory.h"
#include "tests/unit/unit.h"

void kit_plan(struct plan *plan, const struct method *m, uint64_t rows, uint32_t dim,
              uint64_t budget, const char *settings)
{
    char text[200], *rest = text, *word;
    struct error e;

    *plan = (struct plan){.method = m, .rows = rows, .dim = dim, .budget = budget};
    assert_true(strlen(settings) < sizeof text);
    strcpy(text, settings);
    while ((word = strtok_r(rest, " ", &rest))) {
        char *equals = strchr(word, '=');
        int i;

        assert_non_null(equals);
        *equals = '\0';
        i = method_setting(m, word, strlen(word));
        assert_true(i >= 0);
        assert_ok(setting_parse(&m->settings[i], equals + 1, &plan->value[i], &e), e);
    }
}

enum status kit_allocate(struct parameters *p, struct error *e)
{
    for (size_t i = 0; i < p->method->tensors_count; i++) {
        struct tensor *t = &p->tensor[i];

        if (t->name && !(t->data = mem_zero(t->bytes, 1)))
            return error_memory(e, t->name);
    }
    return ST_OK;
}

void kit_done(struct parameters *p)
{
    for (size_t i = 0; i < METHOD_TENSORS_MAX; i++) {
        mem_free(p->tensor[i].data);
        p->tensor[i].data = NULL;
    }
    parameters_done(p);
}

void kit_parameters(struct parameters *p, const struct method *m, uint64_t rows, uint32_t dim,
                    uint64_t budget, const char *settings)
{
    struct plan plan;
    struct error e;

    kit_plan(&plan, m, rows, dim, budget, settings);
    assert_ok(plan_make(&plan, &e), e);
    assert_ok(plan_parameters(&plan, p, &e), e);
    plan_done(&plan);
    assert_ok(kit_allocate(p, &e), e);
}

enum status kit_check(struct parameters *p, struct error *e)
{
    if (p->state)
        p->method->release(p);
    p->state = NULL;
    return parameters_check(p, e);
}

void kit_fill(struct parameters *p, struct random *r)
{
    for (size_t i = 0; i < p->method->tensors_count; i++) {
        struct tensor *t = &p->tensor[i];

        if (!t->data)
            continue;
        random_bytes(r, t->data, t->bytes);
        for (size_t j = 0; j < t->count; j++) {
            uint16_t *half = (uint16_t *)t->data + j;

            if (t->dtype == DT_F32)
                ((float *)t->data)[j] = random_normal(r) * ldexpf(1, (int)random_below(r, 9) - 6);
            else if (t->dtype == DT_F16 && (*half & 0x7c00) == 0x7c00)
                *half ^= 0x0400;
            else if (t->dtype == DT_BF16 && (*half & 0x7f80) == 0x7f80)
                *half ^= 0x0080;
        }
    }
}

const struct tensor *kit_tensor(const struct parameters *p, const char *name)
{
    int i = method_tensor(p->method, p->value, name, strlen(name));

    assert_true(i >= 0);
    return &p->tensor[i];
}

const struct value *kit_setting(const struct parameters *p, const char *name)
{
    int i = method_setting(p->method, name, strlen(name));

    assert_true(i >= 0);
    return &p->value[i];
}

static enum status read_rows(void *context, uint64_t first, size_t n, float *out, struct error *e)
{
    struct kit_table *t = context;

    assert_true(n > 0 && first + n <= t->fit.rows);
    if (t->fail_at >= first && t->fail_at < first + n)
        return error_set(e, ST_DATA_LOSS, "row %llu is gone", (unsigned long long)t->fail_at);
    memcpy(out, t->data + first * t->fit.dim, n * t->fit.dim * sizeof *out);
    return ST_OK;
}

static bool progress(void *context, double done)
{
    struct kit_table *t = context;

    assert_true(done >= t->done && done <= 1);
    t->done = done;
    return ++t->progress != t->stop_after;
}

void kit_table_init(struct kit_table *t, uint64_t rows, uint32_t dim)
{
    *t = (struct kit_table){.fail_at = UINT64_MAX};
    t->data = calloc(rows * dim + 1, sizeof *t->data);
    t->weight = calloc(rows + 1, sizeof *t->weight);
    t->fit = (struct fit){
        .rows = rows, .dim = dim, .read = read_rows, .context = t, .progress = progress};
}

void kit_table_done(struct kit_table *t)
{
    free(t->data);
    free(t->weight);
}

void kit_table_random(struct kit_table *t, struct random *r, bool weights)
{
    for (uint64_t i = 0; i < t->fit.rows * t->fit.dim; i++)
        t->data[i] = random_normal(r);
    for (uint64_t i = 0; i < t->fit.rows; i++)
        t->weight[i] = random_below(r, 8) ? (float)random_below(r, 1000) / 100 : 0;
    t->fit.weight = weights ? t->weight : NULL;
}

void kit_fit(struct kit_table *t, struct parameters *p, struct fit_error *error)
{
    struct error e;

    t->done = 0;
    assert_ok(fitter_find(p->method)->fit(&t->fit, p, &e), e);
    assert_ok(kit_check(p, &e), e);
    t->done = 0;
    assert_ok(fit_measure(&t->fit, p, 1, error, &e), e);
}
