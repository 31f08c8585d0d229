// SPDX-License-Identifier: BSD-2-Clause
/* cflags: -O2 -fomit-frame-pointer -fno-optimize-sibling-calls -fno-ipa-icf -fpie */
/* ldflags: -static-pie */
#include "unw_depth.c"
