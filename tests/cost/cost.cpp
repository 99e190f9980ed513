// cost: hands a fixed number of events in, or delivers them, on the real path from socket to disk
// and from disk to socket, in one thread and by a clock of its own, so that a run does the same as
// the last one. check.py runs it under callgrind, which counts the instructions of
// measured_round(). Prints what was measured as one line of JSON.
//
//   cost ingest   producers' lines over a Unix socket, 64 at a time, one commit for them
//   cost drain    a backlog that a start finds, over 32 connections to a server that answers at
//   once
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "flowrelay/core/relay.hpp"
#include "flowrelay/runtime/delivery.hpp"
#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/ingest_session.hpp"
#include "flowrelay/runtime/spawn.hpp"
#include "flowrelay/runtime/start_up.hpp"
#include "flowrelay/runtime/storage_work.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "flowrelay/storage/spool.hpp"
#include "support/temporary_directory.hpp"

// Every allocation, those of the libraries as well, comes through here.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {
std::uint64_t allocations = 0;
}

extern "C" {
void* malloc(std::size_t size) {
    ++allocations;
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
    ++allocations;
    return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
    ++allocations;
    return __libc_realloc(old, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    ++allocations;
    return __libc_memalign(alignment, size);
}
}

namespace flowrelay::cost {
namespace {

constexpr std::uint64_t warm_events = 2048;
constexpr std::uint64_t measured_events = 8192;
constexpr std::uint64_t tail_events = 2048;  ///< of a drain: the last ones are not as the others
constexpr std::size_t events_of_batch = 64;
constexpr std::size_t event_size = 500;
constexpr std::uint64_t threads = 1000;

/// Each look is later than the one before it by the same time, which is more than an HttpClient
/// leaves between an answer and the next request. It is a day ahead of the system's clock, which
/// timers go by: none of them ends during a run.
class SteppingClock final : public Clock {
public:
    Now now() const override {
        now_.mono += step;
        now_.wall = wall_ + std::chrono::duration_cast<Milliseconds>(now_.mono - begin_);
        return now_;
    }

private:
    static constexpr std::chrono::microseconds step{200};
    MonoTime begin_ = std::chrono::steady_clock::now() + std::chrono::hours(24);
    WallTime wall_{Milliseconds(1'700'000'000'000)};
    mutable Now now_{begin_, wall_};
};

/// As the daemon's, which leaves out what is for debugging.
class QuietLog final : public Log {
public:
    using Log::write;
    bool enabled(Severity severity) const noexcept override { return severity != Severity::debug; }
    void write(const LogEvent&, std::span<const LogField>) noexcept override {}
};

/// Carries out in this thread what the storage thread does in the daemon.
class InlineStorage final : public runtime::StorageMailbox {
public:
    explicit InlineStorage(std::unique_ptr<storage::Spool> spool) : work_(std::move(spool)) {}

    /// Outcomes wait for others, as they do for 100 ms in the daemon.
    bool work() {
        if (mail_.empty() || (mail_.can_wait() && mail_.settlements.size() < 512)) return false;
        for (auto& completion : work_.carry_out(std::exchange(mail_, Mail()))) completion();
        while (work_.maintain()) {
        }
        return true;
    }
    void end() {
        for (auto& completion : work_.carry_out(std::exchange(mail_, Mail()))) completion();
        work_.end();
    }

private:
    void mail_came(bool, bool) override {}

    runtime::StorageWork work_;
};

template <class T>
T opened(Result<T> result) {
    if (result.has_error()) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

int checked(int result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), what);
    return result;
}

/// The relay with its spool.
class Machine {
public:
    Machine(const std::string& directory, const Clock& clock)
        : files_(storage::make_posix_file_system()), clock_(clock) {
        storage::LogOptions options;
        options.segment_size = 64 << 20;
        options.max_size = 1 << 30;
        options.salt_seed = 1;
        auto spool = opened(storage::Spool::open(*files_, directory, options, log_));
        core::RelayOptions relay;
        relay.destination = "http://127.0.0.1";
        relay_.emplace(std::move(relay), Salt{}, spool->entries(), Random(1), log_);
        runtime::restore(*relay_, *spool, {}, Milliseconds(0), clock_.now());
        storage_.emplace(std::move(spool));
        engine_.emplace(io_.get_executor(), *relay_, *storage_, clock_);
    }

    /// What the daemon's two threads do until both have nothing to do.
    bool round() {
        bool any = false;
        while (true) {
            const bool ran = io_.poll() > 0;
            const bool stored = storage_->work();
            if (!ran && !stored) return any;
            any = true;
        }
    }

    boost::asio::io_context& io() { return io_; }
    runtime::Engine& engine() { return *engine_; }
    const core::Relay& relay() const { return *relay_; }
    const Clock& clock() const { return clock_; }
    void end() { storage_->end(); }

private:
    QuietLog log_;
    std::unique_ptr<storage::FileSystem> files_;
    const Clock& clock_;
    boost::asio::io_context io_{1};
    std::optional<core::Relay> relay_;
    std::optional<InlineStorage> storage_;
    std::optional<runtime::Engine> engine_;
};

std::uint64_t measured_rounds = 0;
std::uint64_t measured_allocations = 0;

/// Named to callgrind (--toggle-collect), so it must be a function of its own.
[[gnu::noinline]] bool measured_round(Machine& machine) {
    ++measured_rounds;
    const std::uint64_t before = allocations;
    const bool ran = machine.round();
    measured_allocations += allocations - before;
    return ran;
}

bool run_round(Machine& machine, bool measured) {
    return measured ? measured_round(machine) : machine.round();
}

std::string event_of(std::uint64_t number) {
    std::string event = R"({"flow_token":"0123456789abcdef0123456789abcdef","event":"activity",)"
                        R"("author":{"name":"CI"},"title":"failed","external_thread_id":")" +
                        fmt::format("{:08}", number % threads) + R"(","body":")";
    event.append(event_size - event.size() - 2, 'x');
    return event + "\"}\n";
}

/// A producer that waits for the answers to a batch before it sends the next one.
class Producer {
public:
    explicit Producer(Machine& machine) : machine_(machine) {
        checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds_.data()),
                "socketpair");
        // All of a batch fits, whatever the system's default is.
        const int room = 1 << 20;
        ::setsockopt(fds_[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        ::setsockopt(fds_[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        runtime::StreamSocket socket(machine.io(),
                                     boost::asio::generic::stream_protocol(AF_UNIX, 0), fds_[1]);
        session_ = runtime::make_ingest_session(std::move(socket), machine.engine(), {});
        runtime::spawn(machine.io().get_executor(), session_->run());
    }
    /// The session refers to the machine: it ends first.
    ~Producer() {
        ::close(fds_[0]);
        machine_.round();
    }
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;

    void hand_in(std::uint64_t events, bool measured) {
        for (std::uint64_t done = 0; done < events; done += events_of_batch) {
            batch_.clear();
            for (std::size_t i = 0; i < events_of_batch; ++i) batch_ += event_of(next_event_++);
            if (::send(fds_[0], batch_.data(), batch_.size(), MSG_NOSIGNAL) !=
                static_cast<ssize_t>(batch_.size())) {
                throw std::runtime_error("a batch does not fit into the socket");
            }
            for (std::size_t answered = 0; answered < events_of_batch;) {
                if (!run_round(machine_, measured)) throw std::runtime_error("no answer came");
                answered += take_answers();
            }
        }
    }

private:
    std::size_t take_answers() {
        constexpr std::string_view good = R"({"status":"accepted")";
        const auto size = ::recv(fds_[0], answers_.data(), answers_.size(), 0);
        if (size <= 0) return 0;
        const std::string_view text(answers_.data(), static_cast<std::size_t>(size));
        if (!text.starts_with(good)) throw std::runtime_error(std::string(text.substr(0, 200)));
        return static_cast<std::size_t>(std::ranges::count(text, '\n'));
    }

    Machine& machine_;
    std::array<int, 2> fds_{};
    std::shared_ptr<runtime::Session> session_;
    std::uint64_t next_event_ = 0;
    std::string batch_;
    std::array<char, 64 * 1024> answers_{};
};

/// Answers as nginx does. Allocates nothing while it serves.
class Server {
public:
    Server() : listener_(checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket")) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        checked(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
        checked(::listen(listener_, 64), "listen");
        socklen_t size = sizeof address;
        checked(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size),
                "getsockname");
        port_ = ntohs(address.sin_port);
        connections_.reserve(64);
    }
    ~Server() {
        for (const int fd : connections_) ::close(fd);
        ::close(listener_);
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    std::uint16_t port() const noexcept { return port_; }

    /// Answers each request that has come; each comes in one piece.
    std::size_t serve() {
        while (true) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) break;
            const int on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            connections_.push_back(fd);
        }
        std::size_t served = 0;
        for (const int fd : connections_) {
            const auto size = ::recv(fd, request_.data(), request_.size(), 0);
            if (size <= 0) continue;
            if (!std::string_view(request_.data(), static_cast<std::size_t>(size)).ends_with('}')) {
                throw std::runtime_error("a request came in pieces");
            }
            checked(static_cast<int>(::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL)),
                    "send");
            ++served;
        }
        return served;
    }

    void wait() const {
        pollfd news{listener_, POLLIN, 0};
        ::poll(&news, 1, 1);
    }

private:
    static constexpr std::string_view answer =
        "HTTP/1.1 202 Accepted\r\nServer: nginx/1.22.1\r\nDate: Sun, 29 Nov 2026 18:00:00 GMT\r\n"
        "Content-Type: text/plain\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n";

    int listener_;
    std::uint16_t port_ = 0;
    std::vector<int> connections_;
    std::array<char, 16 * 1024> request_{};
};

void print(std::string_view what, std::uint64_t events) {
    fmt::print(R"({{"what":"{}","events":{},"allocations":{}}})"
               "\n",
               what, events, measured_allocations);
}

void measure_ingest(const std::string& directory) {
    const SteppingClock clock;
    Machine machine(directory, clock);
    Producer producer(machine);
    producer.hand_in(warm_events, false);
    producer.hand_in(measured_events, true);
    print("ingest", measured_events);
}

void measure_drain(const std::string& directory) {
    const SteppingClock clock;
    {
        Machine machine(directory, clock);
        Producer producer(machine);
        producer.hand_in(warm_events + measured_events + tail_events, false);
        machine.end();
    }
    Server server;
    Machine machine(directory, clock);
    runtime::Destination destination;
    destination.tls = false;
    destination.host = "127.0.0.1";
    destination.port = server.port();
    destination.authority = fmt::format("127.0.0.1:{}", server.port());
    destination.target = "/messages";
    runtime::Delivery delivery(machine.io().get_executor(), machine.engine(), destination, nullptr,
                               {});
    delivery.start();
    const auto deliver = [&](std::uint64_t until, bool measured) {
        const std::uint64_t first = machine.relay().counters().delivered;
        int idle = 0;
        while (machine.relay().counters().delivered < until) {
            const bool ran = run_round(machine, measured);
            const bool served = server.serve() > 0;
            idle = ran || served ? 0 : idle + 1;
            if (idle > 5000) throw std::runtime_error("nothing is delivered any more");
            if (idle > 0) server.wait();
        }
        return machine.relay().counters().delivered - first;
    };
    deliver(warm_events, false);
    const std::uint64_t events = deliver(warm_events + measured_events, true);
    print("drain", events);
    std::fflush(stdout);
    std::_Exit(0);  // what is under way is of no interest
}

}  // namespace
}  // namespace flowrelay::cost

int main(int argc, char** argv) {
    using namespace flowrelay;
    const std::string_view what = argc == 2 ? argv[1] : "";
    try {
        const test::TemporaryDirectory directory;
        std::filesystem::create_directory(directory.file("state"));
        if (what == "ingest") {
            cost::measure_ingest(directory.file("state"));
        } else if (what == "drain") {
            cost::measure_drain(directory.file("state"));
        } else {
            fmt::print(stderr, "cost ingest|drain\n");
            return 2;
        }
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "cost: {}\n", error.what());
        return 1;
    }
}
