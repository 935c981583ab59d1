/* QEMU's fw_cfg: files that the host's runner hands over (docs/specs/fw_cfg.rst of QEMU). */
#pragma once

#include "kernel/types.h"

/* The whole file in fresh memory (kfree), with a NUL behind it. 0, -ENOENT (also: no such device), -ENOMEM. */
int fwcfg_read_file(const char *name, void **data, size_t *size);
