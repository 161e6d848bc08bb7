/* SPDX-License-Identifier: Apache-2.0 */
/* See codes.h. */
#include "tests/unit/cases/codes.h"

static unsigned bits_for(uint64_t k)
{
    return (unsigned)ceil(log2((double)k));
}

uint64_t codes_case_plain(const struct tensor *codes, uint64_t row, uint64_t part)
{
    uint64_t at = row * codes->shape[1] + part;

    return codes->dtype == DT_U8 ? ((const uint8_t *)codes->data)[at]
                                 : ((const uint16_t *)codes->data)[at];
}

uint64_t codes_case_packed(const struct tensor *codes, uint64_t row, uint64_t part, uint64_t k)
{
    const uint8_t *from = (const uint8_t *)codes->data + row * codes->shape[1];
    uint64_t code = 0;

    for (unsigned b = 0; b < bits_for(k); b++) {
        uint64_t at = part * bits_for(k) + b;

        code += (uint64_t)(from[at / 8] >> at % 8 & 1) << b;
    }
    return code;
}

void codes_case_fill(const struct parameters *p, const struct tensor *codes, uint64_t rows,
                     uint64_t k, bool packed, struct random *r)
{
    uint64_t parts = (uint64_t)kit_setting(p, "parts")->i;

    memset(codes->data, 0, codes->bytes);
    for (uint64_t i = 0; i < rows; i++)
        for (uint64_t part = 0; part < parts; part++) {
            uint64_t code = random_below(r, k);

            if (!packed && codes->dtype == DT_U8)
                ((uint8_t *)codes->data)[i * parts + part] = (uint8_t)code;
            else if (!packed)
                ((uint16_t *)codes->data)[i * parts + part] = (uint16_t)code;
            for (unsigned b = 0; packed && b < bits_for(k); b++) {
                uint64_t at = part * bits_for(k) + b;

                if (code >> b & 1)
                    ((uint8_t *)codes->data)[i * codes->shape[1] + at / 8] |=
                        (uint8_t)(1 << at % 8);
            }
        }
}

/* Where the vector of a part begins in the codebook. */
static uint64_t vector(const struct parameters *p, uint64_t id, codes_case_code *code, uint64_t k,
                       uint64_t part, uint64_t width)
{
    uint64_t first = kit_setting(p, "shared")->i ? 0 : part * k;

    return (first + code(p, id, part)) * width;
}

void codes_case_row(const struct parameters *p, uint64_t id, codes_case_code *code, uint64_t k,
                    float *out)
{
    uint64_t parts = (uint64_t)kit_setting(p, "parts")->i, width = p->dim / parts;
    const float *book = kit_tensor(p, "codebook")->data;

    for (uint64_t part = 0; part < parts; part++) {
        uint64_t at = vector(p, id, code, k, part, width);

        for (uint64_t j = 0; j < width; j++)
            out[part * width + j] = book[at + j];
    }
}

void codes_case_exact(const struct parameters *p, double *const *value, uint64_t id,
                      codes_case_code *code, uint64_t k, double *out)
{
    uint64_t parts = (uint64_t)kit_setting(p, "parts")->i, width = p->dim / parts;
    int book = method_tensor(p->method, p->value, "codebook", 8);

    for (uint64_t part = 0; part < parts; part++) {
        uint64_t at = vector(p, id, code, k, part, width);

        for (uint64_t j = 0; j < width; j++)
            out[part * width + j] = value[book][at + j];
    }
}
