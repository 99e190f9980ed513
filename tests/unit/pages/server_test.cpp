// The server over real sockets: what comes late, long or wrong takes nobody else's place.
#include "pages/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "flowrelay/client/unix_stream.hpp"
#include "flowrelay/runtime/listening_socket.hpp"
#include "support/temporary_directory.hpp"

namespace flowrelay::pages {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr Milliseconds patient{5000};

class RunningServer {
public:
    explicit RunningServer(Answer answer, std::size_t max_connections = 2,
                           Milliseconds patience = patient) {
        path_ = directory_.file("socket");
        fd_ = runtime::listen_unix(path_, 0600, "");
        ServerLimits limits;
        limits.patience = patience;
        std::vector<Listener> listeners{{fd_, std::move(answer), max_connections}};
        thread_ = std::thread([this, limits, listeners = std::move(listeners)] {
            Server server(listeners, limits, log_);
            server.run(stop_, [] {});
        });
    }
    ~RunningServer() {
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(stop_, &one, sizeof one), ssize_t{sizeof one});
        thread_.join();
        ::close(fd_);
        ::close(stop_);
    }

    client::UnixStream connect() const {
        return *client::UnixStream::connect(path_, MonoTime::clock::now() + patient);
    }

    /// Sends bytes and reads all that comes back.
    std::string say(const std::string& bytes) const {
        auto stream = connect();
        return say(stream, bytes);
    }
    static std::string say(client::UnixStream& stream, const std::string& bytes) {
        const MonoTime deadline = MonoTime::clock::now() + patient;
        EXPECT_TRUE(stream.write_all(bytes, deadline));
        std::string all;
        std::array<char, 4096> chunk;
        while (true) {
            const auto got = stream.read(chunk, deadline);
            if (!got || *got == 0) return all;
            all.append(chunk.data(), *got);
        }
    }

private:
    test::TemporaryDirectory directory_;
    NullLog log_;
    std::string path_;
    int fd_ = -1;
    int stop_ = ::eventfd(0, EFD_CLOEXEC);
    std::thread thread_;
};

http::Response echo(const http::RequestReader& reader, int) {
    http::Response response;
    response.body = std::string(reader.request().path);
    return response;
}

const std::string get = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(PagesServer, AnswersOneRequestPerConnection) {
    const RunningServer server(echo);
    const std::string answer = server.say(get + get);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
    EXPECT_EQ(answer.find("/page"), answer.rfind("/page"));
}

TEST(PagesServer, RefusesRequestsThatAreTooLongOrNotHttp) {
    const RunningServer server(echo);
    EXPECT_THAT(server.say("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(server.say("GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n"),
                StartsWith("HTTP/1.1 431 "));
    EXPECT_THAT(server.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" +
                           std::string(100'000, 'x')),
                StartsWith("HTTP/1.1 413 "));
}

TEST(PagesServer, DropsConnectionsThatSendNothing) {
    const RunningServer server(echo, 2, Milliseconds(200));
    const auto one = server.connect();
    const auto other = server.connect();
    EXPECT_THAT(server.say(get), StartsWith("HTTP/1.1 200 "));
}

TEST(PagesServer, AnswersAfterAnException) {
    const RunningServer server([](const http::RequestReader&, int) -> http::Response {
        throw std::runtime_error("broken");
    });
    const std::string answer = server.say(get);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 "));
    EXPECT_THAT(answer, ::testing::Not(HasSubstr("broken")));
}

TEST(PagesServer, FinishesAnswersBeforeItEnds) {
    std::string answer;
    std::thread browser;
    {
        std::atomic<bool> asked = false;
        const RunningServer server([&](const http::RequestReader& reader, int fd) {
            asked = true;
            std::this_thread::sleep_for(Milliseconds(200));
            return echo(reader, fd);
        });
        browser = std::thread(
            [&, stream = server.connect()]() mutable { answer = RunningServer::say(stream, get); });
        while (!asked) std::this_thread::yield();
    }
    browser.join();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace flowrelay::pages
