// SPDX-License-Identifier: BSD-2-Clause
// java Recompile.java SECONDS: four threads, each in a method of its own (thread-A in Recompile$A.turn …)
// whose compiled code is thrown away and made anew several times a second: the code cache gives the
// addresses of one method to another.

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.invoke.MutableCallSite;

public class Recompile {
	static volatile long sink;

	// A site whose target changes throws away all code that was compiled against it.
	static final MutableCallSite[] sites = new MutableCallSite[4];

	static {
		for (int i = 0; i < sites.length; i++)
			sites[i] = new MutableCallSite(target(i));
	}

	static MethodHandle target(int add) {
		try {
			MethodHandle plus = MethodHandles.lookup().findStatic(Recompile.class, "plus",
				MethodType.methodType(long.class, long.class, long.class));
			return MethodHandles.insertArguments(plus, 1, (long) add);
		} catch (ReflectiveOperationException e) {
			throw new AssertionError(e);
		}
	}

	static long plus(long a, long b) {
		return a * 31 + b;
	}

	static class A {
		static final MethodHandle site = sites[0].dynamicInvoker();

		static long turn(long s) throws Throwable {
			for (int i = 0; i < 20000; i++)
				s = (long) site.invokeExact(s) ^ i;
			return s;
		}
	}

	static class B {
		static final MethodHandle site = sites[1].dynamicInvoker();

		static long turn(long s) throws Throwable {
			for (int i = 0; i < 20000; i++)
				s = (long) site.invokeExact(s) + i;
			return s;
		}
	}

	static class C {
		static final MethodHandle site = sites[2].dynamicInvoker();

		static long turn(long s) throws Throwable {
			for (int i = 0; i < 20000; i++)
				s = (long) site.invokeExact(s) - i;
			return s;
		}
	}

	static class D {
		static final MethodHandle site = sites[3].dynamicInvoker();

		static long turn(long s) throws Throwable {
			for (int i = 0; i < 20000; i++)
				s = (long) site.invokeExact(s) | i;
			return s;
		}
	}

	interface Turn {
		long turn(long s) throws Throwable;
	}

	static void run(String name, long end, Turn turn) {
		Thread t = new Thread(() -> {
			try {
				while (System.nanoTime() < end)
					sink = turn.turn(sink);
			} catch (Throwable e) {
				throw new AssertionError(e);
			}
		}, "thread-" + name);
		t.start();
	}

	public static void main(String[] args) throws Exception {
		long end = System.nanoTime() + (long) (Double.parseDouble(args[0]) * 1e9);

		run("A", end, A::turn);
		run("B", end, B::turn);
		run("C", end, C::turn);
		run("D", end, D::turn);
		System.out.println("up");
		for (int i = 0; System.nanoTime() < end; i++) {
			sites[i % 4].setTarget(target(i));
			MutableCallSite.syncAll(new MutableCallSite[] { sites[i % 4] });
			Thread.sleep(50);
		}
	}
}
