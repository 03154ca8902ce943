// The method of benches/harness/latency.rs, for loggers of C++: calls 1 to 2 µs apart or one a millisecond, each timed
// with the fenced counter, bursts, and as many as one can. Samples go to a file, numbers to standard output.

#pragma once

#include <dirent.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace pace {

struct Run {
    std::string scenario, folder;
    uint64_t calls, bursts, warm_up;
    int producer, consumer;
    // Ticks in a microsecond.
    uint64_t gap;

    Run(char **arguments)
        : scenario(arguments[1]), folder(arguments[2]), calls(atoll(arguments[3])), bursts(atoll(arguments[4])),
          warm_up(atoll(arguments[5])), producer(atoi(arguments[6])), consumer(atoi(arguments[7])),
          gap(atoll(arguments[8])) {}
};

inline uint64_t begin() {
    _mm_lfence();
    uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
}

inline uint64_t end() {
    unsigned core;
    uint64_t ticks = __rdtscp(&core);
    _mm_lfence();
    return ticks;
}

inline uint64_t monotonic() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return uint64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
}

// Chance, by xorshift.
struct Dice {
    uint64_t state = 0x9E3779B97F4A7C15;

    uint64_t roll() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    }

    // 0 to 15 ns or so: else all calls would begin just when the counter has moved.
    void dither() {
        uint64_t value = roll();
        for (uint64_t n = value % 32; n > 0; n--) {
            value *= 3;
            asm volatile("" : "+r"(value));
        }
    }
};

inline void pin(pid_t thread, int core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    sched_setaffinity(thread, sizeof cores, &cores);
}

// This thread on one core, all others of the process on the other.
inline void pin_apart(const Run &run) {
    pid_t self = pid_t(syscall(SYS_gettid));
    DIR *tasks = opendir("/proc/self/task");
    while (dirent *task = readdir(tasks)) {
        pid_t thread = atoi(task->d_name);
        if (thread > 0)
            pin(thread, thread == self ? run.producer : run.consumer);
    }
    closedir(tasks);
}

template <class Call, class Pause>
std::vector<uint32_t> sample(uint64_t calls, Call &&call, Pause &&pause) {
    // Not zeros: all pages are there.
    std::vector<uint32_t> samples(calls, 1);
    for (uint64_t n = 0; n < calls; n++) {
        pause();
        uint64_t from = begin();
        call(n);
        uint64_t ticks = end() - from;
        samples[n] = uint32_t(std::min<uint64_t>(ticks, UINT32_MAX));
    }
    return samples;
}

inline void write(const Run &run, const std::vector<uint32_t> &empty, const std::vector<uint32_t> &samples) {
    FILE *file = fopen((run.folder + "/samples").c_str(), "wb");
    uint32_t counts[2] = {uint32_t(empty.size()), uint32_t(samples.size())};
    fwrite(counts, 4, 2, file);
    fwrite(empty.data(), 4, empty.size(), file);
    fwrite(samples.data(), 4, samples.size(), file);
    fclose(file);
}

template <class Call> double nanoseconds(uint64_t calls, Call &&call) {
    uint64_t from = monotonic();
    for (uint64_t n = 0; n < calls; n++)
        call(n);
    return double(monotonic() - from) / double(calls);
}

// A 200-byte text that the compiler does not know.
inline std::string text() {
    std::string text;
    while (text.size() < 200)
        text += "the quick brown fox jumps over the lazy dog ";
    text.resize(200);
    asm volatile("" : : "r"(text.data()) : "memory");
    return text;
}

template <class Call> std::vector<uint32_t> latencies(const Run &run, Call &&call, Dice &dice) {
    if (run.scenario == "cold")
        return sample(run.calls, call, [] {
            timespec time = {0, 1000000};
            nanosleep(&time, nullptr);
        });
    return sample(run.calls, call, [&] {
        uint64_t until = __rdtsc() + run.gap + dice.roll() % run.gap;
        while (__rdtsc() < until) {
        }
        dice.dither();
    });
}

// Makes the calls of a run with one kind of call.
template <class Logger, class Call> void play_calls(const Run &run, Logger &logger, Call &&call) {
    uint64_t logged = run.warm_up;
    for (uint64_t n = 0; n < run.warm_up; n++)
        call(n);
    logger.flush();
    pin_apart(run);
    Dice dice;
    if (run.scenario == "burst") {
        std::vector<double> bursts;
        for (uint64_t n = 0; n < run.bursts; n++) {
            logger.flush();
            logged += run.calls;
            bursts.push_back(nanoseconds(run.calls, call));
        }
        std::sort(bursts.begin(), bursts.end());
        printf("number %.17g\n", bursts[bursts.size() / 2]);
    } else if (run.scenario == "drain") {
        logged += run.calls;
        uint64_t from = monotonic();
        nanoseconds(run.calls, call);
        printf("number %.17g\n", logger.drained(run, from));
    } else if (run.scenario == "disabled") {
        printf("number %.17g\n", nanoseconds(run.calls, [&](uint64_t n) { logger.disabled(n); }));
    } else {
        logged += run.calls;
        std::vector<uint32_t> samples = latencies(run, call, dice);
        std::vector<uint32_t> empty = sample(20000, [](uint64_t) {}, [&] { dice.dither(); });
        write(run, empty, samples);
    }
    printf("expected %lu\n", logged);
}

// Makes the calls of a run. A logger has: three(n), literal(), text(string), disabled(n), flush(), and drained(from),
// which returns the number that answers "drain" when the calls were begun at that time.
template <class Logger> void play(const Run &run, Logger &logger) {
    std::string text = pace::text();
    // Chosen here, not in the call: what is timed shall be the call and nothing else.
    if (run.scenario == "literal")
        play_calls(run, logger, [&](uint64_t) { logger.literal(); });
    else if (run.scenario == "text")
        play_calls(run, logger, [&](uint64_t) { logger.text(text); });
    else
        play_calls(run, logger, [&](uint64_t n) { logger.three(n); });
}

} // namespace pace
