// LTTng-UST: tracepoints with typed fields.

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "lttng_calls.h"

#include "pace.hpp"

struct Lttng {
    void three(uint64_t n) {
        uint32_t joint = uint32_t(n % 29);
        lttng_ust_tracepoint(rivals, three, joint, double(n) * 0.001, -0.5 * joint);
    }

    void literal() { lttng_ust_tracepoint(rivals, literal); }

    void text(const std::string &text) { lttng_ust_tracepoint(rivals, text, text.c_str()); }

    // An event that nobody has switched on.
    void disabled(uint64_t n) { lttng_ust_tracepoint(rivals, never, n); }

    // A burst fits into the buffers several times; the daemon empties them soon after.
    void flush() { usleep(200000); }

    // When it began; the daemon knows when it is done.
    double drained(const pace::Run &, uint64_t from) { return double(from); }
};

int main(int, char **arguments) {
    pace::Run run(arguments);
    Lttng lttng;
    pace::play(run, lttng);
}
