/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's file layer with a fault. Shared memory is left out: the log needs none, as it has its
   file for itself, and the statistics keep a rollback journal. */
#include "tests/unit/faulty_vfs.h"

#include <sqlite3.h>
#include <string.h>

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
    int error_number;   /* of the last fault */
};

static sqlite3_vfs *below, layer;
static struct faulty *armed;
static void (*called)(void *context);
static void *called_with;

static bool strikes(enum faulty_operation operation, sqlite3_file *file)
{
    if (!armed || !(armed->operations & operation))
        return false;
    if (armed->after > 0) {
        armed->after--;
        return false;
    }
    if (armed->hits > 0 && !armed->for_ever)
        return false;
    armed->hits++;
    if (called) {
        called(called_with);
        return false;
    }
    if (file)
        ((struct faulty_file *)file)->error_number = armed->error_number;
    return true;
}

static sqlite3_file *real(sqlite3_file *file)
{
    return ((struct faulty_file *)file)->real;
}

static int file_close(sqlite3_file *file)
{
    return real(file)->pMethods->xClose(real(file));
}

static int file_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
    if (strikes(FAULTY_READ, file))
        return armed->code;
    return real(file)->pMethods->xRead(real(file), to, n, at);
}

/* A write that fails may have written a part. */
static int file_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
    if (strikes(FAULTY_WRITE, file)) {
        real(file)->pMethods->xWrite(real(file), from, n / 2, at);
        return armed->code;
    }
    return real(file)->pMethods->xWrite(real(file), from, n, at);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (strikes(FAULTY_TRUNCATE, file))
        return armed->code;
    return real(file)->pMethods->xTruncate(real(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    if (strikes(FAULTY_SYNC, file))
        return armed->code;
    (void)flags;
    return SQLITE_OK; /* nobody cuts the power here, and hundreds of runs are quicker without */
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real(file)->pMethods->xFileSize(real(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xLock(real(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xUnlock(real(file), level);
}

static int file_reserved(sqlite3_file *file, int *out)
{
    return real(file)->pMethods->xCheckReservedLock(real(file), out);
}

static int file_control(sqlite3_file *file, int op, void *argument)
{
    int number = ((struct faulty_file *)file)->error_number;

    if (op == SQLITE_FCNTL_LAST_ERRNO && number) {
        *(int *)argument = number;
        return SQLITE_OK;
    }
    return real(file)->pMethods->xFileControl(real(file), op, argument);
}

static int file_sector(sqlite3_file *file)
{
    return real(file)->pMethods->xSectorSize(real(file));
}

static int file_device(sqlite3_file *file)
{
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct faulty_file *f = (struct faulty_file *)file;
    int code;

    (void)vfs;
    file->pMethods = NULL;
    if (strikes(FAULTY_OPEN, NULL))
        return armed->code;
    f->real = (sqlite3_file *)(f + 1);
    f->error_number = 0;
    code = below->xOpen(below, name, f->real, flags, out);
    if (code == SQLITE_OK)
        file->pMethods = &methods;
    return code;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    if (strikes(FAULTY_DELETE, NULL))
        return armed->code;
    return below->xDelete(below, name, sync);
}

void faulty_install(void)
{
    if (below)
        return;
    below = sqlite3_vfs_find(NULL);
    layer = *below;
    layer.pNext = NULL;
    layer.zName = "faulty";
    layer.szOsFile = (int)sizeof(struct faulty_file) + below->szOsFile;
    layer.xOpen = open_file;
    layer.xDelete = delete_file;
    sqlite3_vfs_register(&layer, 1);
}

void faulty_arm(struct faulty *f)
{
    armed = f;
    called = NULL;
}

void faulty_call(void (*call)(void *context), void *context)
{
    called = call;
    called_with = context;
}
