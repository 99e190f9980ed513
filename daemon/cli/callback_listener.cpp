#include "cli/callback_listener.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "flowrelay/app/text.hpp"
#include "flowrelay/http/response_writer.hpp"

namespace flowrelay::cli {

namespace {

constexpr std::size_t max_browsers = 16;  // beyond this, the oldest connection is closed
constexpr http::RequestLimits callback_limits{16 * 1024, 4 * 1024};

std::string escape_html(std::string_view text) {
    std::string out;
    for (const char c : app::printable(text)) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

void send_page(int fd, int status, std::string page) {
    http::Response response;
    response.status = status;
    response.content_type = "text/html; charset=utf-8";
    response.fields = {{"Cache-Control", "no-store"},
                       {"Content-Security-Policy",
                        "default-src 'none'; base-uri 'none'; form-action 'none'; "
                        "frame-ancestors 'none'"},
                       {"Referrer-Policy", "no-referrer"},
                       {"X-Content-Type-Options", "nosniff"}};
    response.body = std::move(page);
    response.keep_alive = false;
    std::string bytes;
    http::append_response(bytes, response);
    // A few KiB to loopback fit into the socket's buffer, so this need not wait for the browser.
    (void)::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(fd, SHUT_WR);
}

struct LoopbackAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    int family = AF_INET;
};

LoopbackAddress loopback_address(const std::string& address, std::uint16_t port) {
    LoopbackAddress result;
    if (address.find(':') != address.npos) {
        auto* const v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        ::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr);
        result.size = sizeof(*v6);
        result.family = AF_INET6;
    } else {
        auto* const v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        ::inet_pton(AF_INET, address.c_str(), &v4->sin_addr);
        result.size = sizeof(*v4);
    }
    return result;
}

std::uint16_t port_of(int fd) {
    sockaddr_storage bound{};
    socklen_t size = sizeof(bound);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
    return ntohs(bound.ss_family == AF_INET6
                     ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                     : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
}

}  // namespace

struct CallbackListener::Browser {
    int fd = -1;
    http::RequestReader reader{callback_limits};
};

Result<std::unique_ptr<CallbackListener>> CallbackListener::open(const std::string& address,
                                                                 std::uint16_t port,
                                                                 std::string path) {
    const LoopbackAddress place = loopback_address(address, port);
    const int fd = ::socket(place.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const std::string where = fmt::format("{} port {}", address, port);
    if (fd < 0) return system_error(errno, "listen on", where);
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&place.storage), place.size) != 0 ||
        ::listen(fd, max_browsers) != 0) {
        const int reason = errno;
        ::close(fd);
        return system_error(reason, "listen on", where);
    }
    return std::unique_ptr<CallbackListener>(
        new CallbackListener(fd, port_of(fd), std::move(path)));
}

CallbackListener::CallbackListener(int fd, std::uint16_t port, std::string path)
    : fd_(fd), port_(port), path_(std::move(path)) {}

CallbackListener::~CallbackListener() {
    for (const Browser& browser : browsers_) ::close(browser.fd);
    ::close(fd_);
}

void CallbackListener::add_to(std::vector<pollfd>& waiting) const {
    waiting.push_back({fd_, POLLIN, 0});
    for (const Browser& browser : browsers_) waiting.push_back({browser.fd, POLLIN, 0});
}

void CallbackListener::accept_browser() {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (browsers_.size() >= max_browsers) {
        ::close(browsers_.front().fd);
        browsers_.pop_front();
    }
    browsers_.emplace_back().fd = fd;
}

/// Returns whether the request of a browser is complete or its connection has ended.
bool CallbackListener::is_done(Browser& browser,
                               const std::function<bool(std::string_view)>& is_ours) {
    std::array<char, 4096> bytes;
    const ssize_t size = ::recv(browser.fd, bytes.data(), bytes.size(), 0);
    if (size < 0) return errno != EAGAIN && errno != EINTR;
    if (size == 0) return true;
    browser.reader.put({bytes.data(), static_cast<std::size_t>(size)});
    if (browser.reader.status() == http::ReadStatus::need_more) return false;
    if (browser.reader.status() == http::ReadStatus::complete) {
        const http::Request& request = browser.reader.request();
        if (request.method == "GET" && request.path == path_ && is_ours(request.query)) {
            waiting_ = browser.fd;
            return false;
        }
    }
    send_page(browser.fd, 404,
              callback_page(false, "Not found",
                            "This page is not the answer that flowrelay waits for. It goes on "
                            "waiting."));
    return true;
}

bool CallbackListener::serve(const std::vector<pollfd>& found,
                             const std::function<bool(std::string_view query)>& is_ours) {
    for (const pollfd& each : found) {
        if (each.revents == 0) continue;
        if (each.fd == fd_) {
            accept_browser();
            continue;
        }
        const auto browser = std::ranges::find(browsers_, each.fd, &Browser::fd);
        if (browser == browsers_.end()) continue;
        const bool done = is_done(*browser, is_ours);
        if (waiting_ >= 0) return true;
        if (!done) continue;
        ::close(browser->fd);
        browsers_.erase(browser);
    }
    return false;
}

void CallbackListener::answer(bool success, std::string_view heading, std::string_view text) {
    const auto browser = std::ranges::find(browsers_, waiting_, &Browser::fd);
    waiting_ = -1;
    if (browser == browsers_.end()) return;
    send_page(browser->fd, success ? 200 : 400, callback_page(success, heading, text));
    ::close(browser->fd);
    browsers_.erase(browser);
}

std::string callback_page(bool success, std::string_view heading, std::string_view text) {
    return fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<title>{0}: "
        "{1}</title></head>\n<body><main{2}><h1>{1}</h1><p>{3}</p></main></body></html>\n",
        "flowrelay", escape_html(heading), success ? "" : " role=\"alert\"", escape_html(text));
}

}  // namespace flowrelay::cli
