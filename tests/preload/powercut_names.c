/* SPDX-License-Identifier: Apache-2.0 */
/* LD_PRELOAD, the other half of powercut.c: names that come, go and change. A change is told in the
   order in which it happens; it is on disk when its folder is synced. */
#undef _FILE_OFFSET_BITS /* both names of each function are defined here */
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/preload/real.h"
#include "tests/preload/shadow.h"

static int do_unlink(int folder, const char *path, int flags)
{
    struct place place;
    int failed;

    if (!shadow_place(&place, folder, path))
        return REAL(unlinkat)(folder, path, flags);
    shadow_begin();
    shadow_keep(&place);
    failed = REAL(unlinkat)(folder, path, flags);
    if (!failed)
        shadow_event("remove", place.folder, 0, place.name);
    shadow_end();
    return failed;
}
OURS int unlink(const char *path)
{
    return do_unlink(AT_FDCWD, path, 0);
}
OURS int unlinkat(int folder, const char *path, int flags)
{
    return do_unlink(folder, path, flags);
}
OURS int remove(const char *path)
{
    struct stat st;

    return do_unlink(AT_FDCWD, path, !lstat(path, &st) && S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
}
OURS int rmdir(const char *path)
{
    return do_unlink(AT_FDCWD, path, AT_REMOVEDIR);
}

static int do_mkdir(int folder, const char *path, mode_t mode)
{
    struct place place;
    struct stat st;
    int failed;

    if (!shadow_place(&place, folder, path))
        return REAL(mkdirat)(folder, path, mode);
    shadow_begin();
    failed = REAL(mkdirat)(folder, path, mode);
    if (!failed && !fstatat(folder, path, &st, 0))
        shadow_event("folder", place.folder, st.st_ino, place.name);
    shadow_end();
    return failed;
}
OURS int mkdir(const char *path, mode_t mode)
{
    return do_mkdir(AT_FDCWD, path, mode);
}
OURS int mkdirat(int folder, const char *path, mode_t mode)
{
    return do_mkdir(folder, path, mode);
}

static int do_rename(int from, const char *old, int to, const char *new, unsigned flags)
{
    struct place before, after;
    struct stat st;
    int failed;
    bool leaves = shadow_place(&before, from, old), comes = shadow_place(&after, to, new);

    if (!leaves && !comes)
        return REAL(renameat2)(from, old, to, new, flags);
    if (!leaves || !comes || flags & ~1U /* RENAME_NOREPLACE */)
        shadow_die("a rename that is not understood");
    shadow_begin();
    shadow_keep(&after);
    failed = REAL(renameat2)(from, old, to, new, flags);
    if (!failed && !fstatat(to, new, &st, AT_SYMLINK_NOFOLLOW)) {
        char name[2 * NAME_MAX + 64];

        snprintf(name, sizeof name, "%s/%" PRIu64 "/%s", after.name, before.folder, before.name);
        shadow_event("rename", after.folder, st.st_ino, name);
    }
    shadow_end();
    return failed;
}
OURS int rename(const char *old, const char *new)
{
    return do_rename(AT_FDCWD, old, AT_FDCWD, new, 0);
}
OURS int renameat(int from, const char *old, int to, const char *new)
{
    return do_rename(from, old, to, new, 0);
}
OURS int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    return do_rename(from, old, to, new, flags);
}

/* One name more for a file that is followed already: what is on disk of it is known by its inode. */
OURS int linkat(int from, const char *old, int to, const char *new, int flags)
{
    struct place place, source;
    struct stat st;
    int failed;

    if (!shadow_place(&place, to, new))
        return REAL(linkat)(from, old, to, new, flags);
    if (flags || !shadow_place(&source, from, old))
        shadow_die("a link that is not understood");
    shadow_begin();
    failed = REAL(linkat)(from, old, to, new, flags);
    if (!failed && !fstatat(to, new, &st, AT_SYMLINK_NOFOLLOW))
        shadow_event("create", place.folder, st.st_ino, place.name);
    shadow_end();
    return failed;
}
OURS int link(const char *old, const char *new)
{
    return linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}
