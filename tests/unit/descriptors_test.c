/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of server reflection, against what protoc-c made of the same .proto files. */
#include "proto/descriptors.h"

#include "proto/embd.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/reflection.pb-c.h"
#include "proto/reflection_v1alpha.pb-c.h"
#include "proto/wire.h"
#include "tests/unit/unit.h"

/* The last value of a bytes field of a serialized message; the test fails if there is none. */
static struct wire_field find_field(const unsigned char *data, size_t size, uint32_t number)
{
    struct wire_field f, found = {0};
    struct wire_reader r;

    wire_reader_init(&r, data, size);
    while (wire_next(&r, &f))
        if (f.number == number)
            found = f;
    assert_false(r.bad);
    assert_non_null(found.data);
    return found;
}

static void test_files_are_whole_descriptors(void **state)
{
    static const struct {
        const char *name, *package;
    } files[] = {
        {"embd.proto", "embd.v1"},
        {"health.proto", "grpc.health.v1"},
        {"reflection.proto", "grpc.reflection.v1"},
        {"reflection_v1alpha.proto", "grpc.reflection.v1alpha"},
    };

    (void)state;
    assert_int_equal(proto_file_count, sizeof files / sizeof files[0]);
    for (size_t i = 0; i < proto_file_count; i++) {
        const struct proto_file *file = proto_file_find(files[i].name);
        struct wire_field name, package;

        assert_non_null(file);
        assert_string_equal(file->name, files[i].name);
        name = find_field(file->data, file->size, 1);
        package = find_field(file->data, file->size, 2);
        assert_int_equal(name.size, strlen(files[i].name));
        assert_memory_equal(name.data, files[i].name, name.size);
        assert_int_equal(package.size, strlen(files[i].package));
        assert_memory_equal(package.data, files[i].package, package.size);
        assert_ptr_equal(proto_symbol_find(files[i].package)->file, file);
    }
    assert_null(proto_file_find("embd_bulk.proto"));
    assert_null(proto_file_find(""));
}

static void test_symbols_are_sorted_and_found(void **state)
{
    (void)state;
    assert_true(proto_symbol_count > 200);
    for (size_t i = 0; i < proto_symbol_count; i++) {
        assert_ptr_equal(proto_symbol_find(proto_symbols[i].name), &proto_symbols[i]);
        assert_non_null(proto_symbols[i].file);
        if (i)
            assert_true(strcmp(proto_symbols[i - 1].name, proto_symbols[i].name) < 0);
    }
}

static void test_every_kind_of_symbol_is_known(void **state)
{
    static const struct {
        const char *name;
        enum proto_kind kind;
        const char *file;
    } symbols[] = {
        {"embd.v1", PROTO_PACKAGE, "embd.proto"},
        {"embd.v1.Embedding", PROTO_SERVICE, "embd.proto"},
        {"embd.v1.Embedding.Lookup", PROTO_METHOD, "embd.proto"},
        {"embd.v1.LookupRequest", PROTO_MESSAGE, "embd.proto"},
        {"embd.v1.LookupRequest.lookups", PROTO_FIELD, "embd.proto"},
        {"embd.v1.Pooling", PROTO_ENUM, "embd.proto"},
        {"embd.v1.POOLING_SUM", PROTO_VALUE, "embd.proto"},
        {"grpc.health.v1.Health.Watch", PROTO_METHOD, "health.proto"},
        {"grpc.health.v1.HealthCheckResponse.ServingStatus", PROTO_ENUM, "health.proto"},
        {"grpc.health.v1.HealthCheckResponse.SERVING", PROTO_VALUE, "health.proto"},
        {"grpc.health.v1.HealthListResponse.StatusesEntry.key", PROTO_FIELD, "health.proto"},
        {"grpc.reflection.v1.ServerReflectionRequest.message_request", PROTO_ONEOF,
         "reflection.proto"},
        {"grpc.reflection.v1alpha.ServerReflection", PROTO_SERVICE, "reflection_v1alpha.proto"},
    };
    static const char *const unknown[] = {"",
                                          "embd",
                                          ".embd.v1",
                                          "embd.v1.",
                                          "embd.v1.lookuprequest",
                                          "embd.v1.Pooling.POOLING_SUM",
                                          "grpc.health.v2"};

    (void)state;
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        const struct proto_symbol *found = proto_symbol_find(symbols[i].name);

        if (!found || found->kind != symbols[i].kind)
            fail_msg("%s", symbols[i].name);
        assert_string_equal(found->file->name, symbols[i].file);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_null(proto_symbol_find(unknown[i]));
}

static void check_service(const ProtobufCServiceDescriptor *d)
{
    const struct proto_symbol *service = proto_symbol_find(d->name);
    char method[256];

    assert_non_null(service);
    assert_int_equal(service->kind, PROTO_SERVICE);
    for (unsigned i = 0; i < d->n_methods; i++) {
        snprintf(method, sizeof method, "%s.%s", d->name, d->methods[i].name);
        assert_non_null(proto_symbol_find(method));
        assert_non_null(proto_symbol_find(d->methods[i].input->name));
        assert_non_null(proto_symbol_find(d->methods[i].output->name));
    }
}

static void test_services_are_those_of_the_generated_code(void **state)
{
    size_t services = 0;

    (void)state;
    check_service(&embd__v1__embedding__descriptor);
    check_service(&embd__v1__tables__descriptor);
    check_service(&embd__v1__stats__descriptor);
    check_service(&grpc__health__v1__health__descriptor);
    check_service(&grpc__reflection__v1__server_reflection__descriptor);
    check_service(&grpc__reflection__v1alpha__server_reflection__descriptor);
    for (size_t i = 0; i < proto_symbol_count; i++)
        services += proto_symbols[i].kind == PROTO_SERVICE;
    assert_int_equal(services, 6);
}

/* The standard services are what other programs already know: every number counts. */
static void test_numbers_of_the_standard_services(void **state)
{
#define V1(message) &grpc__reflection__v1__##message##__descriptor
    static const struct {
        const ProtobufCMessageDescriptor *message;
        const char *field;
        uint32_t number;
    } fields[] = {
        {&grpc__health__v1__health_check_request__descriptor, "service", 1},
        {&grpc__health__v1__health_check_response__descriptor, "status", 1},
        {&grpc__health__v1__health_list_response__descriptor, "statuses", 1},
        {V1(server_reflection_request), "host", 1},
        {V1(server_reflection_request), "file_by_filename", 3},
        {V1(server_reflection_request), "file_containing_symbol", 4},
        {V1(server_reflection_request), "file_containing_extension", 5},
        {V1(server_reflection_request), "all_extension_numbers_of_type", 6},
        {V1(server_reflection_request), "list_services", 7},
        {V1(server_reflection_response), "valid_host", 1},
        {V1(server_reflection_response), "original_request", 2},
        {V1(server_reflection_response), "file_descriptor_response", 4},
        {V1(server_reflection_response), "all_extension_numbers_response", 5},
        {V1(server_reflection_response), "list_services_response", 6},
        {V1(server_reflection_response), "error_response", 7},
        {V1(extension_request), "containing_type", 1},
        {V1(extension_request), "extension_number", 2},
        {V1(file_descriptor_response), "file_descriptor_proto", 1},
        {V1(extension_number_response), "base_type_name", 1},
        {V1(extension_number_response), "extension_number", 2},
        {V1(list_service_response), "service", 1},
        {V1(service_response), "name", 1},
        {V1(error_response), "error_code", 1},
        {V1(error_response), "error_message", 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(fields[i].message, fields[i].field);

        if (!field || field->id != fields[i].number)
            fail_msg("%s.%s", fields[i].message->name, fields[i].field);
    }
    assert_int_equal(GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING, 1);
    assert_int_equal(GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING, 2);
    assert_int_equal(GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN, 3);
}

static void check_same(const ProtobufCMessageDescriptor *a, const ProtobufCMessageDescriptor *b)
{
    assert_string_equal(a->short_name, b->short_name);
    assert_int_equal(a->n_fields, b->n_fields);
    for (unsigned i = 0; i < a->n_fields; i++) {
        assert_string_equal(a->fields[i].name, b->fields[i].name);
        assert_int_equal(a->fields[i].id, b->fields[i].id);
        assert_int_equal(a->fields[i].type, b->fields[i].type);
        assert_int_equal(a->fields[i].label, b->fields[i].label);
        if (a->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            check_same(a->fields[i].descriptor, b->fields[i].descriptor);
    }
}

static void test_both_versions_of_reflection_have_the_same_messages(void **state)
{
    (void)state;
    check_same(&grpc__reflection__v1__server_reflection_request__descriptor,
               &grpc__reflection__v1alpha__server_reflection_request__descriptor);
    check_same(&grpc__reflection__v1__server_reflection_response__descriptor,
               &grpc__reflection__v1alpha__server_reflection_response__descriptor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_whole_descriptors),
        cmocka_unit_test(test_symbols_are_sorted_and_found),
        cmocka_unit_test(test_every_kind_of_symbol_is_known),
        cmocka_unit_test(test_services_are_those_of_the_generated_code),
        cmocka_unit_test(test_numbers_of_the_standard_services),
        cmocka_unit_test(test_both_versions_of_reflection_have_the_same_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
