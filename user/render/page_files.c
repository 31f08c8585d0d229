// SPDX-License-Identifier: BSD-2-Clause
/*
 * The files of the interactive page (user/render/page/), put into the program by the assembler. The
 * Makefile has joined the scripts to one and written the hashes that the page's security policy names.
 */
#include "render/page.h"
#include "page_hashes.h"

#ifndef PAGE_DIR
#define PAGE_DIR "build/page/"
#endif

#define SYMBOL(name, file)                \
	".globl " #name "\n" #name ":\n"  \
	".incbin \"" PAGE_DIR file "\"\n" \
	".byte 0\n"

__asm__(".pushsection .rodata\n" SYMBOL(page_style, "style.css") SYMBOL(page_body, "body.html")
		SYMBOL(page_script, "script.js") ".popsection\n");

const char page_policy[] =
	"default-src 'none'; style-src '" PAGE_STYLE_HASH "'; script-src '" PAGE_SCRIPT_HASH
	"'; base-uri 'none'; form-action 'none'";
