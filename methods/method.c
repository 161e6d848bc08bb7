/* SPDX-License-Identifier: Apache-2.0 */
/* The list of methods, made from METHODS in Makefile.am, and finding things by name in it. */
#include "methods/method.h"

#include <string.h>

#define METHOD(name) extern const struct method method_##name;
#include "methods/methods.def"
#undef METHOD

#define METHOD(name) &method_##name,
const struct method *const methods[] = {
#include "methods/methods.def"
    NULL,
};
#undef METHOD

static bool same(const char *name, const char *s, size_t n)
{
    return strlen(name) == n && memcmp(name, s, n) == 0;
}

const struct method *method_find(const char *name, size_t n)
{
    for (const struct method *const *m = methods; *m; m++)
        if (same((*m)->name, name, n))
            return *m;
    return NULL;
}

int method_setting(const struct method *m, const char *name, size_t n)
{
    for (size_t i = 0; i < m->settings_count; i++)
        if (same(m->settings[i].name, name, n))
            return (int)i;
    return -1;
}

int method_tensor(const struct method *m, const struct value *value, const char *name, size_t n)
{
    for (size_t i = 0; i < m->tensors_count; i++)
        if (same(m->tensors[i].name, name, n) && condition_holds(m, value, m->tensors[i].when))
            return (int)i;
    return -1;
}
