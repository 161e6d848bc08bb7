/* SPDX-License-Identifier: Apache-2.0 */
/* Starts tests/system/fake_server.py for the tests of the client. */
#pragma once

#include <signal.h>
#include <sys/wait.h>

#include "client/embdclient.h"
#include "tests/unit/unit.h"

struct fake_server {
    struct unit_folder folder;
    char address[80];
    pid_t pid;
};

static inline void fake_server_start(struct fake_server *s)
{
    const char *python = getenv("PYTHON"), *source = getenv("TOP_SRCDIR");
    char script[PATH_MAX], answer[7] = "";
    int pipe_fd[2];

    unit_folder_make(&s->folder);
    snprintf(s->address, sizeof s->address, "unix:%s/s", s->folder.path);
    snprintf(script, sizeof script, "%s/tests/system/fake_server.py", source ? source : ".");
    assert_int_equal(pipe(pipe_fd), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        dup2(pipe_fd[1], 1);
        close(pipe_fd[0]);
        close(pipe_fd[1]);
        execlp(python ? python : "python3", "python3", script, s->address + 5, (char *)NULL);
        _exit(127);
    }
    close(pipe_fd[1]);
    assert_int_equal(read(pipe_fd[0], answer, 6), 6);
    assert_string_equal(answer, "ready\n");
    close(pipe_fd[0]);
}

static inline void fake_server_stop(struct fake_server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    unit_folder_remove(&s->folder);
}

/* One unary call whose request is the name of a scenario. The reply as text goes to `reply`. */
static inline int fake_ask(embd_client *client, const char *scenario, int64_t timeout_ms,
                           char *reply, size_t room, char *error)
{
    void *data = NULL;
    size_t n = 0;
    int failed = embd_client_unary(client, "/fake.Fake/Do", scenario, strlen(scenario), timeout_ms,
                                   &data, &n, error);

    if (!failed) {
        assert_true(n < room);
        memcpy(reply, data, n);
        reply[n] = '\0';
    }
    embd_client_free(data);
    return failed;
}
