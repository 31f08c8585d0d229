// SPDX-License-Identifier: BSD-2-Clause
// java Pause.java SECONDS: a thread named compute that computes and allocates nothing. It never waits by
// itself: for as long as it is blocked, the JVM has stopped it.

public class Pause {
	static volatile long sink;

	static long compute(long s) {
		for (int i = 0; i < 20000; i++)
			s = s * 31 + (s ^ i);
		return s;
	}

	public static void main(String[] args) throws Exception {
		long end = System.nanoTime() + (long) (Double.parseDouble(args[0]) * 1e9);
		Thread t = new Thread(() -> {
			while (System.nanoTime() < end)
				sink = compute(sink);
		}, "compute");

		t.start();
		Thread.sleep(1000); // until it is compiled
		System.out.println("up");
		t.join();
	}
}
