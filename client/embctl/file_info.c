/* SPDX-License-Identifier: Apache-2.0 */
/* Table files in words. No state. */
#include "client/embctl/file_info.h"

#include <inttypes.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"

struct table_options file_options(void)
{
    return (struct table_options){
        .memory = REGION_MAP,
        .limits = {.bytes = HEADER_BYTES_MOST, .tokens = HEADER_TOKENS_DEFAULT},
    };
}

const char *id_mode_name(enum id_mode ids)
{
    return ids == IDS_KEYS ? "keys" : ids == IDS_HASH ? "hash" : "rows";
}

const char *file_summary(char *out, size_t room, const struct table *t)
{
    char rows[32], dim[32], bytes[32], ratio[32];

    snprintf(out, room, "%s, %s × %s, %s, ratio %s", t->method->name, format_count(rows, t->rows),
             format_count(dim, t->dim), format_bytes(bytes, t->bytes),
             format_ratio(ratio, table_ratio(t)));
    return out;
}

uint64_t file_accesses(const struct table *t)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; t->frequency && i < t->rows; i++)
        if (t->frequency[i] > 0 && __builtin_add_overflow(sum, (uint64_t)t->frequency[i], &sum))
            return UINT64_MAX;
    return sum;
}

void json_table(struct document *j, const struct table *t)
{
    char text[32];

    doc_text(j, "method", t->method->name);
    doc_u64(j, "rows", t->rows);
    doc_u64(j, "dim", t->dim);
    doc_text(j, "ids", id_mode_name(t->ids));
    doc_u64(j, "parameter_bytes", t->bytes);
    doc_real(j, "ratio", table_ratio(t));
    doc_u64(j, "extra_bytes", t->extra_bytes);
    if (t->frequency)
        doc_u64(j, "accesses", file_accesses(t));
    doc_array_flat(j, "fields");
    for (size_t i = 0; i < t->field_count; i++)
        doc_u64(j, NULL, t->field_rows[i]);
    doc_close(j);
    doc_embedded(j, "config", t->config);
    if (t->optimizer)
        doc_embedded(j, "optimizer", t->optimizer);
    else
        doc_text(j, "optimizer", NULL);
    doc_u64(j, "version", t->applied);
    doc_u64(j, "generation", t->generation);
    doc_u64(j, "lsn", t->lsn);
    doc_text(j, "origin", t->origin);
    doc_u64(j, "work", t->work);
    snprintf(text, sizeof text, "%016" PRIx64, t->checksum);
    doc_text(j, "checksum", t->checksum ? text : header_metadata(&t->header, "embd.checksum"));
    doc_u64(j, "file_bytes", t->identity.size);
}

void json_tensors(struct document *j, const struct header *h)
{
    doc_array(j, "tensors");
    for (size_t i = 0; i < h->tensor_count; i++) {
        const struct tensor *t = &h->tensor[i].tensor;

        doc_object(j, NULL);
        doc_text(j, "name", t->name);
        doc_text(j, "dtype", dtype_name(t->dtype));
        doc_array_flat(j, "shape");
        for (unsigned k = 0; k < t->rank; k++)
            doc_u64(j, NULL, t->shape[k]);
        doc_close(j);
        doc_u64(j, "bytes", t->bytes);
        doc_u64(j, "offset", h->tensor[i].offset);
        doc_close(j);
    }
    doc_close(j);
}

void print_file_tensors(const struct header *h)
{
    struct tensor_line *line = need_zero(h->tensor_count + 1, sizeof *line);

    for (size_t i = 0; i < h->tensor_count; i++) {
        const struct tensor *t = &h->tensor[i].tensor;

        line[i] = (struct tensor_line){.name = t->name,
                                       .dtype = dtype_name(t->dtype),
                                       .shape = t->shape,
                                       .rank = t->rank,
                                       .bytes = t->bytes};
    }
    print_tensors(line, h->tensor_count);
    mem_free(line);
}
