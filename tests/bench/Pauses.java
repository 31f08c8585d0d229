// SPDX-License-Identifier: BSD-2-Clause
// java Pauses.java SECONDS: work of 4 threads on much compiled code; each 100 ms a line "MILLISECONDS-SINCE-EPOCH MS":
// the longest time within them for which a thread that only looks at the clock and allocates did not run.

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

public class Pauses {
	static volatile long sink;

	static void work(long end) {
		while (System.nanoTime() < end) {
			List<String> list = new ArrayList<>();
			for (int i = 0; i < 2000; i++)
				list.add(String.format("%d-%s", i * 7919 % 2000, Integer.toHexString(i)));
			Collections.sort(list);
			sink += list.get(0).hashCode();
			try {
				Thread.sleep(20);
			} catch (InterruptedException e) {
				return;
			}
		}
	}

	public static void main(String[] args) {
		long end = System.nanoTime() + (long) (Double.parseDouble(args[0]) * 1e9);

		for (int i = 0; i < 4; i++)
			new Thread(() -> work(end)).start();
		long longest = 0, last = System.nanoTime(), printed = last;
		while (last < end) {
			byte[] garbage = new byte[64];
			sink += garbage.length;
			long now = System.nanoTime();
			longest = Math.max(longest, now - last);
			if (now - printed > 100_000_000L) {
				System.out.println(System.currentTimeMillis() + " " + longest / 1e6);
				System.out.flush();
				longest = 0;
				printed = now = System.nanoTime();
			}
			last = now;
		}
	}
}
