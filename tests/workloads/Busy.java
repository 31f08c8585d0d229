// SPDX-License-Identifier: BSD-2-Clause
// java Busy.java SECONDS: one thread computes, four write a log through one lock.

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.concurrent.locks.ReentrantLock;

public class Busy {
	static final ReentrantLock lock = new ReentrantLock();
	static final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
	static final PrintStream log = new PrintStream(bytes);
	static volatile long sink;

	static long compute(long n) {
		long s = n;
		for (int i = 0; i < 20000; i++)
			s = s * 31 + Long.hashCode(s ^ i);
		return s;
	}

	static void append(long n) {
		lock.lock();
		try {
			if (bytes.size() > 1 << 20)
				bytes.reset();
			log.println("line " + n + " of " + Thread.currentThread().getName());
			sink = compute(n);
		} finally {
			lock.unlock();
		}
	}

	public static void main(String[] args) throws Exception {
		long end = System.nanoTime() + (long) (Double.parseDouble(args[0]) * 1e9);

		for (int i = 0; i < 4; i++) {
			Thread t = new Thread(() -> {
				for (long n = 0; System.nanoTime() < end; n++)
					append(n);
			}, "logger-" + i);
			t.start();
		}
		System.out.println("up");
		while (System.nanoTime() < end)
			sink = compute(sink);
	}
}
