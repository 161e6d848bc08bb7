/* SPDX-License-Identifier: Apache-2.0 */
/* Word to the service manager, as systemd wants it (Type=notify). Main thread. */
#pragma once

/* Send lines such as "READY=1\nSTATUS=…" to $NOTIFY_SOCKET; nothing happens without one. */
void notify_manager(const char *lines);
