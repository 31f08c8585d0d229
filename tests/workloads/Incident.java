// SPDX-License-Identifier: BSD-2-Clause
// java Incident.java MODE SECONDS: the second incident (docs/incident-java.md).
//
//	per-task   a thread for each task, as Spring's SimpleAsyncTaskExecutor has it
//	one-lock   a pool; each task logs through one lock, and formats under it
//	fixed      a pool; each task formats by itself, one thread writes

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;

public class Incident {
	static final OutputStreamAppender appender = new OutputStreamAppender();
	static final BlockingQueue<String> lines = new ArrayBlockingQueue<>(10000);
	static volatile int sink;

	static ThreadFactory named(String name) {
		AtomicInteger n = new AtomicInteger();
		return body -> {
			Thread t = new Thread(body, name + n.incrementAndGet());
			t.setDaemon(true);
			return t;
		};
	}

	static class SimpleAsyncTaskExecutor implements Executor {
		final ThreadFactory threads = named("SimpleAsync-");

		public void execute(Runnable task) {
			threads.newThread(task).start();
		}
	}

	static String format(int task) {
		StringBuilder line = new StringBuilder();
		for (int i = 0; i < 60; i++)
			line.append("task ").append(task).append(" step ").append(i).append(' ');
		return line.toString();
	}

	// About a millisecond of formatting.
	static void formatLong(int task) {
		long end = System.nanoTime() + 1000000;
		while (System.nanoTime() < end)
			sink += format(task).hashCode();
	}

	// As logback's: one lock for all who log, held while the line is made and written.
	static class OutputStreamAppender {
		final ReentrantLock streamWriteLock = new ReentrantLock(false);

		void writeBytes(int task) {
			streamWriteLock.lock();
			try {
				formatLong(task);
			} finally {
				streamWriteLock.unlock();
			}
		}

		void append(int task) {
			writeBytes(task);
		}
	}

	static void logByQueue(int task) {
		formatLong(task);
		lines.offer("task " + task);
	}

	static void work(int task) {
		int h = task;
		for (int i = 0; i < 20000; i++)
			h = h * 31 + i;
		sink += h;
	}

	static void writer() {
		try {
			for (;;)
				sink += lines.take().length();
		} catch (InterruptedException e) {
			return;
		}
	}

	public static void main(String[] args) throws Exception {
		String mode = args[0];
		long end = System.nanoTime() + (long) (Double.parseDouble(args[1]) * 1e9);
		boolean perTask = mode.equals("per-task"), oneLock = mode.equals("one-lock");
		Executor executor = perTask ? new SimpleAsyncTaskExecutor()
				: Executors.newFixedThreadPool(8, named("pool-"));

		if (mode.equals("fixed"))
			named("log-writer").newThread(Incident::writer).start();
		System.out.println("up");
		Semaphore open = new Semaphore(32);
		for (int task = 0; System.nanoTime() < end; task++) {
			int t = task;
			open.acquire();
			executor.execute(() -> {
				work(t);
				if (oneLock)
					appender.append(t);
				else if (!perTask)
					logByQueue(t);
				open.release();
			});
			// there is always more to log than the one lock lets through
			if (!oneLock)
				Thread.sleep(perTask ? 2 : 4);
		}
		System.exit(0);
	}
}
