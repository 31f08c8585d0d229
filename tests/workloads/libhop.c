/* SPDX-License-Identifier: BSD-2-Clause */
/* cflags: -O2 -fomit-frame-pointer -foptimize-sibling-calls -fcf-protection=none */
/* ldflags: -Wl,-z,lazy */
/* For names plt: hop() is one instruction, a jump to the stub of landed(). */

void hop(void);
void landed(void);

void hop(void)
{
	landed();
}

void landed(void)
{
}
