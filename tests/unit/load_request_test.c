/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a load, read back by the reader that the daemon uses. */
#include "client/load/request.h"

#include "base/memory.h"
#include "proto/grpc.h"
#include "proto/lookup_coding.h"
#include "proto/wire.h"
#include "tests/unit/unit.h"

static const struct load_table two_tables[] = {{.name = "ads", .rows = 1000, .dim = 8},
                                               {.name = "words", .rows = 5, .dim = 300}};

static struct load_plan plan_of(uint32_t ids, uint32_t pooling, uint32_t bag_min, uint32_t bag_max)
{
    return (struct load_plan){.table = two_tables,
                              .tables = 2,
                              .ids = ids,
                              .pooling = pooling,
                              .bag_min = bag_min,
                              .bag_max = bag_max,
                              .format = 2,
                              .seed = 3,
                              .threads = 1};
}

/* Offsets go from 0 to the ids, in steps of bag_min to bag_max, the last one may be shorter. */
static void check_bags(const struct load_plan *plan, const struct table_lookup *lookup)
{
    const unsigned char *offset = lookup->offsets.data;
    size_t bags = lookup->offsets.size / 4 - 1;

    assert_int_equal(wire_get_u32(offset), 0);
    assert_int_equal(wire_get_u32(offset + 4 * bags), plan->ids);
    for (size_t i = 0; i < bags; i++) {
        uint32_t n = wire_get_u32(offset + 4 * i + 4) - wire_get_u32(offset + 4 * i);

        assert_true(n <= plan->bag_max && (n >= plan->bag_min || (i == bags - 1 && n > 0)));
    }
}

static void check_request(const struct load_plan *plan, const struct request_maker *m,
                          const struct request *request)
{
    struct lookup_request r;
    struct arena arena;
    struct error e;
    uint32_t length;

    arena_init(&arena, 1 << 20);
    assert_true(request->bytes <= m->room);
    assert_ok(grpc_prefix_read(request->body, UINT32_MAX, &length, &e), e);
    assert_int_equal(length, request->bytes - GRPC_PREFIX);
    assert_ok(lookup_request_read(&r, request->body + GRPC_PREFIX, length, &arena, &e), e);
    assert_int_equal(r.count, plan->tables);
    assert_int_equal(r.format, plan->format);
    assert_int_equal(r.missing, 0);
    for (size_t i = 0; i < r.count; i++) {
        const struct table_lookup *lookup = &r.lookup[i];

        assert_int_equal(lookup->table.size, strlen(plan->table[i].name));
        assert_memory_equal(lookup->table.data, plan->table[i].name, lookup->table.size);
        assert_int_equal(lookup->ids.size, plan->ids * 8);
        for (size_t k = 0; k < plan->ids; k++)
            assert_true(wire_get_u64((const char *)lookup->ids.data + 8 * k) < plan->table[i].rows);
        assert_int_equal(lookup->pooling, plan->pooling);
        if (plan->pooling)
            check_bags(plan, lookup);
        assert_int_equal(lookup->offsets.size,
                         plan->pooling ? (request->rows[i] + (size_t)1) * 4 : 0);
        if (!plan->pooling)
            assert_int_equal(request->rows[i], plan->ids);
    }
    assert_int_equal(lookup_request_size(&r), length); /* as every protobuf library writes it */
    arena_done(&arena);
}

static void test_requests_are_what_the_plan_says(void **state)
{
    static const struct {
        uint32_t ids, pooling, bag_min, bag_max;
    } rows[] = {
        {1, 0, 0, 0},   {64, 0, 0, 0}, {0, 0, 0, 0},    {10, 1, 3, 3},
        {9, 2, 3, 3},   {1, 1, 5, 90}, {50, 1, 1, 20},  {0, 1, 4, 4},
        {100, 2, 1, 1}, {7, 1, 7, 7},  {1000, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct load_plan plan =
            plan_of(rows[i].ids, rows[i].pooling, rows[i].bag_min, rows[i].bag_max);
        struct request_maker m;
        struct request *request;
        struct error e;

        assert_ok(request_maker_init(&m, &plan, 0, &e), e);
        request = request_new(&m);
        assert_non_null(request);
        for (int turn = 0; turn < 20; turn++) {
            request_write(&m, request);
            check_request(&plan, &m, request);
        }
        mem_free(request);
        request_maker_done(&m);
    }
}

static void test_no_two_requests_are_alike(void **state)
{
    struct load_plan plan = plan_of(64, 0, 0, 0);
    struct request *a, *b;
    struct request_maker m;
    struct error e;

    (void)state;
    assert_ok(request_maker_init(&m, &plan, 0, &e), e);
    a = request_new(&m);
    b = request_new(&m);
    request_write(&m, a);
    request_write(&m, b);
    assert_int_equal(a->bytes, b->bytes);
    assert_memory_not_equal(a->body, b->body, a->bytes);
    mem_free(a);
    mem_free(b);
    request_maker_done(&m);
}

static void test_threads_begin_a_trace_apart(void **state)
{
    const int64_t ids[] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct load_table table = {
        .name = "t", .rows = 8, .dim = 1, .trace = {(const unsigned char *)ids, 8, false}};
    struct load_plan plan = plan_of(4, 0, 0, 0);

    (void)state;
    plan.table = &table;
    plan.tables = 1;
    plan.threads = 2;
    for (unsigned thread = 0; thread < 2; thread++) {
        struct request_maker m;
        struct request *r;
        struct error e;

        assert_ok(request_maker_init(&m, &plan, thread, &e), e);
        r = request_new(&m);
        request_write(&m, r);
        /* prefix, lookup's tag and length, the name in three bytes, the ids' tag and length */
        assert_memory_equal(r->body + GRPC_PREFIX + 2 + 3 + 2, ids + 4 * thread, 32);
        mem_free(r);
        request_maker_done(&m);
    }
}

static void test_what_grpc_cannot_carry_is_refused(void **state)
{
    static struct load_table many[40];
    struct load_plan plan = plan_of(LOAD_IDS_MAX, 0, 0, 0);
    struct request_maker m;
    struct error e;

    (void)state;
    for (size_t i = 0; i < 40; i++)
        many[i] = two_tables[0];
    plan.table = many;
    plan.tables = 40;
    assert_fails(request_maker_init(&m, &plan, 0, &e), ST_INVALID, e, "more than gRPC can carry");
    request_maker_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_what_the_plan_says),
        cmocka_unit_test(test_no_two_requests_are_alike),
        cmocka_unit_test(test_threads_begin_a_trace_apart),
        cmocka_unit_test(test_what_grpc_cannot_carry_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
