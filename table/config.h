/* SPDX-License-Identifier: Apache-2.0 */
/* Method settings as JSON: the object `embd.config` of a table file, read and written. */
#pragma once

#include <jansson.h>

#include "methods/method.h"

/* Read one JSON value as a setting says and hold it against its range. The sentence begins with the
   setting's name. */
MUST_CHECK enum status config_value_read(const struct setting *s, const json_t *json,
                                         struct value *value, struct error *e);

/* The settings of all parts that are set, and `seed` if it is not 0, as compact JSON; reading it
   back gives the same values to the bit. `per_field`: the parts are fields. `*out` is yours
   (mem_free). */
MUST_CHECK enum status config_write(char **out, const struct parameters *part, size_t parts,
                                    bool per_field, uint64_t seed, struct error *e);
