// bench_latency: how long an event takes through an idle relay, beside what it consists of at
// least. It is producer and destination in one process, so that there is one clock.
//
// Prints "port N" for the destination, then waits for the path of the ingest socket on stdin. Takes
// turns between one fdatasync plus one HTTP exchange, and one event through the relay: from its
// first byte written to its request read. Prints one line of JSON.
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <iostream>
#include <list>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support.hpp"

namespace flowrelay::bench {
namespace {

constexpr int patience_ms = 5000;
constexpr std::string_view accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

/// Where a request ends in `bytes`; npos: not yet.
std::size_t end_of_request(std::string_view bytes) {
    const std::size_t head = bytes.find("\r\n\r\n");
    if (head == std::string_view::npos) return head;
    constexpr std::string_view name = "Content-Length: ";
    const std::size_t field = bytes.find(name);
    if (field > head) throw std::runtime_error("a request has no Content-Length");
    const std::size_t length = std::stoul(std::string(bytes.substr(field + name.size(), 20)));
    const std::size_t end = head + 4 + length;
    return end <= bytes.size() ? end : std::string_view::npos;
}

/// The destination: reads one request, tells when it was there, answers.
class Sink {
public:
    Sink() : Sink(listen_loopback(0)) {}
    std::uint16_t port() const noexcept { return port_; }

    Clock::time_point wait_for_request() {
        while (true) {
            std::vector<pollfd> polled{{listener_.get(), POLLIN, 0}};
            for (const auto& peer : peers_) polled.push_back({peer.socket.get(), POLLIN, 0});
            if (check(::poll(polled.data(), polled.size(), patience_ms), "poll") == 0) {
                throw std::runtime_error("no request for 5 s");
            }
            auto place = polled.begin() + 1;
            for (auto& peer : peers_) {
                if ((place++)->revents == 0) continue;
                if (const auto arrived = read(peer)) return *arrived;
            }
            std::erase_if(peers_, [](const Peer& peer) { return !peer.open; });
            if (polled.front().revents != 0) {
                Descriptor fd(check(::accept(listener_.get(), nullptr, nullptr), "accept"));
                set_nodelay(fd.get());
                peers_.push_back(Peer{std::move(fd), {}, true});
            }
        }
    }

private:
    struct Peer {
        Descriptor socket;
        std::string input;
        bool open = true;
    };

    explicit Sink(std::pair<Descriptor, std::uint16_t> listening)
        : listener_(std::move(listening.first)), port_(listening.second) {}

    std::optional<Clock::time_point> read(Peer& peer) {
        std::array<char, 16 * 1024> buffer;
        const auto size = ::recv(peer.socket.get(), buffer.data(), buffer.size(), 0);
        const auto now = Clock::now();
        if (size <= 0) {
            peer.open = false;
            return std::nullopt;
        }
        peer.input.append(buffer.data(), static_cast<std::size_t>(size));
        const std::size_t end = end_of_request(peer.input);
        if (end == std::string::npos) return std::nullopt;
        peer.input.erase(0, end);
        write_all(peer.socket.get(), accepted);
        return now;
    }

    Descriptor listener_;
    std::uint16_t port_;
    std::list<Peer> peers_;
};

std::string make_request(const std::string& body) {
    return fmt::format(
        "POST /messages HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n"
        "Accept: application/json\r\nContent-Type: application/json\r\n"
        "Idempotency-Key: 01970000-0000-7000-8000-000000000000\r\n"
        "Content-Length: {}\r\n\r\n{}",
        body.size(), body);
}

void read_answer(int fd, char last) {
    std::array<char, 4096> buffer;
    while (true) {
        const auto size = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (size <= 0) throw std::runtime_error("a connection was closed");
        if (buffer[static_cast<std::size_t>(size) - 1] == last) return;
    }
}

struct Samples {
    std::vector<std::uint32_t> sync;
    std::vector<std::uint32_t> exchange;
    std::vector<std::uint32_t> both;
    std::vector<std::uint32_t> relay;
    std::vector<std::uint32_t> answer;
};

/// The parts alone: one fdatasync, then one request until its answer was read.
void measure_parts(CommitFile& file, int client, Sink& sink, const std::string& request,
                   Samples& samples) {
    const auto begin = Clock::now();
    file.commit(request);
    const auto synced = Clock::now();
    std::thread server([&sink] { sink.wait_for_request(); });
    // The thread has to be there before the clock runs.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto asked = Clock::now();
    write_all(client, request);
    read_answer(client, '\n');
    const auto answered = Clock::now();
    server.join();
    samples.sync.push_back(nanoseconds_since(begin, synced));
    samples.exchange.push_back(nanoseconds_since(asked, answered));
    samples.both.push_back(samples.sync.back() + samples.exchange.back());
}

void measure_relay(int producer, Sink& sink, const std::string& line, Samples& samples) {
    Clock::time_point answered;
    std::thread answer([&] {
        read_answer(producer, '\n');
        answered = Clock::now();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto begin = Clock::now();
    write_all(producer, line);
    const auto arrived = sink.wait_for_request();
    answer.join();
    samples.relay.push_back(nanoseconds_since(begin, arrived));
    samples.answer.push_back(nanoseconds_since(begin, answered));
}

}  // namespace
}  // namespace flowrelay::bench

int main(int argc, char** argv) {
    using namespace flowrelay::bench;
    std::string directory;
    unsigned count = 500;
    unsigned pause_ms = 2;
    std::size_t size = 500;
    CLI::App cli("bench_latency sends single events through an idle relay.");
    cli.add_option("--directory", directory, "of the file for the raw fdatasync")->required();
    cli.add_option("--events", count);
    cli.add_option("--pause", pause_ms, "milliseconds before each");
    cli.add_option("--size", size, "bytes of an event");
    CLI11_PARSE(cli, argc, argv);
    try {
        Sink sink;
        fmt::print("port {}\n", sink.port());
        std::fflush(stdout);
        std::string socket;
        if (!std::getline(std::cin, socket)) return 1;

        CommitFile file(directory + "/latency", FileMode::overwrite);
        const std::string event = make_event(size, 1);
        const std::string request = make_request(event);
        const Descriptor client = connect_loopback(sink.port());
        const Descriptor producer = connect_unix(socket);
        Samples samples;
        for (unsigned i = 0; i < count + 10; ++i) {
            if (i == 10) samples = Samples();  // the first ones make connections
            std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
            measure_parts(file, client.get(), sink, request, samples);
            std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
            measure_relay(producer.get(), sink, event + "\n", samples);
        }
        fmt::print(R"({{"events":{},"relay":{{{}}},"answer":{{{}}},"sync":{{{}}},)"
                   R"("exchange":{{{}}},"both":{{{}}}}})"
                   "\n",
                   count, percentile_members(samples.relay), percentile_members(samples.answer),
                   percentile_members(samples.sync), percentile_members(samples.exchange),
                   percentile_members(samples.both));
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_latency: {}\n", error.what());
        return 1;
    }
}
