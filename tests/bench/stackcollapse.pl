#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
#
# perf script | stackcollapse.pl: samples as `comm;root;…;leaf COUNT`. What FlameGraph's
# stackcollapse-perf.pl does by default, without its options.
use strict;
use warnings;

my (%count, @stack, $comm);

sub sample {
	$count{join(";", $comm, @stack)}++ if defined $comm;
	@stack = ();
	undef $comm;
}

while (<>) {
	chomp;
	if ($_ eq "") {
		sample();
	} elsif (/^(\S.*?)\s+(\d+)\/?\d*\s+.*:/) {
		$comm = $1;
		$comm =~ tr/ /_/;
	} elsif (/^\s+[0-9a-f]+ (.+) \((.*)\)$/) {
		my ($name, $module) = ($1, $2);

		$name =~ s/\+0x[0-9a-f]+$//;
		$name = "[$1]" if $name eq "[unknown]" && $module =~ m{([^/]+)$};
		$name =~ tr/;/:/;
		unshift @stack, $name;
	}
}
sample();
print "$_ $count{$_}\n" foreach sort keys %count;
