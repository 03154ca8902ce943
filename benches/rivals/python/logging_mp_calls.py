"""The method of benches/harness/latency.rs for logging_mp: a child process logs, the parent's thread writes.

Samples go to a file, in nanoseconds; numbers to standard output.
"""
import array
import glob
import logging
import multiprocessing
import os
import sys
import threading
import time

import logging_mp

LITERAL = "a literal of sixty-four bytes, as one writes them in robot code."
EMPTY = 20_000


def calls_of(scenario, logger):
    text = ("the quick brown fox jumps over the lazy dog " * 5)[:200]
    if scenario == "literal":
        return lambda n: logger.info(LITERAL)
    if scenario == "text":
        return lambda n: logger.info("%s", text)
    if scenario == "disabled":
        return lambda n: logger.debug("never seen %s", n)
    return lambda n: logger.info("joint %s pos %s vel %s", n % 29, n * 0.001, -0.5 * (n % 29))


def sample(calls, call, pause):
    samples = array.array("I", [1]) * calls
    clock = time.perf_counter_ns
    for n in range(calls):
        pause()
        begin = clock()
        call(n)
        samples[n] = min(clock() - begin, 0xFFFFFFFF)
    return samples


def wait_a_microsecond():
    until = time.perf_counter_ns() + 1_000
    while time.perf_counter_ns() < until:
        pass


def child(scenario, folder, calls, warm_up, producer, answers):
    os.sched_setaffinity(0, {producer})
    logger = logging_mp.getLogger("rival")
    call = calls_of(scenario, logger)
    for n in range(warm_up):
        call(n)
    begin = time.monotonic_ns()
    if scenario == "drain":
        for n in range(calls):
            call(n)
        answers.put(begin)
    elif scenario == "disabled":
        for n in range(calls):
            call(n)
        answers.put((time.monotonic_ns() - begin) / calls)
    else:
        pause = (lambda: time.sleep(0.001)) if scenario == "cold" else wait_a_microsecond
        samples = sample(calls, call, pause)
        empty = sample(EMPTY, lambda n: None, lambda: None)
        with open(os.path.join(folder, "samples"), "wb") as file:
            array.array("I", [len(empty), len(samples)]).tofile(file)
            empty.tofile(file)
            samples.tofile(file)
        answers.put(0)


def lines(folder):
    total = 0
    for path in glob.glob(os.path.join(folder, "*.log")):
        with open(path, "rb") as file:
            total += sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 16), b""))
    return total


def main():
    scenario, folder = sys.argv[1:3]
    calls, _, warm_up, producer, consumer, _ = map(int, sys.argv[3:9])
    logging_mp.basicConfig(level=logging.INFO, console=False, file=True, file_path=folder)
    expected = 0 if scenario == "disabled" else warm_up + calls
    # Forked, so that it has the queue; it is the one that is timed.
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=child, args=(scenario, folder, calls, warm_up, producer, answers))
    process.start()
    for thread in threading.enumerate():
        os.sched_setaffinity(thread.native_id, {consumer})
    answer = answers.get()
    while lines(folder) < expected:
        time.sleep(0.01)
    if scenario == "drain":
        answer = calls / (time.monotonic_ns() - answer) * 1e9
    process.join()
    print("number", answer)
    print("expected", expected)


if __name__ == "__main__":
    main()
