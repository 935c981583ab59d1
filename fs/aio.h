/*
 * Between the two halves of Linux AIO: contexts with their rings of events (fs/aioring.c), and the requests that become events (fs/aio.c).
 */
#pragma once

#include "kernel/abi.h"

struct aio_context;

/* The caller's context of this name, with a reference; NULL: none. */
struct aio_context *aio_context_get(u64 id);
void aio_context_hold(struct aio_context *c);	/* one reference more */
void aio_context_put(struct aio_context *c);	/* the last one unpins the ring */

/* Each request has a place in the ring from before it begins: false, there is none. */
bool aio_event_reserve(struct aio_context *c);
void aio_event_unreserve(struct aio_context *c);
/* It is over: the event takes the place. Any context but interrupts. The caller holds a reference. */
void aio_event_add(struct aio_context *c, const struct io_event *event);

/* fs/aio.c: before the first context: the thread that ends transfers. 0 or -ENOMEM. */
int aio_start(void);
