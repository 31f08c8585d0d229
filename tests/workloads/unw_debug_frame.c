// SPDX-License-Identifier: BSD-2-Clause
/* cflags: -O2 -fomit-frame-pointer -fno-optimize-sibling-calls -fno-ipa-icf -fno-asynchronous-unwind-tables -fno-unwind-tables */
/* Its own functions have their CFI in .debug_frame only, beside the .eh_frame of libc's _start. */
#include "unw_depth.c"
