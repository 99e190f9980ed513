#include "cli/callback_listener.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "cli/line_input.hpp"

namespace flowrelay::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Client {
public:
    explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    }
    ~Client() { ::close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send(std::string_view bytes) const {
        EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }
    void get(const std::string& target) const {
        send("GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    }
    std::string answer() const {
        std::string all;
        char bytes[4096];
        for (ssize_t size = 0; (size = ::recv(fd_, bytes, sizeof(bytes), 0)) > 0;) {
            all.append(bytes, static_cast<std::size_t>(size));
        }
        return all;
    }

private:
    int fd_;
};

class CallbackListenerTest : public ::testing::Test {
protected:
    std::unique_ptr<CallbackListener> listener_ =
        CallbackListener::open("127.0.0.1", 0, "/callback").value();

    /// Serves pending connections until there are no more, or one has the expected callback.
    bool serve() {
        while (true) {
            std::vector<pollfd> waiting;
            listener_->add_to(waiting);
            if (::poll(waiting.data(), waiting.size(), 100) <= 0) return false;
            const auto is_ours = [](std::string_view query) { return query == "ours"; };
            if (listener_->serve(waiting, is_ours)) return true;
        }
    }
};

TEST_F(CallbackListenerTest, AnswersEverythingButOurQueryWith404) {
    for (const char* target :
         {"/", "/favicon.ico", "/callback", "/callback?theirs", "/callback/?ours", "/Callback?ours",
          "//callback?ours", "/x/../callback?ours"}) {
        const Client client(listener_->port());
        client.get(target);
        EXPECT_FALSE(serve()) << target;
        EXPECT_THAT(client.answer(), StartsWith("HTTP/1.1 404 ")) << target;
    }
    for (const char* bytes :
         {"POST /callback?ours HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
          "HEAD /callback?ours HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\r\n\r\n",
          "GET /callback?ours\r\n\r\n"}) {
        const Client client(listener_->port());
        client.send(bytes);
        EXPECT_FALSE(serve()) << bytes;
        EXPECT_THAT(client.answer(), StartsWith("HTTP/1.1 404 ")) << bytes;
    }
}

TEST_F(CallbackListenerTest, LetsTheBrowserWaitForItsPage) {
    const Client client(listener_->port());
    client.send("GET /callback?ou");
    EXPECT_FALSE(serve());
    client.send("rs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    ASSERT_TRUE(serve());
    listener_->answer(true, "Allowed", "Go <on> & \"on\"");
    const std::string page = client.answer();
    EXPECT_THAT(page, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(page, HasSubstr("Cache-Control: no-store\r\n"));
    EXPECT_THAT(page, HasSubstr("Referrer-Policy: no-referrer\r\n"));
    EXPECT_THAT(page, HasSubstr("Content-Security-Policy: default-src 'none'"));
    EXPECT_THAT(page, HasSubstr("Go &lt;on&gt; &amp; &quot;on&quot;"));
    listener_->answer(true, "Allowed", "nobody waits any more");
}

TEST_F(CallbackListenerTest, ServesBrowsersDespiteIdleConnections) {
    std::vector<std::unique_ptr<Client>> idle;
    for (int i = 0; i < 50; ++i) {
        idle.push_back(std::make_unique<Client>(listener_->port()));
        EXPECT_FALSE(serve());
    }
    const Client client(listener_->port());
    client.get("/callback?ours");
    ASSERT_TRUE(serve());
    listener_->answer(false, "Not connected", "why");
    EXPECT_THAT(client.answer(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(CallbackListenerTest, NamesAPortThatIsInUse) {
    const auto second = CallbackListener::open("127.0.0.1", listener_->port(), "/");
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message,
                HasSubstr("127.0.0.1 port " + std::to_string(listener_->port())));
}

TEST(LineInput, ReturnsWholeLinesAndTheRestAtTheEnd) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    LineInput input(ends[0]);
    ASSERT_EQ(::write(ends[1], "one\ntw", 6), 6);
    EXPECT_EQ(input.wait_for_line(-1), "one");
    EXPECT_EQ(input.take_line(), std::nullopt);
    ASSERT_EQ(::write(ends[1], "o\n\nrest", 7), 7);
    EXPECT_EQ(input.wait_for_line(-1), "two");
    EXPECT_EQ(input.wait_for_line(-1), "");
    ::close(ends[1]);
    EXPECT_EQ(input.wait_for_line(-1), "rest");
    EXPECT_EQ(input.wait_for_line(-1), std::nullopt);
    EXPECT_EQ(input.descriptor(), -1);
    ::close(ends[0]);
}

}  // namespace
}  // namespace flowrelay::cli
