/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_DEMANGLE_H
#define TPROF_DEMANGLE_H

#include <stddef.h>

/* Longest name that is let through, with its NUL; longer ones are cut. */
#define DEMANGLE_MAX 4096

/*
 * The name of a symbol as people know it, into out (cap ≤ DEMANGLE_MAX bytes, cut to fit):
 *
 *	_ZNSt6vectorIiSaIiEE9push_backEOi          std::vector<int, std::allocator<int> >::push_back
 *	_ZN4core3fmt5write17h0123456789abcdefE     core::fmt::write
 *	_RNvCs1234_7mycrate3foo                    mycrate::foo
 *	memcpy@@GLIBC_2.14                         memcpy
 *
 * C++ parameters are left out, template arguments stay; Rust hashes are left out. What is not
 * mangled, or nonsense, or takes too much, is copied. Returns the length.
 */
size_t demangle(const char *symbol, char *out, size_t cap);

#endif
