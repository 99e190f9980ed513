// bench_load: producers that hand events in over a Unix socket, as fast as they are answered.
//
// One thread serves all of them. Each has at most --window events that are not answered yet; with
// --window 1 it waits for each answer. Prints one line of JSON.
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "support.hpp"

namespace flowrelay::bench {
namespace {

constexpr int stall_limit_ms = 30'000;

struct Options {
    std::string socket;
    std::string protocol = "ndjson";
    std::uint64_t events = 100'000;
    std::size_t producers = 1;
    std::size_t window = 1;
    std::size_t size = 500;
    std::uint64_t threads = 1000;
    double seconds = 0;
    bool ids = false;
};

/// How an event is wrapped, and how a good answer begins. Every answer is a line.
struct Protocol {
    std::string before;
    std::string after;
    std::string good;
};

Protocol protocol_of(const Options& options) {
    if (options.protocol == "ndjson") return {"", "\n", R"({"status":"accepted")"};
    if (options.protocol == "beanstalk") {
        return {fmt::format("put 1024 0 60 {}\r\n", options.size), "\r\n", "INSERTED "};
    }
    throw std::runtime_error("the protocol is ndjson or beanstalk");
}

constexpr std::string_view id_member = R"({"uuid":")";
constexpr std::size_t id_digits = 8;

/// The event with an id of the producer's own in front: another run has other ids.
std::string with_id(const std::string& event) {
    const auto run = Clock::now().time_since_epoch().count();
    return fmt::format(R"({}{:0{}}-{:016x}",{})", id_member, 0, id_digits, run, event.substr(1));
}

/// What all producers share.
struct Run {
    std::uint64_t next_id = 0;
    std::uint64_t left = 0;  ///< events that nobody has sent yet
    std::uint64_t answered = 0;
    std::uint64_t bad = 0;
    std::string first_bad;
    std::vector<std::uint32_t> latencies;
};

class Producer {
public:
    Producer(const Options& options, const Protocol& protocol, std::uint64_t first_thread)
        : socket_(connect_unix(options.socket)),
          protocol_(protocol),
          message_(protocol.before + event(options) + protocol.after),
          digits_at_(thread_digits_at(message_)),
          id_at_(options.ids ? protocol.before.size() + id_member.size() : 0),
          threads_(options.threads),
          next_thread_(first_thread),
          sent_at_(options.window) {
        set_nonblocking(socket_.get());
    }

    int fd() const noexcept { return socket_.get(); }
    bool wants_to_write() const noexcept { return written_ < output_.size(); }

    /// Adds events up to the window and writes what the socket takes.
    void send(Run& run) {
        if (written_ == output_.size()) {
            output_.clear();
            written_ = 0;
        }
        const auto now = Clock::now();
        while (run.left > 0 && sent_ - answered_ < sent_at_.size()) {
            --run.left;
            write_digits(message_.data() + digits_at_, next_thread_++ % threads_);
            if (id_at_ != 0) write_digits(message_.data() + id_at_, run.next_id++);
            output_ += message_;
            sent_at_[sent_++ % sent_at_.size()] = now;
        }
        while (wants_to_write()) {
            const auto size =
                ::send(fd(), output_.data() + written_, output_.size() - written_, MSG_NOSIGNAL);
            if (size < 0 && errno == EAGAIN) return;
            check(size < 0 ? -1 : 0, "send");
            written_ += static_cast<std::size_t>(size);
        }
    }

    void receive(Run& run) {
        while (true) {
            const auto size =
                ::recv(fd(), input_.data() + input_size_, input_.size() - input_size_, 0);
            if (size < 0 && errno == EAGAIN) return;
            check(size < 0 ? -1 : 0, "recv");
            if (size == 0) throw std::runtime_error("the server has closed the connection");
            input_size_ += static_cast<std::size_t>(size);
            take_lines(run);
            if (static_cast<std::size_t>(size) < input_.size() / 2) return;
        }
    }

private:
    static std::string event(const Options& options) {
        if (!options.ids) return make_event(options.size, 0);
        const std::size_t more = with_id("{").size() - 1;
        return with_id(make_event(options.size - std::min(options.size, more), 0));
    }

    void take_lines(Run& run) {
        const auto now = Clock::now();
        const char* begin = input_.data();
        const char* const end = begin + input_size_;
        while (const void* found =
                   std::memchr(begin, '\n', static_cast<std::size_t>(end - begin))) {
            const char* line_end = static_cast<const char*>(found);
            take_line(std::string_view(begin, static_cast<std::size_t>(line_end - begin)), now,
                      run);
            begin = line_end + 1;
        }
        input_size_ = static_cast<std::size_t>(end - begin);
        std::memmove(input_.data(), begin, input_size_);
        if (input_size_ == input_.size()) throw std::runtime_error("an answer has no end");
    }

    void take_line(std::string_view line, Clock::time_point now, Run& run) {
        if (!line.starts_with(protocol_.good)) {
            if (run.bad++ == 0) run.first_bad = line.substr(0, 200);
        }
        run.latencies.push_back(nanoseconds_since(sent_at_[answered_++ % sent_at_.size()], now));
        ++run.answered;
    }

    Descriptor socket_;
    const Protocol& protocol_;
    std::string message_;
    std::size_t digits_at_;
    std::size_t id_at_;  ///< 0: without ids
    std::uint64_t threads_;
    std::uint64_t next_thread_;
    std::vector<Clock::time_point> sent_at_;
    std::uint64_t sent_ = 0;
    std::uint64_t answered_ = 0;
    std::string output_;
    std::size_t written_ = 0;
    std::array<char, 64 * 1024> input_{};
    std::size_t input_size_ = 0;
};

void watch(int epoll, Producer& producer, int operation) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (producer.wants_to_write()) event.events |= EPOLLOUT;
    event.data.ptr = &producer;
    check(::epoll_ctl(epoll, operation, producer.fd(), &event), "epoll_ctl");
}

void serve(int epoll, const epoll_event& event, Run& run) {
    auto& producer = *static_cast<Producer*>(event.data.ptr);
    const bool waited_to_write = producer.wants_to_write();
    if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) producer.receive(run);
    producer.send(run);
    if (producer.wants_to_write() != waited_to_write) watch(epoll, producer, EPOLL_CTL_MOD);
}

double run_producers(const Options& options, Run& run) {
    const Protocol protocol = protocol_of(options);
    std::vector<std::unique_ptr<Producer>> producers;
    for (std::size_t i = 0; i < options.producers; ++i) {
        // Producers begin at different threads, so that they do not meet in the same lanes.
        const std::uint64_t first = i * options.threads / options.producers;
        producers.push_back(std::make_unique<Producer>(options, protocol, first));
    }
    run.left = options.events;
    run.latencies.reserve(options.events);

    const Descriptor epoll(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
    const auto begin = Clock::now();
    auto limit = Clock::time_point::max();
    if (options.seconds > 0) {
        limit = begin + std::chrono::microseconds(static_cast<std::int64_t>(options.seconds * 1e6));
    }
    for (const auto& producer : producers) {
        producer->send(run);
        watch(epoll.get(), *producer, EPOLL_CTL_ADD);
    }
    std::uint64_t wanted = options.events;
    std::array<epoll_event, 64> ready{};
    while (run.answered < wanted) {
        const int count = check(
            ::epoll_wait(epoll.get(), ready.data(), int{ready.size()}, stall_limit_ms), "epoll");
        if (count == 0) throw std::runtime_error("no answer for 30 s");
        for (int i = 0; i < count; ++i) serve(epoll.get(), ready[static_cast<std::size_t>(i)], run);
        if (run.left > 0 && Clock::now() >= limit) {
            wanted -= run.left;
            run.left = 0;
        }
    }
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace
}  // namespace flowrelay::bench

int main(int argc, char** argv) {
    using namespace flowrelay::bench;
    Options options;
    CLI::App cli("bench_load hands events in over a Unix socket and measures the answers.");
    cli.add_option("--socket", options.socket)->required();
    cli.add_option("--protocol", options.protocol, "ndjson or beanstalk")->capture_default_str();
    cli.add_option("--events", options.events, "in all")->capture_default_str();
    cli.add_option("--producers", options.producers, "connections")->capture_default_str();
    cli.add_option("--window", options.window, "unanswered events of each")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    cli.add_option("--size", options.size, "bytes of an event")->capture_default_str();
    cli.add_option("--threads", options.threads, "different thread ids")
        ->check(CLI::Range(1, 99'999'999))
        ->capture_default_str();
    cli.add_flag("--ids", options.ids, "each event has an id of the producer's own");
    cli.add_option("--seconds", options.seconds, "stop sending then; 0: never");
    CLI11_PARSE(cli, argc, argv);
    try {
        Run run;
        const double seconds = run_producers(options, run);
        if (run.bad > 0) fmt::print(stderr, "bench_load: refused: {}\n", run.first_bad);
        fmt::print(R"({{"events":{},"seconds":{:.4f},"events_per_s":{:.1f},"bad":{},{}}})"
                   "\n",
                   run.answered, seconds, static_cast<double>(run.answered) / seconds, run.bad,
                   percentile_members(run.latencies));
        return run.bad == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_load: {}\n", error.what());
        return 1;
    }
}
