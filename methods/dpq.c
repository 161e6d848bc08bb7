/* SPDX-License-Identifier: Apache-2.0 */
/* Differentiable product quantization, as it is served: product codes. Whether they were learned by
   distances (vq) or by dot products (sx) is the trainer's affair: a lookup is the same, and in sx
   the codebook is its table of values. Plans are in a file of their own. */
#include "methods/dpq.h"

#include <inttypes.h>

#include "base/memory.h"
#include "methods/init.h"

static const struct setting settings[] = {
    [DPQ_PARTS] = {"parts", SETTING_INT, .min = 1, .max = METHOD_DIM_MAX,
                   .help = "how many parts a row is cut into; divides the columns"},
    [DPQ_K] = {"k", SETTING_INT, .min = 1, .max = CODES_MOST,
               .help = "vectors that each part is chosen from"},
    [DPQ_SHARED] = {"shared", SETTING_BOOL, .fallback = "false",
                    .help = "whether all parts choose from the same vectors"},
    [DPQ_MODE] = {"mode", SETTING_CHOICE, .choices = "vq sx", .fallback = "vq",
                  .help = "how the codes were learned: by distances, or by dot products"},
    [DPQ_PACKING] = {"packing", SETTING_CHOICE, .choices = "bytes bits", .fallback = "bytes",
                     .help = "whole bytes for each code, or just the bits it needs"},
};

static const struct tensor_decl tensors[] = {
    [DPQ_CODEBOOK] = {"codebook", DT(F32), "parts*k D/parts", .when = "shared=false",
                      .flags = TENSOR_TRAINED, .help = "the vectors of each part"},
    [DPQ_COMMON_CODEBOOK] = {"codebook", DT(F32), "k D/parts", .when = "shared=true",
                             .flags = TENSOR_TRAINED, .help = "the vectors of all parts"},
    [DPQ_CODES] = {"codes", DT(U8) | DT(U16), "N parts", .when = "packing=bytes",
                   .flags = TENSOR_ADDRESS, .help = "which vector each part of a row is"},
    [DPQ_PACKED_CODES] = {"codes", DT(U8), "N row_bytes", .when = "packing=bits",
                          .flags = TENSOR_ADDRESS, .help = "which vector each part of a row is"},
};

struct codebook dpq_codebook(const struct parameters *p)
{
    bool shared = p->value[DPQ_SHARED].i;
    unsigned tensor = shared ? DPQ_COMMON_CODEBOOK : DPQ_CODEBOOK;
    size_t parts = (size_t)p->value[DPQ_PARTS].i;

    return (struct codebook){.tensor = tensor,
                             .data = p->tensor[tensor].data,
                             .parts = parts,
                             .width = p->dim / parts,
                             .step = shared ? 0 : (uint32_t)p->value[DPQ_K].i};
}

struct code_array dpq_codes(const struct parameters *p)
{
    if (p->value[DPQ_PACKING].i == CODES_BYTES)
        return code_array_plain(&p->tensor[DPQ_CODES]);
    return (struct code_array){.tensor = &p->tensor[DPQ_PACKED_CODES],
                               .rows = p->rows,
                               .parts = (uint64_t)p->value[DPQ_PARTS].i,
                               .bits = code_bits((uint64_t)p->value[DPQ_K].i)};
}

static enum status check(struct parameters *p, struct error *e)
{
    uint64_t k = (uint64_t)p->value[DPQ_K].i;
    struct code_array a = dpq_codes(p);
    enum status st;

    if (p->value[DPQ_PACKING].i == CODES_BYTES) {
        if ((st = code_type_check(a.tensor, k, e)) != ST_OK)
            return st;
    } else if (a.tensor->shape[1] != code_bytes(a.parts, a.bits)) {
        return error_set(
            e, ST_INVALID,
            "tensor \"%s\" has %" PRIu64 " bytes a row; %" PRIu64 " codes of %u bits take %" PRIu64,
            a.tensor->name, a.tensor->shape[1], a.parts, a.bits, code_bytes(a.parts, a.bits));
    }
    return code_array_check(&a, k, e);
}

static void locate(const struct parameters *p, const uint64_t *row, size_t n, struct code_row *out)
{
    struct code_array a = dpq_codes(p);

    for (size_t i = 0; i < n; i++)
        out[i] = (struct code_row){code_array_row(&a, row[i]), a.bits};
}

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    struct codebook book = dpq_codebook(p);

    codes_rows(p, &book, locate, row, n, out);
}

static void gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                     struct gradients *out)
{
    struct codebook book = dpq_codebook(p);

    codes_gradient(p, &book, locate, row, n, grad, out);
}

static size_t touched(const struct parameters *p, unsigned tensor, size_t rows)
{
    (void)tensor; /* the codebook, which alone is trained */
    return codes_touched((size_t)p->value[DPQ_PARTS].i, rows);
}

static void explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    struct codebook book = dpq_codebook(p);

    codes_explain(p, &book, locate, (uint64_t)p->value[DPQ_K].i, row, x);
}

/* Codes are drawn once and stay: pushes train the vectors that they choose. */
static enum status init(const struct init *init, struct parameters *p, struct error *e)
{
    struct codebook book = dpq_codebook(p);
    struct code_array a = dpq_codes(p);
    struct draws d = draws_of(init, a.tensor->name);
    uint64_t k = (uint64_t)p->value[DPQ_K].i;
    uint32_t *code = mem_zero(a.parts, sizeof *code);

    if (!code)
        return error_memory(e, "codes");
    init_normal(init, &p->tensor[book.tensor], init_deviation(init));
    for (uint64_t i = 0; i < a.rows; i++) {
        for (uint64_t j = 0; j < a.parts; j++)
            code[j] = (uint32_t)(draw_bits(&d, i * a.parts + j) % k);
        codes_pack((unsigned char *)a.tensor->data + i * code_bytes(a.parts, a.bits), a.bits, code,
                   a.parts);
    }
    mem_free(code);
    return ST_OK;
}

const struct method method_dpq = {
    .name = "dpq",
    .title = "DPQ (product codes)",
    .source = "Chen, Li and Sun, ICML 2020",
    .per_field = true,
    .extension = true,
    .settings = settings,
    .settings_count = sizeof settings / sizeof settings[0],
    .tensors = tensors,
    .tensors_count = sizeof tensors / sizeof tensors[0],
    .check = check,
    .rows = rows,
    .gradient = gradient,
    .touched = touched,
    .plan = dpq_plan,
    .share = dpq_share,
    .author_words = dpq_author_words,
    .init = init,
    .explain = explain,
};
