// spdlog, asynchronous, into a text file.

#include "pace.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

struct Spdlog {
    std::shared_ptr<spdlog::logger> logger;

    void three(uint64_t n) {
        uint32_t joint = uint32_t(n % 29);
        logger->info("joint {} pos {} vel {}", joint, double(n) * 0.001, -0.5 * joint);
    }

    void literal() { logger->info("a literal of sixty-four bytes, as one writes them in robot code."); }

    void text(const std::string &text) { logger->info("{}", text); }

    void disabled(uint64_t n) { logger->debug("never seen {}", n); }

    // Asks for it, and gives the queue time to become empty.
    void flush() {
        logger->flush();
        while (spdlog::thread_pool()->queue_size() > 0)
            usleep(100);
        usleep(1000);
    }

    // The pool ends when it has written everything.
    double drained(const pace::Run &run, uint64_t from) {
        logger.reset();
        spdlog::shutdown();
        return double(run.calls) / double(pace::monotonic() - from) * 1e9;
    }
};

int main(int, char **arguments) {
    pace::Run run(arguments);
    spdlog::init_thread_pool(1 << 16, 1);
    auto logger = spdlog::basic_logger_mt<spdlog::async_factory>("rival", run.folder + "/rival.log", true);
    Spdlog spdlog{std::move(logger)};
    pace::play(run, spdlog);
    spdlog.logger.reset();
    spdlog::shutdown();
}
