/* SPDX-License-Identifier: Apache-2.0 */
/* Server reflection, v1 and v1alpha: the two differ in their package's name alone, so the messages
   of v1 serve both. Answers are the .proto files as they were compiled in; nothing is parsed. */
#include <string.h>

#include "base/block.h"
#include "base/text.h"
#include "daemon/counters.h"
#include "daemon/services.h"
#include "proto/capped.h"
#include "proto/descriptors.h"
#include "proto/reflection.pb-c.h"

#define SERVICES_MOST 16

typedef Grpc__Reflection__V1__ServerReflectionRequest request_type;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_type;

/* Each answer: `reply` is ready but for what it is about. */
struct answer {
    response_type reply;
    Grpc__Reflection__V1__FileDescriptorResponse file;
    ProtobufCBinaryData data;
    Grpc__Reflection__V1__ListServiceResponse list;
    Grpc__Reflection__V1__ServiceResponse service[SERVICES_MOST];
    Grpc__Reflection__V1__ServiceResponse *services[SERVICES_MOST];
    Grpc__Reflection__V1__ExtensionNumberResponse extensions;
    Grpc__Reflection__V1__ErrorResponse error;
    struct error text;
};

#define REQUEST(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##kind
#define RESPONSE(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##kind

static void answer_error(struct answer *a, enum status st)
{
    a->error = (Grpc__Reflection__V1__ErrorResponse)GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    a->error.error_code = (int)st;
    a->error.error_message = a->text.text;
    a->reply.message_response_case = RESPONSE(ERROR_RESPONSE);
    a->reply.error_response = &a->error;
}

static void answer_file(struct answer *a, const struct proto_file *file, const char *asked)
{
    if (!file) {
        answer_error(a, error_set(&a->text, ST_NOT_FOUND, "%s is not known here", QUOTE(asked)));
        return;
    }
    a->file = (Grpc__Reflection__V1__FileDescriptorResponse)
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    a->data = (ProtobufCBinaryData){.len = file->size, .data = (uint8_t *)file->data};
    a->file.n_file_descriptor_proto = 1; /* the files import nothing */
    a->file.file_descriptor_proto = &a->data;
    a->reply.message_response_case = RESPONSE(FILE_DESCRIPTOR_RESPONSE);
    a->reply.file_descriptor_response = &a->file;
}

static void answer_services(struct answer *a)
{
    size_t n = 0;

    for (size_t i = 0; i < proto_symbol_count && n < SERVICES_MOST; i++) {
        if (proto_symbols[i].kind != PROTO_SERVICE)
            continue;
        a->service[n] =
            (Grpc__Reflection__V1__ServiceResponse)GRPC__REFLECTION__V1__SERVICE_RESPONSE__INIT;
        a->service[n].name = (char *)proto_symbols[i].name;
        a->services[n] = &a->service[n];
        n++;
    }
    a->list = (Grpc__Reflection__V1__ListServiceResponse)
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    a->list.n_service = n;
    a->list.service = a->services;
    a->reply.message_response_case = RESPONSE(LIST_SERVICES_RESPONSE);
    a->reply.list_services_response = &a->list;
}

/* There are no extensions, of any message. */
static void answer_extensions(struct answer *a, const char *type)
{
    const struct proto_symbol *symbol = proto_symbol_find(type);

    if (!symbol || symbol->kind != PROTO_MESSAGE) {
        answer_error(a, error_set(&a->text, ST_NOT_FOUND, "no such message: %s", QUOTE(type)));
        return;
    }
    a->extensions = (Grpc__Reflection__V1__ExtensionNumberResponse)
        GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;
    a->extensions.base_type_name = (char *)symbol->name;
    a->reply.message_response_case = RESPONSE(ALL_EXTENSION_NUMBERS_RESPONSE);
    a->reply.all_extension_numbers_response = &a->extensions;
}

static void answer(struct answer *a, request_type *request)
{
    const struct proto_symbol *symbol;

    a->reply = (response_type)GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    a->reply.valid_host = request->host;
    a->reply.original_request = request;
    switch (request->message_request_case) {
    case REQUEST(FILE_BY_FILENAME):
        answer_file(a, proto_file_find(request->file_by_filename), request->file_by_filename);
        return;
    case REQUEST(FILE_CONTAINING_SYMBOL):
        symbol = proto_symbol_find(request->file_containing_symbol);
        answer_file(a, symbol ? symbol->file : NULL, request->file_containing_symbol);
        return;
    case REQUEST(LIST_SERVICES):
        answer_services(a);
        return;
    case REQUEST(ALL_EXTENSION_NUMBERS_OF_TYPE):
        answer_extensions(a, request->all_extension_numbers_of_type);
        return;
    case REQUEST(FILE_CONTAINING_EXTENSION):
        answer_error(a, error_set(&a->text, ST_NOT_FOUND, "%s has no extensions",
                                  QUOTE(request->file_containing_extension->containing_type)));
        return;
    default:
        answer_error(a, error_set(&a->text, ST_INVALID, "nothing is asked for"));
    }
}

static void reflection_message(struct call *call, const unsigned char *data, size_t n)
{
    ProtobufCMessage *request;
    struct block *b = NULL;
    struct arena arena; /* of this message: the call may bring any number */
    struct answer a;
    struct error e;
    enum status st;

    arena_init(&arena, proto_cap(n));
    st = proto_unpack(&request, &grpc__reflection__v1__server_reflection_request__descriptor, data,
                      n, &arena, &e);
    if (st == ST_OK) {
        answer(&a, (request_type *)request);
        b = service_pack(&a.reply.base);
        if (!b)
            st = error_memory(&e, "the reply");
    }
    arena_done(&arena);
    if (st == ST_OK)
        call_send(call, b);
    else
        call_fail(call, st, &e);
}

static void reflection_half_close(struct call *call)
{
    call_finish(call);
}

const struct rpc rpc_reflection = {.path =
                                       "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                   .name = "Reflection",
                                   .index = CALL_REFLECTION,
                                   .client_streams = true,
                                   .server_streams = true,
                                   .message = reflection_message,
                                   .half_close = reflection_half_close,
                                   .done = service_done};
const struct rpc rpc_reflection_v1alpha = {
    .path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    .name = "Reflection",
    .index = CALL_REFLECTION,
    .client_streams = true,
    .server_streams = true,
    .message = reflection_message,
    .half_close = reflection_half_close,
    .done = service_done};
