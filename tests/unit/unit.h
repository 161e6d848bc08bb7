/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes: cmocka with the headers it needs, checks of a status that show the
   sentence, and a folder of its own. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"

/* Under a sanitizer a test takes several times as long, and what it looks for is in the code rather
   than in the numbers: a loop over many cases of one kind may take fewer of them then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Check that a call which writes its sentence to `e` succeeds. */
#define assert_ok(call, e)                                                                         \
    do {                                                                                           \
        if ((call) != ST_OK)                                                                       \
            fail_msg("%s: %s", #call, (e).text);                                                   \
    } while (0)

/* Check that it fails with `st` and a sentence that holds `words`. */
#define assert_fails(call, st, e, words)                                                           \
    do {                                                                                           \
        enum status got_ = (call);                                                                 \
        if (got_ != (st))                                                                          \
            fail_msg("%s: %s, not %s", #call, status_name(got_), status_name(st));                 \
        if (!strstr((e).text, (words)))                                                            \
            fail_msg("%s: \"%s\" does not say \"%s\"", #call, (e).text, (words));                  \
    } while (0)

/* A new empty folder for one test; unit_folder_remove() takes it away with all that is in it. */
struct unit_folder {
    char path[64];
    char joined[4][PATH_MAX];
    unsigned turn;
};

static inline void unit_folder_make(struct unit_folder *f)
{
    strcpy(f->path, "/tmp/embd-unit-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    f->turn = 0;
}

/* "folder/name"; good until the fourth call after it. */
static inline const char *unit_path(struct unit_folder *f, const char *name)
{
    char *out = f->joined[f->turn++ % 4];

    size_t n = strlen(f->path), more = strlen(name);

    assert_true(n + 1 + more < PATH_MAX);
    memcpy(out, f->path, n);
    out[n] = '/';
    memcpy(out + n + 1, name, more + 1);
    return out;
}

static inline int unit_remove_one(const char *path, const struct stat *st, int type,
                                  struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static inline void unit_folder_remove(struct unit_folder *f)
{
    nftw(f->path, unit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Make a file that holds `n` bytes. */
static inline void unit_write(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}
