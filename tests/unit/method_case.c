/* SPDX-License-Identifier: Apache-2.0 */
/* The list of cases, made from METHODS in Makefile.am. */
#include "tests/unit/method_case.h"

#include "base/memory.h"
#include "tests/unit/unit.h"

#define FIELDS_MOST 16

#define METHOD(name) extern const struct method_case case_##name;
#include "methods/methods.def"
#undef METHOD

const struct method_case *case_find(const char *method)
{
#define METHOD(name)                                                                               \
    if (!strcmp(method, #name))                                                                    \
        return &case_##name;
#include "methods/methods.def"
#undef METHOD
    fail_msg("%s has no case", method);
    return NULL;
}

/* The fields of a variant; they live as long as the test does. */
static struct fields fields_of(const struct variant *v)
{
    static uint64_t first[FIELDS_MOST + 1];
    struct fields f = {.first = first};
    const char *at = v->fields;

    for (; at && *at; f.count++) {
        char *end;

        assert_true(f.count < FIELDS_MOST);
        first[f.count + 1] = first[f.count] + strtoull(at, &end, 10);
        at = *end ? end + 1 : end;
    }
    if (!f.count)
        f.first = NULL;
    else
        assert_int_equal(first[f.count], v->rows);
    return f;
}

void case_plan(struct plan *plan, const char *method, const struct variant *v, uint64_t budget)
{
    const struct method *m = method_find(method, strlen(method));

    assert_non_null(m);
    kit_plan(plan, m, v->rows, v->dim, budget, v->settings);
    plan->fields = fields_of(v);
}

void case_allocated(struct parameters *p, const char *method, const struct variant *v)
{
    struct plan plan;
    struct error e;

    case_plan(&plan, method, v, v->budget);
    assert_ok(plan_make(&plan, &e), e);
    assert_ok(plan_parameters(&plan, p, &e), e);
    plan_done(&plan);
    assert_ok(kit_allocate(p, &e), e);
}

void case_parameters(struct parameters *p, const char *method, const struct variant *v,
                     struct random *r)
{
    const struct method_case *c = case_find(method);
    struct error e;

    case_allocated(p, method, v);
    kit_fill(p, r);
    if (c->adjust)
        c->adjust(p, r);
    assert_ok(parameters_check(p, &e), e);
}

void case_own_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    unsigned t = 0;

    while (!value[t])
        t++;
    memcpy(out, value[t] + id * p->dim, p->dim * sizeof *out);
}
