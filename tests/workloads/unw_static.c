// SPDX-License-Identifier: BSD-2-Clause
/* cflags: -O2 -fomit-frame-pointer -fno-optimize-sibling-calls -fno-ipa-icf -fno-pie */
/* ldflags: -static -no-pie */
#include "unw_depth.c"
