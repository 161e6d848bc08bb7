/* SPDX-License-Identifier: Apache-2.0 */
/* A locked list and an eventfd. Any thread sends; the owner reads. The lock is held for a few
   instructions and one write(2) when the box was empty. */
#include "base/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum status mailbox_init(struct mailbox *m, struct error *e)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), failed;

    if (fd < 0)
        return error_errno(e, errno, "cannot make an eventfd");
    failed = pthread_mutex_init(&m->lock, NULL);
    if (failed) {
        close(fd);
        return error_errno(e, failed, "cannot make a mutex");
    }
    m->fd = fd;
    m->first = NULL;
    m->last = &m->first;
    return ST_OK;
}

void mailbox_done(struct mailbox *m)
{
    /* The last sender may still be on its way out of mailbox_send(). */
    pthread_mutex_lock(&m->lock);
    close(m->fd);
    m->fd = -1;
    pthread_mutex_unlock(&m->lock);
    pthread_mutex_destroy(&m->lock);
}

void mailbox_send(struct mailbox *m, struct mail *mail)
{
    uint64_t one = 1;

    mail->next = NULL;
    pthread_mutex_lock(&m->lock);
    /* Under the lock, so that a reader that ends after this mail cannot close the eventfd first. It
       fails only at 2^64 - 2, and it never counts beyond the mail that waits. */
    if (!m->first)
        while (write(m->fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
    *m->last = mail;
    m->last = &mail->next;
    pthread_mutex_unlock(&m->lock);
}

size_t mailbox_deliver(struct mailbox *m, void *receiver)
{
    struct mail *mail, *next;
    uint64_t count;
    size_t n = 0;

    pthread_mutex_lock(&m->lock);
    while (m->first && read(m->fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    mail = m->first;
    m->first = NULL;
    m->last = &m->first;
    pthread_mutex_unlock(&m->lock);
    for (; mail; mail = next, n++) {
        next = mail->next;
        mail->deliver(mail, receiver);
    }
    return n;
}

bool mailbox_wait(struct mailbox *m, int64_t timeout_us)
{
    uint64_t now = clock_now_us(), end = now + (uint64_t)timeout_us;
    struct pollfd p = {.fd = m->fd, .events = POLLIN};
    int n;

    do {
        uint64_t left = end > now ? end - now : 0;
        struct timespec t = {.tv_sec = (time_t)(left / 1000000),
                             .tv_nsec = (long)(left % 1000000) * 1000};

        n = ppoll(&p, 1, timeout_us < 0 ? NULL : &t, NULL);
        now = clock_now_us();
    } while (n < 0 && errno == EINTR);
    return n > 0;
}
