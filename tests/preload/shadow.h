/* SPDX-License-Identifier: Apache-2.0 */
/* What a disk would hold if the power went now: for each file the content at its last sync, and a
   list of what happened to folders. Written as it happens, since the process is killed without
   warning; tests/system/powercut.py reads it. In the folder EMBD_POWERCUT_SHADOW:

     inode-N   content of inode N when it was last synced; of a file that was there at the start and
               was not opened for writing there is none
     kept-N    a hard link to an inode that lost its name
     folders   one line an event, in order, NAME to the end of the line:
                 create DIR N NAME     folder DIR N NAME     sync DIR 0
                 remove DIR 0 NAME     rename DIR N NAME/OLD-DIR/OLD-NAME

   Only what is below the folder EMBD_POWERCUT_ROOT is followed. Any thread. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A file that was opened for writing. */
struct shadow {
    uint64_t inode;
    struct shadow *next;
    pthread_mutex_t lock;
    bool whole;   /* anything may have changed since the last sync */
    bool mapped;  /* written by memory, too: always whole */
    bool dropped; /* the control: syncs of this file do nothing */
    unsigned ranges;
    struct {
        off_t from, to;
    } range[32]; /* that changed */
};

/* A name in a folder that is followed. */
struct place {
    char path[4096]; /* absolute */
    const char *name;
    uint64_t folder; /* inode */
};

/* Whether the process is to be followed; reads the environment once. */
bool shadow_on(void);
/* Whether a path given to a system call is followed, and where it leads. Links in its last part are
   not resolved. */
bool shadow_place(struct place *out, int folder, const char *path);
/* Whether an open descriptor leads below the root, and its place. */
bool shadow_follows(int fd);
bool shadow_place_of(struct place *out, int fd);

/* The shadow of a file that is open; `fresh`: it was just made, so nothing of it is on disk. All
   that an older file holds when it is met first is on disk. */
struct shadow *shadow_of(int fd, const struct place *place, bool fresh);
void shadow_changed(struct shadow *s, off_t from, off_t to);
void shadow_changed_whole(struct shadow *s, bool mapped);
/* All that has changed comes to disk. */
void shadow_sync(struct shadow *s, int fd);

/* Folder events are told in the order in which they happen: begin, the system call, the event, end.
 */
void shadow_begin(void);
void shadow_end(void);
void shadow_event(const char *what, uint64_t folder, uint64_t inode, const char *name);
/* Before a name is removed or replaced: its inode stays readable. */
void shadow_keep(const struct place *place);

/* A test that cannot go on: the simulation would be wrong. */
_Noreturn void shadow_die(const char *what);
