// SPDX-License-Identifier: BSD-2-Clause
/* cflags: -O3 -flto -fomit-frame-pointer -fno-optimize-sibling-calls */
/*
 * unw_cxx DEPTH: main → Node::visit × DEPTH (virtual, in turns of two classes) → thrower() →
 * burn(), in the destructor that runs while an exception unwinds and in the handler.
 */
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#define NOINLINE __attribute__((noinline, noclone))

static volatile uint64_t sink;
static volatile bool forever = true;

NOINLINE void burn(int rounds)
{
	for (int i = 0; i < rounds * 200000; i++)
		sink = sink + (sink ^ 5);
}

struct Guard {
	NOINLINE ~Guard()
	{
		burn(1);
	}
};

NOINLINE void thrower(int depth)
{
	Guard guard;

	if (depth >= 0)
		throw std::runtime_error("as planned");
	sink = sink + 1;
}

struct Node {
	std::unique_ptr<Node> next;
	virtual ~Node() = default;
	virtual void visit(int depth) = 0;
	NOINLINE void bottom(int depth)
	{
		try {
			thrower(depth);
		} catch (const std::exception &) {
			burn(1);
		}
		sink = sink + 1;
	}
	void further(int depth)
	{
		if (next)
			next->visit(depth + 1);
		else
			bottom(depth);
		sink = sink + 1;
	}
};

struct Odd : Node {
	NOINLINE void visit(int depth) override
	{
		further(depth);
		sink = sink + 1;
	}
};

struct Even : Node {
	NOINLINE void visit(int depth) override
	{
		volatile char room[200];

		room[depth % 200] = 1;
		further(depth);
		sink = sink + room[depth % 200];
	}
};

int main(int argc, char **argv)
{
	int depth = argc > 1 ? atoi(argv[1]) : 10;
	std::unique_ptr<Node> head;

	for (int i = 0; i < depth; i++) {
		std::unique_ptr<Node> n;

		if (i % 2)
			n = std::make_unique<Odd>();
		else
			n = std::make_unique<Even>();
		n->next = std::move(head);
		head = std::move(n);
	}
	while (forever)
		head->visit(0);
	return 0;
}
