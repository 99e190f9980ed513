// bench_reference: the least that a durable ingest can do. Finds the lines in what producers send,
// writes them with a header's worth of bytes, one fdatasync for all that has come, one answer of
// the usual length for each. No check, no index, no delivery: the upper limit that the relay is
// compared with. One thread; ends with SIGTERM.
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "support.hpp"

namespace flowrelay::bench {
namespace {

constexpr std::size_t read_size = 64 * 1024;
constexpr std::size_t header_size = 36;
constexpr std::string_view answer =
    "{\"status\":\"accepted\",\"id\":\"01970000-0000-7000-8000-000000000000\"}\n";

struct Connection {
    explicit Connection(int fd) : socket(fd) {}
    Descriptor socket;
    std::string input;
    std::size_t unanswered = 0;
    bool open = true;
};

class Server {
public:
    Server(const std::string& socket, const std::string& file, FileMode mode)
        : listener_(listen_unix(socket)),
          epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
          file_(file, mode) {
        watch(listener_.get(), nullptr);
    }

    [[noreturn]] void run() {
        std::array<epoll_event, 64> ready{};
        while (true) {
            const int count =
                check(::epoll_wait(epoll_.get(), ready.data(), int{ready.size()}, -1), "epoll");
            for (int i = 0; i < count; ++i) {
                auto* connection =
                    static_cast<Connection*>(ready[static_cast<std::size_t>(i)].data.ptr);
                if (connection == nullptr) {
                    accept();
                } else {
                    read(*connection);
                }
            }
            commit();
        }
    }

private:
    void watch(int fd, Connection* connection) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = connection;
        check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }

    void accept() {
        auto connection = std::make_unique<Connection>(
            check(::accept(listener_.get(), nullptr, nullptr), "accept"));
        watch(connection->socket.get(), connection.get());
        connections_.push_back(std::move(connection));
    }

    void read(Connection& connection) {
        std::string& input = connection.input;
        while (true) {
            const std::size_t kept = input.size();
            input.resize(kept + read_size);
            const auto size =
                ::recv(connection.socket.get(), input.data() + kept, read_size, MSG_DONTWAIT);
            input.resize(kept + static_cast<std::size_t>(size < 0 ? 0 : size));
            if (size == 0 || (size < 0 && errno != EAGAIN)) connection.open = false;
            if (size < static_cast<ssize_t>(read_size)) break;
        }
        take_lines(connection);
    }

    void take_lines(Connection& connection) {
        std::string& input = connection.input;
        std::size_t begin = 0;
        for (std::size_t end = input.find('\n'); end != std::string::npos;
             end = input.find('\n', begin)) {
            batch_.append(header_size, '\0');
            batch_.append(input, begin, end - begin);
            ++connection.unanswered;
            begin = end + 1;
        }
        input.erase(0, begin);
    }

    void commit() {
        if (!batch_.empty()) file_.commit(batch_);
        batch_.clear();
        for (const auto& connection : connections_) {
            answers_.clear();
            for (; connection->unanswered > 0; --connection->unanswered) answers_ += answer;
            if (connection->open && !answers_.empty()) {
                write_all(connection->socket.get(), answers_);
            }
        }
        std::erase_if(connections_, [](const auto& connection) { return !connection->open; });
    }

    Descriptor listener_;
    Descriptor epoll_;
    CommitFile file_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::string batch_;
    std::string answers_;
};

}  // namespace
}  // namespace flowrelay::bench

int main(int argc, char** argv) {
    using namespace flowrelay::bench;
    std::string socket;
    std::string file;
    std::string mode = "overwrite";
    CLI::App cli("bench_reference frames lines, commits them and answers: nothing else.");
    cli.add_option("--socket", socket)->required();
    cli.add_option("--file", file)->required();
    cli.add_option("--mode", mode, "growing, allocated or overwrite")->capture_default_str();
    CLI11_PARSE(cli, argc, argv);
    try {
        Server server(socket, file, file_mode(mode));
        fmt::print("listening on unix:{}\n", socket);
        std::fflush(stdout);
        server.run();
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_reference: {}\n", error.what());
        return 1;
    }
}
