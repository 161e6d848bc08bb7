/* SPDX-License-Identifier: Apache-2.0 */
/* For libraries that stand in front of the C library. Include <dlfcn.h> before it. */
#pragma once

/* The real function behind one of ours. */
#define REAL(f)                                                                                    \
    ((__typeof__(&f))({                                                                            \
        static void *_Atomic slot_;                                                                \
        void *real_ = slot_;                                                                       \
        if (!real_)                                                                                \
            slot_ = real_ = dlsym(RTLD_NEXT, #f);                                                  \
        real_;                                                                                     \
    }))
#define OURS __attribute__((visibility("default")))
